//! Distances between rows, by the names that scikit-learn gives them.

use pgml_core::{Error, ErrorKind, Result, bail};

use super::kernels::dot;

/// How far apart two rows are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// `√Σ (aⱼ − bⱼ)²`.
    Euclidean,
    /// `Σ |aⱼ − bⱼ|`.
    Manhattan,
    /// `max |aⱼ − bⱼ|`.
    Chebyshev,
    /// `(Σ |aⱼ − bⱼ|ᵖ)^(1/p)`.
    Minkowski(f64),
    /// One less the cosine of the angle between the rows; a row of zeros is 1 away from every other.
    Cosine,
}

impl Metric {
    /// The metric called `name`; `p` is the power of `minkowski`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], listing the names.
    pub fn named(name: &str, p: f64) -> Result<Self> {
        match name {
            "minkowski" if p == 1.0 => Ok(Self::Manhattan),
            "minkowski" if p == 2.0 => Ok(Self::Euclidean),
            "minkowski" if p.is_infinite() => Ok(Self::Chebyshev),
            "minkowski" => Ok(Self::Minkowski(p)),
            "euclidean" | "l2" => Ok(Self::Euclidean),
            "manhattan" | "l1" | "cityblock" => Ok(Self::Manhattan),
            "chebyshev" | "infinity" => Ok(Self::Chebyshev),
            "cosine" => Ok(Self::Cosine),
            other => bail!(
                InvalidParameter,
                "unknown metric \"{other}\"; known are euclidean, l2, manhattan, l1, cityblock, chebyshev, minkowski, cosine"
            ),
        }
    }

    /// The distance between two rows of one length.
    #[must_use]
    pub fn distance(self, a: &[f64], b: &[f64]) -> f64 {
        let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        match self {
            Self::Euclidean => differences.map(|x| x * x).sum::<f64>().sqrt(),
            Self::Manhattan => differences.sum(),
            Self::Chebyshev => differences.fold(0.0, f64::max),
            Self::Minkowski(p) => differences.map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p),
            Self::Cosine => {
                let lengths = (dot(a, a) * dot(b, b)).sqrt();
                if lengths > 0.0 { (1.0 - dot(a, b) / lengths).max(0.0) } else { 1.0 }
            }
        }
    }

    /// How it is stored: a code and the power, which only `Minkowski` has.
    #[must_use]
    pub fn code(self) -> [f64; 2] {
        match self {
            Self::Euclidean => [0.0, 2.0],
            Self::Manhattan => [1.0, 1.0],
            Self::Chebyshev => [2.0, 0.0],
            Self::Minkowski(p) => [3.0, p],
            Self::Cosine => [4.0, 0.0],
        }
    }

    /// The metric of a stored code.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when there is no such code.
    pub fn decode(code: &[f64]) -> Result<Self> {
        match code {
            [0.0, _] => Ok(Self::Euclidean),
            [1.0, _] => Ok(Self::Manhattan),
            [2.0, _] => Ok(Self::Chebyshev),
            [3.0, p] if *p > 0.0 && p.is_finite() => Ok(Self::Minkowski(*p)),
            [4.0, _] => Ok(Self::Cosine),
            other => bail!(Corrupted, "stored metric {other:?} is unknown"),
        }
    }
}

/// The error of clusterings that look at all pairs of rows when distances overflow.
#[must_use]
pub fn too_large() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        "the distances between rows overflow: features are too large, scale them in preprocess",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_measure_a_known_triangle() {
        let (a, b) = ([0.0, 0.0], [3.0, 4.0]);
        let of = |name, p| Metric::named(name, p).expect("known").distance(&a, &b);
        assert_eq!([of("l2", 0.0), of("l1", 0.0), of("chebyshev", 0.0)], [5.0, 7.0, 4.0]);
        assert!((of("minkowski", 3.0) - 91.0_f64.cbrt()).abs() < 1e-12);
        assert_eq!(of("cosine", 0.0), 1.0);
        assert_eq!(Metric::Cosine.distance(&[1.0, 0.0], &[0.0, 2.0]), 1.0);
        assert!(Metric::named("hamming", 2.0).is_err());
    }
}
