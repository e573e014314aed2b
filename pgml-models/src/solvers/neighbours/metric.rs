//! Distances between rows, in the form that is cheapest to compare.

use std::borrow::Cow;

use crate::solvers::kernels::dot;
use crate::solvers::packets::{largest, powers, sizes, squares};

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
    /// `1 − a·b / (|a| |b|)`; between a row of zeros and others it is 1.
    Cosine,
}

impl Metric {
    /// The names that [`Metric::named`] knows.
    pub const NAMES: [&'static str; 5] = ["minkowski", "euclidean", "manhattan", "chebyshev", "cosine"];

    /// The metric that scikit-learn calls `name`; `p` is for `minkowski` alone.
    #[must_use]
    pub fn named(name: &str, p: f64) -> Option<Self> {
        match name {
            "euclidean" | "l2" => Some(Self::Euclidean),
            "manhattan" | "cityblock" | "l1" => Some(Self::Manhattan),
            "chebyshev" => Some(Self::Chebyshev),
            "cosine" => Some(Self::Cosine),
            "minkowski" if p == 1.0 => Some(Self::Manhattan),
            "minkowski" if p == 2.0 => Some(Self::Euclidean),
            "minkowski" if p.is_finite() && p > 0.0 => Some(Self::Minkowski(p)),
            "minkowski" if p == f64::INFINITY => Some(Self::Chebyshev),
            _ => None,
        }
    }

    /// The name under which [`Metric::named`] finds it, and its `p`.
    #[must_use]
    pub fn name(self) -> (&'static str, f64) {
        match self {
            Self::Euclidean => ("euclidean", 2.0),
            Self::Manhattan => ("manhattan", 1.0),
            Self::Chebyshev => ("chebyshev", 0.0),
            Self::Minkowski(p) => ("minkowski", p),
            Self::Cosine => ("cosine", 0.0),
        }
    }

    /// The distance that a comparable value stands for: its root, where comparing needs none.
    #[must_use]
    pub fn distance(self, reduced: f64) -> f64 {
        match self {
            Self::Euclidean => reduced.sqrt(),
            Self::Minkowski(p) => reduced.powf(1.0 / p),
            Self::Manhattan | Self::Chebyshev => reduced,
            Self::Cosine => reduced / 2.0,
        }
    }

    /// The comparable value of a distance.
    #[must_use]
    pub fn reduced(self, distance: f64) -> f64 {
        match self {
            Self::Euclidean => distance * distance,
            Self::Minkowski(p) => distance.powf(p),
            Self::Manhattan | Self::Chebyshev => distance,
            Self::Cosine => 2.0 * distance,
        }
    }

    /// How many numbers of a row of `d` features are compared.
    pub(super) fn width(self, d: usize) -> usize {
        d + usize::from(self == Self::Cosine)
    }

    /// Row-major `rows` of `d` features in the form in which they are compared. Cosine distances are half the squared
    /// distances of rows of length 1, which lose no digits where rows are close; a row of zeros becomes one at right
    /// angles to all others, along a feature of its own.
    pub(super) fn prepared(self, rows: &[f64], d: usize) -> Cow<'_, [f64]> {
        if self != Self::Cosine {
            return Cow::Borrowed(rows);
        }
        let mut out = Vec::with_capacity(rows.len() / d * (d + 1));
        for row in rows.chunks_exact(d) {
            // By the largest value first, so that no square overflows.
            let largest = row.iter().fold(0.0_f64, |a, x| a.max(x.abs()));
            let start = out.len();
            out.extend(row.iter().map(|x| if largest > 0.0 { x / largest } else { 0.0 }));
            let length = dot(&out[start..], &out[start..]).sqrt();
            out[start..].iter_mut().for_each(|x| *x = if largest > 0.0 { *x / length } else { 0.0 });
            out.push(f64::from(u8::from(largest == 0.0)));
        }
        Cow::Owned(out)
    }

    /// The comparable value of what separates `query` from the box between `low` and `high`; 0 inside.
    pub(super) fn to_box(self, query: &[f64], low: &[f64], high: &[f64]) -> f64 {
        let gaps = query.iter().zip(low.iter().zip(high)).map(|(x, (low, high))| (low - x).max(x - high).max(0.0));
        match self {
            Self::Euclidean | Self::Cosine => gaps.map(|gap| gap * gap).sum(),
            Self::Manhattan => gaps.sum(),
            Self::Chebyshev => gaps.fold(0.0, f64::max),
            Self::Minkowski(p) => gaps.map(|gap| gap.powf(p)).sum(),
        }
    }

    /// Writes the comparable values between `query` and each row of `packets` (see [`crate::solvers::packets`]) into `out`.
    pub(super) fn to_packets(self, packets: &[f64], query: &[f64], out: &mut [f64]) {
        match self {
            Self::Euclidean | Self::Cosine => squares(packets, query, out),
            Self::Manhattan => sizes(packets, query, out),
            Self::Chebyshev => largest(packets, query, out),
            Self::Minkowski(p) => powers(packets, query, p, out),
        }
    }
}
