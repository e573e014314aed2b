//! How the rows of a class scatter around their mean, and that scatter shrunk towards a sphere.

use pgml_core::{Dataset, Result, Run, bail};
use serde_json::Value;

use super::covariance::covariance;
use super::least_squares::Compressed;
use super::svd::{Svd, svd};

/// How far a covariance matrix moves towards a multiple of the identity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shrinkage {
    /// Not at all.
    None,
    /// As far as Ledoit and Wolf (2004) find best, in units of the features' deviations.
    Auto,
    /// By this share.
    Share(f64),
}

impl Shrinkage {
    /// Reads the parameter `shrinkage`.
    ///
    /// # Errors
    /// [`InvalidParameter`](pgml_core::ErrorKind::InvalidParameter) for what is none.
    pub fn read(param: &Value) -> Result<Self> {
        match (param, param.as_str(), param.as_f64()) {
            (Value::Null, ..) => Ok(Self::None),
            (_, Some("auto"), _) => Ok(Self::Auto),
            (_, _, Some(share)) if (0.0..=1.0).contains(&share) => Ok(Self::Share(share)),
            _ => bail!(
                InvalidParameter,
                "hyperparameter \"shrinkage\" is {param}, but must be null, \"auto\" or a number from 0 to 1"
            ),
        }
    }
}

/// The mean and the row-major `d × d` covariance matrix (divisor `n`) of all rows, shrunk.
///
/// # Errors
/// When the run was cancelled.
pub fn shrunk_covariance(data: &Dataset, shrinkage: Shrinkage, run: &Run) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, d) = (data.n_rows(), data.n_features());
    if n == 1 {
        return Ok((data.to_rows(), vec![0.0; d * d]));
    }
    let (mean, mut matrix) = covariance(data, run)?;
    matrix.iter_mut().for_each(|x| *x *= (n - 1) as f64 / n as f64);
    match shrinkage {
        Shrinkage::None => {}
        Shrinkage::Share(share) => shrink(&mut matrix, d, share),
        Shrinkage::Auto => ledoit_wolf(data, &mean, &mut matrix, run)?,
    }
    Ok((mean, matrix))
}

fn shrink(matrix: &mut [f64], d: usize, share: f64) {
    let mean_variance = matrix.iter().step_by(d + 1).sum::<f64>() / d as f64;
    matrix.iter_mut().for_each(|x| *x *= 1.0 - share);
    matrix.iter_mut().step_by(d + 1).for_each(|x| *x += share * mean_variance);
}

/// Shrinks the matrix of correlations, as scikit-learn's discriminants do.
fn ledoit_wolf(data: &Dataset, mean: &[f64], matrix: &mut [f64], run: &Run) -> Result<()> {
    let (n, d) = (data.n_rows() as f64, data.n_features());
    let deviations: Vec<f64> = matrix.iter().step_by(d + 1).map(|v| if *v > 0.0 { v.sqrt() } else { 1.0 }).collect();
    let rescale = |matrix: &mut [f64], by: &dyn Fn(f64) -> f64| {
        for (row, a) in matrix.chunks_exact_mut(d).zip(&deviations) {
            row.iter_mut().zip(&deviations).for_each(|(x, b)| *x *= by(*a) * by(*b));
        }
    };
    rescale(matrix, &|deviation| 1.0 / deviation);
    let mut fourth = 0.0;
    let mut rows = Vec::new();
    for block in super::blocks::ranges(data.n_rows(), 1024) {
        run.check()?;
        data.rows_into(block, &mut rows);
        for row in rows.chunks_exact(d) {
            let squares = row.iter().zip(mean).zip(&deviations).map(|((x, m), s)| ((x - m) / s).powi(2));
            fourth += squares.sum::<f64>().powi(2);
        }
    }
    let (d_f, trace) = (d as f64, matrix.iter().step_by(d + 1).sum::<f64>());
    let squares: f64 = matrix.iter().map(|x| x * x).sum();
    let beta = (fourth / n - squares) / (d_f * n);
    let delta = (squares - trace * trace / d_f) / d_f;
    let beta = beta.min(delta);
    // One feature has nothing to be shrunk towards.
    shrink(matrix, d, if d == 1 || beta <= 0.0 { 0.0 } else { beta / delta });
    rescale(matrix, &|deviation| deviation);
    Ok(())
}

/// Directions in which rows extend, and how far.
pub struct Axes {
    /// Singular values, descending.
    pub lengths: Vec<f64>,
    /// One unit row of `d` per direction.
    pub directions: Vec<f64>,
}

/// The right singular vectors of `data`'s rows, less their means if `centred`: at most as many as rows or features.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn axes(data: &Dataset, centred: bool, run: &Run) -> Result<Axes> {
    let d = data.n_features();
    let problem = Compressed::new(data, &[], None, centred, run)?;
    let _memory = run.reserve(24 * (d * problem.m) as u64, "the singular vectors")?;
    let columns: Vec<&[f64]> = (0..d).map(|j| problem.column(j)).collect();
    let rows = (0..problem.m).flat_map(|i| columns.iter().map(move |column| column[i])).collect();
    axes_of_rows(rows, d, run)
}

/// The right singular vectors of row-major `rows` of `d`.
///
/// # Errors
/// When the run was cancelled.
pub fn axes_of_rows(rows: Vec<f64>, d: usize, run: &Run) -> Result<Axes> {
    let m = rows.len() / d;
    if m > d {
        let columns = (0..d).flat_map(|j| rows.iter().skip(j).step_by(d)).copied().collect();
        let Svd { s, v, .. } = svd(columns, m, d, run)?;
        return Ok(Axes { lengths: s, directions: v });
    }
    // The rows are the columns of the transpose, whose left vectors these are.
    let Svd { us, s, .. } = svd(rows, d, m, run)?;
    let unit = |(row, s): (&[f64], &f64)| row.iter().map(|x| if *s > 0.0 { x / s } else { 0.0 }).collect::<Vec<f64>>();
    Ok(Axes { directions: us.chunks_exact(d).zip(&s).flat_map(unit).collect(), lengths: s })
}

/// The rows of each class that was seen, without targets.
#[must_use]
pub fn by_class(data: &Dataset, positions: &[u32], n_seen: usize) -> Vec<Dataset> {
    let mut rows = vec![Vec::new(); n_seen];
    positions.iter().zip(0..).for_each(|(class, row)| rows[*class as usize].push(row));
    rows.iter().map(|rows| data.select(rows)).collect()
}
