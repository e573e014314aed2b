//! LayerNorm, RMSNorm and softmax: what is done to each row by itself.

use super::elementary::{Curve, Exp};
use super::simd::{MAX_LANES, Simd, dispatch};
use super::team::Team;

/// Floats that one thread takes at a time: enough work to pay for handing it over.
const CHUNK: usize = 8 * 1024;

/// How a row is brought to one scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// `(x − mean) / √(variance + ε)`, the variance divided by n.
    Layer,
    /// `x / √(mean of x² + ε)`.
    Rms,
}

/// A normalisation with its learned numbers: `norm(x) × weight + bias`.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// What is computed.
    pub kind: NormKind,
    /// One number per column; ones if there is none.
    pub weight: Option<&'a [f32]>,
    /// One number per column; zeros if there is none.
    pub bias: Option<&'a [f32]>,
    /// Keeps the divisor from zero.
    pub epsilon: f32,
}

impl Norm<'_> {
    /// Normalises each row of `x` (rows × width) in place.
    ///
    /// # Panics
    /// When a length does not fit these shapes.
    pub fn apply(&self, team: &Team, x: &mut [f32], width: usize) {
        self.check(x.len(), width);
        let chunk = chunk_rows(width) * width;
        team.for_each_chunk(x, chunk, |_, rows| norm_rows(team.cpu(), rows, width, self));
    }

    /// `out = norm(x + residual)`, all rows × width.
    ///
    /// # Panics
    /// When a length does not fit these shapes.
    pub fn apply_into(&self, team: &Team, x: &[f32], residual: Option<&[f32]>, out: &mut [f32], width: usize) {
        self.check(out.len(), width);
        assert_eq!(x.len(), out.len(), "x is as large as out");
        assert!(residual.is_none_or(|r| r.len() == out.len()), "the residual is as large as out");
        let chunk = chunk_rows(width) * width;
        team.for_each_chunk(out, chunk, |i, out| {
            let range = i * chunk..i * chunk + out.len();
            let (x, residual) = (&x[range.clone()], residual.map(|r| &r[range]));
            for r in 0..out.len() / width {
                let row = r * width..(r + 1) * width;
                let out = &mut out[row.clone()];
                match residual {
                    None => out.copy_from_slice(&x[row]),
                    Some(residual) => {
                        out.iter_mut().zip(&x[row.clone()]).zip(&residual[row]).for_each(|((o, x), r)| *o = x + r);
                    }
                }
                norm_rows(team.cpu(), out, width, self);
            }
        });
    }

    fn check(&self, len: usize, width: usize) {
        assert!(width > 0 && len.is_multiple_of(width), "{len} numbers are whole rows of {width}");
        for learned in [self.weight, self.bias].into_iter().flatten() {
            assert_eq!(learned.len(), width, "weight and bias have one number per column");
        }
    }
}

/// Turns each row of `x` (rows × width) into `exp(x) / Σ exp(x)`.
///
/// −∞ becomes 0; a row of nothing else becomes NaN.
///
/// # Panics
/// When `x` is not whole rows of `width`.
pub fn softmax(team: &Team, x: &mut [f32], width: usize) {
    assert!(width > 0 && x.len().is_multiple_of(width), "{} numbers are whole rows of {width}", x.len());
    team.for_each_chunk(x, chunk_rows(width) * width, |_, rows| softmax_rows(team.cpu(), rows, width));
}

fn chunk_rows(width: usize) -> usize {
    (CHUNK / width).max(1)
}

dispatch! {
    fn norm_rows(rows: &mut [f32], width: usize, norm: &Norm<'_>) = norm_rows_simd;
}

#[inline(always)]
fn norm_rows_simd<S: Simd>(s: S, rows: &mut [f32], width: usize, norm: &Norm<'_>) {
    let n = width as f32;
    for row in rows.chunks_exact_mut(width) {
        let mean = match norm.kind {
            NormKind::Layer => total(s, row, Total::Sum) / n,
            NormKind::Rms => 0.0,
        };
        let variance = total(s, row, Total::SquaresFrom(mean)) / n;
        let (mean, scale) = (s.splat(mean), s.splat(1.0 / (variance + norm.epsilon).sqrt()));
        for start in (0..width).step_by(S::LANES) {
            let columns = start..(start + S::LANES).min(width);
            let x = s.mul(s.sub(load(s, &row[columns.clone()], 0.0), mean), scale);
            let weight = norm.weight.map(|w| load(s, &w[columns.clone()], 0.0));
            let x = if let Some(weight) = weight { s.mul(x, weight) } else { x };
            let bias = norm.bias.map(|b| load(s, &b[columns.clone()], 0.0));
            let x = if let Some(bias) = bias { s.add(x, bias) } else { x };
            store(s, x, &mut row[columns]);
        }
    }
}

dispatch! {
    fn softmax_rows(rows: &mut [f32], width: usize) = softmax_rows_simd;
}

#[inline(always)]
fn softmax_rows_simd<S: Simd>(s: S, rows: &mut [f32], width: usize) {
    for row in rows.chunks_exact_mut(width) {
        let largest = s.splat(largest(s, row));
        let mut sums = s.splat(0.0);
        for start in (0..width).step_by(S::LANES) {
            let part = &mut row[start..(start + S::LANES).min(width)];
            // The lanes after the row's end are exp(−∞) = 0.
            let e = Exp.at(s, s.sub(load(s, part, f32::NEG_INFINITY), largest));
            sums = s.add(sums, e);
            store(s, e, part);
        }
        let scale = s.splat(1.0 / s.sum(sums));
        for start in (0..width).step_by(S::LANES) {
            let part = &mut row[start..(start + S::LANES).min(width)];
            store(s, s.mul(load(s, part, 0.0), scale), part);
        }
    }
}

#[derive(Clone, Copy)]
enum Total {
    Sum,
    /// Of the squares of the distances from this.
    SquaresFrom(f32),
}

/// A sum over a row, in four chains so that additions need not wait for each other.
#[inline(always)]
fn total<S: Simd>(s: S, row: &[f32], what: Total) -> f32 {
    let (centre, squared) = match what {
        Total::Sum => (0.0, false),
        Total::SquaresFrom(centre) => (centre, true),
    };
    let c = s.splat(centre);
    let mut sums = [s.splat(0.0); 4];
    for four in row.chunks(4 * S::LANES) {
        for (sum, part) in sums.iter_mut().zip(four.chunks(S::LANES)) {
            let x = s.sub(load(s, part, centre), c);
            *sum = if squared { s.mul_add(x, x, *sum) } else { s.add(*sum, x) };
        }
    }
    s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])))
}

/// The largest of `row`, NaN left aside.
#[inline(always)]
fn largest<S: Simd>(s: S, row: &[f32]) -> f32 {
    let mut largest = s.splat(f32::NEG_INFINITY);
    for part in row.chunks(S::LANES) {
        largest = s.max(load(s, part, f32::NEG_INFINITY), largest);
    }
    let mut lanes = [f32::NEG_INFINITY; MAX_LANES];
    s.store(largest, &mut lanes);
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// Loads up to one vector.
#[inline(always)]
pub(super) fn load<S: Simd>(s: S, from: &[f32], fill: f32) -> S::F {
    if from.len() == S::LANES { s.load(from) } else { s.load_part(from, fill) }
}

/// Stores up to one vector.
#[inline(always)]
pub(super) fn store<S: Simd>(s: S, v: S::F, to: &mut [f32]) {
    if to.len() == S::LANES { s.store(v, to) } else { s.store_part(v, to) }
}
