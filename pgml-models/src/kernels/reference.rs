//! The plain scalar forms that the kernels are tested against: straight from the definitions, in `f64`.

use super::activation::Activation;
use super::attention::{Attention, Offsets};
use super::rows::{Norm, NormKind};

/// The error function: Taylor's series near zero, the continued fraction of erfc beyond.
pub fn erf(x: f64) -> f64 {
    let t = x.abs();
    if t < 2.5 {
        let (mut term, mut sum) = (t, t);
        for n in 1..80 {
            let n = f64::from(n);
            term *= -t * t / n;
            sum += term / (2.0 * n + 1.0);
        }
        return (sum * std::f64::consts::FRAC_2_SQRT_PI).copysign(x);
    }
    if t > 30.0 || t.is_nan() {
        return if t.is_nan() { t } else { 1_f64.copysign(x) };
    }
    let fraction = (1..120).rev().fold(0.0, |rest, n| f64::from(n) / 2.0 / (t + rest));
    (1.0 - (-t * t).exp() / (t + fraction) / std::f64::consts::PI.sqrt()).copysign(x)
}

/// `activation(x)` by its definition.
pub fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh())
        }
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Exp => x.exp(),
        Activation::Erf => erf(x),
    }
}

/// `activation(x·Wᵀ + bias) + residual`, `w` being outputs × inputs; `up` makes it gated.
pub struct Linear<'a> {
    pub inputs: usize,
    pub w: &'a [f32],
    pub up: Option<&'a [f32]>,
    pub bias: Option<&'a [f32]>,
    pub activation: Activation,
    pub residual: Option<&'a [f32]>,
}

impl Linear<'_> {
    pub fn apply(&self, x: &[f32]) -> Vec<f64> {
        let (rows, outputs) = (x.len() / self.inputs, self.w.len() / self.inputs);
        let dot = |w: &[f32], r: usize, c: usize, bias: usize| {
            let (x, w) = (&x[r * self.inputs..][..self.inputs], &w[c * self.inputs..][..self.inputs]);
            let sum: f64 = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            sum + self.bias.map_or(0.0, |b| f64::from(b[bias + c]))
        };
        let mut out = Vec::with_capacity(rows * outputs);
        for r in 0..rows {
            for c in 0..outputs {
                let gate = self.up.map_or(1.0, |up| dot(up, r, c, outputs));
                let residual = self.residual.map_or(0.0, |x| f64::from(x[r * outputs + c]));
                out.push(activate(self.activation, dot(self.w, r, c, 0)) * gate + residual);
            }
        }
        out
    }
}

/// The norm of each row by its definition.
pub fn norm(norm: &Norm<'_>, x: &[f32], width: usize) -> Vec<f64> {
    let row = |row: &[f32]| -> Vec<f64> {
        let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        let n = row.len() as f64;
        let mean = if norm.kind == NormKind::Layer { row.iter().sum::<f64>() / n } else { 0.0 };
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let learned = |x: Option<&[f32]>, i: usize, default: f64| x.map_or(default, |x| f64::from(x[i]));
        let scale = (variance + f64::from(norm.epsilon)).sqrt();
        let column =
            |(i, x): (usize, &f64)| (x - mean) / scale * learned(norm.weight, i, 1.0) + learned(norm.bias, i, 0.0);
        row.iter().enumerate().map(column).collect()
    };
    x.chunks(width).flat_map(row).collect()
}

/// The softmax of each row by its definition.
pub fn softmax(x: &[f32], width: usize) -> Vec<f64> {
    let row = |row: &[f32]| {
        let largest = row.iter().fold(f64::NEG_INFINITY, |a, x| a.max(f64::from(*x)));
        let e: Vec<f64> = row.iter().map(|x| (f64::from(*x) - largest).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.into_iter().map(move |e| e / sum).collect::<Vec<_>>()
    };
    x.chunks(width).flat_map(row).collect()
}

/// Attention by its definition: queries tokens × heads, keys and values tokens × heads of their own.
/// `added(sequence, head, i, j)` is added to the score of positions `i` and `j`.
pub fn attention(
    what: &Attention<'_>,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    at: Offsets<'_>,
    added: &dyn Fn(usize, usize, usize, usize) -> f64,
) -> Vec<f64> {
    let (d, group) = (what.head_dim, what.heads / what.kv_heads);
    let mut out = Vec::new();
    for s in 0..at.queries.len() - 1 {
        let (n_queries, n_keys) = (at.queries[s + 1] - at.queries[s], at.keys[s + 1] - at.keys[s]);
        for i in 0..n_queries {
            for h in 0..what.heads {
                let q = &q[((at.queries[s] + i) * what.heads + h) * d..][..d];
                let row = |x: &'_ [f32], j: usize| -> Vec<f64> {
                    let start = ((at.keys[s] + j) * what.kv_heads + h / group) * d;
                    x[start..start + d].iter().map(|x| f64::from(*x)).collect()
                };
                let position = (i + n_keys) as i64 - n_queries as i64;
                let sees = |j: &usize| {
                    let distance = position - *j as i64;
                    let (before, after) = (what.window.before as i128, what.window.after as i128);
                    i128::from(distance) <= before && i128::from(-distance) <= after
                };
                let keys: Vec<usize> = (0..n_keys).filter(sees).collect();
                let score = |j: &usize| {
                    let dot: f64 = q.iter().zip(row(k, *j)).map(|(q, k)| f64::from(*q) * k).sum();
                    let scaled = dot * f64::from(what.scale);
                    let capped = what.softcap.map(f64::from).map_or(scaled, |cap| cap * (scaled / cap).tanh());
                    (capped + added(s, h, position as usize, *j)) as f32
                };
                let scores: Vec<f32> = keys.iter().map(score).collect();
                let weights = if keys.is_empty() { Vec::new() } else { softmax(&scores, scores.len()) };
                let mut sum = vec![0.0; d];
                for (j, w) in keys.iter().zip(weights) {
                    sum.iter_mut().zip(row(v, *j)).for_each(|(sum, v)| *sum += w * v);
                }
                out.extend(sum);
            }
        }
    }
    out
}
