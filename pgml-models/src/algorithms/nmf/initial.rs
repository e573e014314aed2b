//! Where the factorisation starts.

use fastrand::Rng;
use pgml_core::{Dataset, Result, Run, bail};

use crate::solvers::kernels::sum;
use crate::solvers::normal;
use crate::solvers::product::product_transposed;
use crate::solvers::row_space::RowSpace;

/// Below it, entries made of singular vectors count as zero.
const SMALL: f64 = 1e-6;

/// First guesses.
pub struct Start {
    /// The features, row-major.
    pub x: Vec<f64>,
    /// Coordinates of rows, row-major `n × k`.
    pub w: Vec<f64>,
    /// Components, one row of features each.
    pub h: Vec<f64>,
}

impl Start {
    /// Guesses `k` components by the method that scikit-learn calls `name`.
    pub fn new(data: &Dataset, k: usize, name: Option<&str>, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        if name.is_some_and(|name| name != "random") && k > n.min(d) {
            bail!(InvalidParameter, "nmf finds {k} components in {n} rows of {d} features from init \"random\" only");
        }
        let x = data.to_rows();
        let mean = sum(&x) / x.len() as f64;
        let mut rng = run.rng(0);
        let name = name.unwrap_or(if k > n.min(d) { "random" } else { "nndsvda" });
        if name == "random" {
            let scale = (mean / k as f64).sqrt();
            let h = half_normal(k * d, scale, &mut rng);
            let w = half_normal(n * k, scale, &mut rng);
            return Ok(Self { x, w, h });
        }
        let (mut w, mut h) = from_singular_vectors(data, &x, k, run)?;
        for factor in [&mut w, &mut h] {
            match name {
                "nndsvda" => zeros(factor).for_each(|cell| *cell = mean),
                "nndsvdar" => {
                    let fill = half_normal(factor.len(), mean / 100.0, &mut rng);
                    zeros(factor).zip(fill).for_each(|(cell, value)| *cell = value);
                }
                _ => {}
            }
        }
        Ok(Self { x, w, h })
    }
}

fn zeros(factor: &mut [f64]) -> impl Iterator<Item = &mut f64> {
    factor.iter_mut().filter(|cell| **cell == 0.0)
}

fn half_normal(len: usize, scale: f64, rng: &mut Rng) -> Vec<f64> {
    let mut values = vec![0.0; len];
    normal::fill(&mut values, rng);
    values.iter_mut().for_each(|x| *x = x.abs() * scale);
    values
}

/// Of each pair of singular vectors the positive or the negative parts, whichever are longer (Boutsidis, Gallopoulos
/// 2008): coordinates `n × k` and components `k × d`.
fn from_singular_vectors(data: &Dataset, x: &[f64], k: usize, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, d) = (data.n_rows(), data.n_features());
    let RowSpace { s, mut vectors, .. } = RowSpace::of(data, false, run)?;
    vectors.truncate(k * d);
    // Left vectors times their singular value.
    let mut w = product_transposed(x, &vectors, d, run)?;
    let mut h = vectors;
    for j in 0..k {
        run.check()?;
        let column = || (0..n).map(|i| w[i * k + j]);
        let row = &mut h[j * d..(j + 1) * d];
        let length = |sign: f64, values: &mut dyn Iterator<Item = f64>| -> f64 {
            values.map(|x| (sign * x).max(0.0).powi(2)).sum::<f64>().sqrt()
        };
        let of_parts = |sign: f64| (length(sign, &mut column()), length(sign, &mut row.iter().copied()));
        let (positive, negative) = (of_parts(1.0), of_parts(-1.0));
        let sign = if positive.0 * positive.1 > negative.0 * negative.1 { 1.0 } else { -1.0 };
        let (long, own) = if sign > 0.0 { positive } else { negative };
        // The first pair has one sign but for rounding: it is taken whole.
        let keep = |x: f64| if j == 0 { x.abs() } else { (sign * x).max(0.0) };
        let (to_column, to_row) = if s[j] == 0.0 || long == 0.0 || own == 0.0 {
            (0.0, 0.0)
        } else if j == 0 {
            (s[0].sqrt() / s[0], s[0].sqrt())
        } else {
            // `long` is the length of left vector times singular value.
            let scale = (long * own).sqrt();
            (scale / long, scale / own)
        };
        let small = |x: f64| if x < SMALL { 0.0 } else { x };
        row.iter_mut().for_each(|x| *x = small(keep(*x) * to_row));
        for i in 0..n {
            w[i * k + j] = small(keep(w[i * k + j]) * to_column);
        }
    }
    Ok((w, h))
}
