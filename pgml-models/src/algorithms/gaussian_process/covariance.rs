//! Covariance functions: sums and products of simple ones, with their derivatives (Rasmussen, Williams 2006, chapter 4).

use std::f64::consts::PI;
use std::ops::Range;

use crate::solvers::exponential::exp_in_place;
use crate::solvers::kernels::{for_each_cpu, multiply};
use crate::solvers::packets::{LANES, products, squares};

/// A number of a covariance function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hyper {
    /// Its value, above 0.
    pub value: f64,
    /// Between which it may be changed; `None` where it may not.
    pub bounds: Option<(f64, f64)>,
}

/// How a covariance falls with the distance `r` in length scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `exp(−r² / 2)`.
    Rbf,
    /// `exp(−r)`.
    Matern12,
    /// `(1 + √3 r) exp(−√3 r)`.
    Matern32,
    /// `(1 + √5 r + 5 r² / 3) exp(−√5 r)`.
    Matern52,
}

/// A covariance function, whose numbers are positions among [`Hyper`]s.
#[derive(Debug, Clone, PartialEq)]
pub enum Covariance {
    /// `a + b`.
    Sum(Box<Covariance>, Box<Covariance>),
    /// `a · b`.
    Product(Box<Covariance>, Box<Covariance>),
    /// The number itself.
    Constant(usize),
    /// The number for a row and itself, else 0.
    White(usize),
    /// `σ² + a·b`.
    DotProduct(usize),
    /// Of the distance, in one length scale or in one per feature.
    Radial(Shape, Range<usize>),
    /// `(1 + r² / 2α)^−α`: length scale, then α.
    RationalQuadratic(usize),
    /// `exp(−2 sin²(π r / p) / l²)`: length scale `l`, then period `p`.
    Periodic(usize),
}

/// Rows that covariances are computed with.
pub struct Row<'a> {
    /// The other rows in packets (see [`crate::solvers::packets`]).
    pub packets: &'a [f64],
    /// The row.
    pub row: &'a [f64],
    /// Its position among the others, if it is one of them.
    pub own: Option<usize>,
    /// The value of each [`Hyper`].
    pub hypers: &'a [f64],
}

/// Vectors to compute in, used again and again.
#[derive(Default)]
pub struct Room(Vec<Vec<f64>>);

impl Room {
    fn take(&mut self, len: usize) -> Vec<f64> {
        let mut vector = self.0.pop().unwrap_or_default();
        vector.clear();
        vector.resize(len, 0.0);
        vector
    }

    fn give(&mut self, vector: Vec<f64>) {
        self.0.push(vector);
    }
}

impl Covariance {
    /// The positions of its numbers.
    fn hypers(&self) -> Range<usize> {
        match self {
            Self::Sum(a, b) | Self::Product(a, b) => a.hypers().start..b.hypers().end,
            Self::Constant(h) | Self::White(h) | Self::DotProduct(h) => *h..h + 1,
            Self::Radial(_, lengths) => lengths.clone(),
            Self::RationalQuadratic(h) | Self::Periodic(h) => *h..h + 2,
        }
    }

    /// The covariance of `row` with itself.
    pub fn own(&self, row: &[f64], hypers: &[f64]) -> f64 {
        match self {
            Self::Sum(a, b) => a.own(row, hypers) + b.own(row, hypers),
            Self::Product(a, b) => a.own(row, hypers) * b.own(row, hypers),
            Self::Constant(h) | Self::White(h) => hypers[*h],
            Self::DotProduct(h) => hypers[*h].powi(2) + row.iter().map(|x| x * x).sum::<f64>(),
            Self::Radial(..) | Self::RationalQuadratic(_) | Self::Periodic(_) => 1.0,
        }
    }

    /// Writes the covariances of a row with the others into `out`, and into `slopes`, where given, their derivatives by the
    /// logarithm of each number: one vector as long as `out` per [`Hyper`].
    pub fn fill(&self, at: &Row<'_>, out: &mut [f64], mut slopes: Option<&mut [Vec<f64>]>, room: &mut Room) {
        match self {
            Self::Sum(a, b) => {
                a.fill(at, out, slopes.as_deref_mut(), room);
                let mut other = room.take(out.len());
                b.fill(at, &mut other, slopes, room);
                out.iter_mut().zip(&other).for_each(|(x, y)| *x += y);
                room.give(other);
            }
            Self::Product(a, b) => {
                a.fill(at, out, slopes.as_deref_mut(), room);
                let mut other = room.take(out.len());
                b.fill(at, &mut other, slopes.as_deref_mut(), room);
                if let Some(slopes) = slopes {
                    slopes[a.hypers()].iter_mut().for_each(|slope| times(slope, &other));
                    slopes[b.hypers()].iter_mut().for_each(|slope| times(slope, out));
                }
                times(out, &other);
                room.give(other);
            }
            Self::Constant(h) => {
                out.fill(at.hypers[*h]);
                if let Some(slopes) = slopes {
                    slopes[*h].fill(at.hypers[*h]);
                }
            }
            Self::White(h) => {
                let noise = |out: &mut [f64]| {
                    out.fill(0.0);
                    if let Some(cell) = at.own.and_then(|own| out.get_mut(own)) {
                        *cell = at.hypers[*h];
                    }
                };
                noise(out);
                if let Some(slopes) = slopes {
                    noise(&mut slopes[*h]);
                }
            }
            Self::DotProduct(h) => {
                let square = at.hypers[*h].powi(2);
                products(at.packets, at.row, out);
                out.iter_mut().for_each(|x| *x += square);
                if let Some(slopes) = slopes {
                    slopes[*h].fill(2.0 * square);
                }
            }
            Self::Radial(shape, lengths) => radial(*shape, lengths, at, out, slopes, room),
            Self::RationalQuadratic(h) => {
                let (length, alpha) = (at.hypers[*h], at.hypers[h + 1]);
                squares(at.packets, at.row, out);
                for (i, x) in out.iter_mut().enumerate() {
                    let square = *x / (length * length);
                    // A large exponent of a number near 1 would multiply its rounding.
                    let part = square / (2.0 * alpha);
                    let (base, logarithm) = (1.0 + part, part.ln_1p());
                    *x = (-alpha * logarithm).exp();
                    if let Some(slopes) = slopes.as_deref_mut() {
                        slopes[*h][i] = square * *x / base;
                        slopes[h + 1][i] = *x * (square / (2.0 * base) - alpha * logarithm);
                    }
                }
            }
            Self::Periodic(h) => {
                let (length, period) = (at.hypers[*h], at.hypers[h + 1]);
                squares(at.packets, at.row, out);
                for (i, x) in out.iter_mut().enumerate() {
                    let angle = PI * x.sqrt() / period;
                    let (sin, cos) = angle.sin_cos();
                    *x = (-2.0 * (sin / length).powi(2)).exp();
                    if let Some(slopes) = slopes.as_deref_mut() {
                        slopes[*h][i] = 4.0 * (sin / length).powi(2) * *x;
                        slopes[h + 1][i] = 4.0 * angle / (length * length) * cos * sin * *x;
                    }
                }
            }
        }
    }
}

fn times(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x *= y);
}

/// Fills a covariance of the distance. Its derivative by a length scale is the share of that feature in the squared
/// distance times `factor`, which depends on the distance alone.
fn radial(
    shape: Shape,
    lengths: &Range<usize>,
    at: &Row<'_>,
    out: &mut [f64],
    slopes: Option<&mut [Vec<f64>]>,
    room: &mut Room,
) {
    let mut square = room.take(out.len());
    let scales = &at.hypers[lengths.clone()];
    if let [length] = scales {
        squares(at.packets, at.row, &mut square);
        square.iter_mut().for_each(|x| *x /= length * length);
    } else {
        scaled_squares(at.packets, at.row, scales, &mut square);
    }
    // exp(−r² / 2), or exp(−c r).
    let c = match shape {
        Shape::Rbf => 0.0,
        Shape::Matern12 => 1.0,
        Shape::Matern32 => 3.0_f64.sqrt(),
        Shape::Matern52 => 5.0_f64.sqrt(),
    };
    match shape {
        Shape::Rbf => out.iter_mut().zip(&square).for_each(|(x, s)| *x = -s / 2.0),
        _ => out.iter_mut().zip(&square).for_each(|(x, s)| *x = -c * s.sqrt()),
    }
    exp_in_place(out);
    if matches!(shape, Shape::Rbf | Shape::Matern12) && slopes.is_none() {
        room.give(square);
        return;
    }
    let mut factor = room.take(out.len());
    for ((factor, x), s) in factor.iter_mut().zip(&mut *out).zip(&square) {
        let (fall, t) = (*x, c * s.sqrt());
        (*x, *factor) = match shape {
            Shape::Rbf => (fall, fall),
            Shape::Matern12 => (fall, if t > 0.0 { fall / t } else { 0.0 }),
            Shape::Matern32 => ((1.0 + t) * fall, 3.0 * fall),
            Shape::Matern52 => ((1.0 + t + t * t / 3.0) * fall, 5.0 / 3.0 * (1.0 + t) * fall),
        };
    }
    if let Some(slopes) = slopes {
        if let [slope] = &mut slopes[lengths.clone()] {
            multiply(&square, &factor, slope);
        } else {
            for (j, (slope, length)) in slopes[lengths.clone()].iter_mut().zip(scales).enumerate() {
                let (x, d) = (at.row[j], at.row.len());
                for (i, (slope, factor)) in slope.iter_mut().zip(&factor).enumerate() {
                    let other = at.packets[i / LANES * LANES * d + j * LANES + i % LANES];
                    *slope = ((x - other) / length).powi(2) * factor;
                }
            }
        }
    }
    room.give(square);
    room.give(factor);
}

for_each_cpu! {
    /// Squared distances of rows whose features are divided by `scales`.
    fn scaled_squares(packets: &[f64], row: &[f64], scales: &[f64], out: &mut [f64]) {
        let (outs, _) = out.as_chunks_mut::<LANES>();
        for (packet, out) in packets.chunks_exact(row.len() * LANES).zip(outs) {
            let mut lanes = [0.0; LANES];
            let (columns, _) = packet.as_chunks::<LANES>();
            for ((column, x), scale) in columns.iter().zip(row).zip(scales) {
                for l in 0..LANES {
                    let gap = (column[l] - x) / scale;
                    lanes[l] += gap * gap;
                }
            }
            *out = lanes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;
    use crate::solvers::packets::pack;

    #[test]
    fn derivatives_are_those_of_small_steps() {
        let rows: Vec<f64> = (0..27).map(|i| f64::from(i * i % 13) / 5.0).collect();
        let mut packets = Vec::new();
        pack(&rows, 3, &mut packets);
        for text in [
            "constant(2) * rbf(1.5) + white(0.3)",
            "rbf([1, 2, 0.5]) * dot_product(0.7)",
            "matern(1.2, nu=0.5) + matern([1, 2, 3], nu=1.5) * matern(2, nu=2.5)",
            "rational_quadratic(1.3, 0.8) + 2 * exp_sine_squared(1.1, 2.3)",
        ] {
            let (covariance, hypers) = parse(text, 3).expect("a kernel");
            let values: Vec<f64> = hypers.iter().map(|h| h.value).collect();
            let fill = |values: &[f64], slopes: Option<&mut [Vec<f64>]>| {
                let mut out = vec![0.0; 16];
                let at = Row { packets: &packets, row: &rows[3..6], own: Some(1), hypers: values };
                covariance.fill(&at, &mut out, slopes, &mut Room::default());
                out
            };
            let mut slopes = vec![vec![0.0; 16]; values.len()];
            let out = fill(&values, Some(&mut slopes));
            assert!((out[1] - covariance.own(&rows[3..6], &values)).abs() < 1e-12, "{text}");
            for (h, slopes) in slopes.iter().enumerate() {
                let step = |by: f64| {
                    let mut moved = values.clone();
                    moved[h] *= f64::exp(by);
                    fill(&moved, None)
                };
                // A stencil of five points: periodic kernels bend so much that two would be off by more than rounding.
                let [a, b, c, d] = [2e-4, 1e-4, -1e-4, -2e-4].map(step);
                for (k, expected) in slopes.iter().enumerate().take(9) {
                    let slope = (8.0 * (b[k] - c[k]) - (a[k] - d[k])) / 12e-4;
                    assert!((slope - expected).abs() < 1e-8, "{text}: number {h}: {expected} is not {slope}");
                }
            }
        }
    }
}
