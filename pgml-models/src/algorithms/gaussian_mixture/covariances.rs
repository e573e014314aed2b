//! Shapes of normal distributions, and what turns rows into their standard coordinates.

use pgml_core::{Result, Run, bail};

use crate::solvers::cholesky;
use crate::solvers::kernels::axpy;

/// Which shapes are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Each distribution has a covariance matrix.
    Full,
    /// All share one.
    Tied,
    /// Each has a variance per feature.
    Diag,
    /// Each has one variance.
    Spherical,
}

impl Kind {
    /// The kind that scikit-learn calls `name`; full for any other.
    pub fn named(name: &str) -> Self {
        [Self::Tied, Self::Diag, Self::Spherical].into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Full)
    }

    /// scikit-learn's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Tied => "tied",
            Self::Diag => "diag",
            Self::Spherical => "spherical",
        }
    }

    /// How many numbers `k` covariances of `d` features have, unless beyond what a computer counts.
    pub fn n_numbers(self, k: usize, d: usize) -> Option<usize> {
        match self {
            Self::Full => k.checked_mul(d)?.checked_mul(d),
            Self::Tied => d.checked_mul(d),
            Self::Diag => k.checked_mul(d),
            Self::Spherical => Some(k),
        }
    }

    /// Whether covariances are matrices.
    pub fn is_dense(self) -> bool {
        matches!(self, Self::Full | Self::Tied)
    }
}

/// The upper `U` with `U Uᵀ = C⁻¹`, of the row-major covariance matrix `c`.
pub fn factor_of_covariance(c: &[f64], d: usize) -> Result<Vec<f64>> {
    let mut l = c.to_vec();
    if l.iter().any(|x| !x.is_finite()) || !cholesky::factor(&mut l, d, &Run::new())? {
        return collapsed();
    }
    // Column j of L⁻¹ is row j of its transpose, which is U.
    let mut u = vec![0.0; d * d];
    for j in 0..d {
        let row = &mut u[j * d..(j + 1) * d];
        row[j] = 1.0 / l[j * d + j];
        for i in j + 1..d {
            let sum: f64 = l[i * d + j..i * d + i].iter().zip(&row[j..i]).map(|(l, x)| l * x).sum();
            row[i] = -sum / l[i * d + i];
        }
    }
    Ok(u)
}

/// The upper `U` with `U Uᵀ = P`, of the row-major inverse covariance matrix `p`.
pub fn factor_of_precision(p: &[f64], d: usize) -> Result<Vec<f64>> {
    // Read backwards, an upper factor is a lower one.
    let mut l: Vec<f64> = p.iter().rev().copied().collect();
    if !cholesky::factor(&mut l, d, &Run::new())? {
        bail!(InvalidParameter, "precisions_init of gaussian_mixture has a matrix that is not positive definite");
    }
    for i in 0..d {
        l[i * d + i + 1..(i + 1) * d].fill(0.0);
    }
    l.reverse();
    Ok(l)
}

/// The reciprocals of variances.
pub fn precisions(variances: &[f64]) -> Result<Vec<f64>> {
    if variances.iter().any(|v| !v.is_finite() || *v <= 0.0) {
        return collapsed();
    }
    Ok(variances.iter().map(|v| 1.0 / v).collect())
}

fn collapsed<T>() -> Result<T> {
    bail!(
        InvalidData,
        "a distribution of gaussian_mixture has no extent in some direction, or too much: use fewer components, raise \
         reg_covar, or scale the features in preprocess"
    )
}

/// `row · U` for the row-major square `u`.
pub fn times(row: &[f64], u: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; row.len()];
    row.iter().zip(u.chunks_exact(row.len())).for_each(|(x, line)| axpy(*x, line, &mut out));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_multiply_to_the_inverse() {
        let c = [4.0, 1.0, 0.5, 1.0, 3.0, 0.2, 0.5, 0.2, 2.0];
        let u = factor_of_covariance(&c, 3).expect("definite");
        let precision: Vec<f64> =
            (0..9).map(|cell| (0..3).map(|l| u[cell / 3 * 3 + l] * u[cell % 3 * 3 + l]).sum()).collect();
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|l| c[i * 3 + l] * precision[l * 3 + j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
        let again = factor_of_precision(&precision, 3).expect("definite");
        assert!(again.iter().zip(&u).all(|(a, b)| (a - b).abs() < 1e-14), "{again:?} {u:?}");
    }
}
