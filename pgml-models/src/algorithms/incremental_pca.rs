//! Principal component analysis in one pass over batches of rows.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use crate::principal_axes::PrincipalAxes;
use crate::solvers::blocks::copy_columns;
use crate::solvers::kernels::{dot, sum};
use crate::solvers::least_squares::upper_triangle;
use crate::solvers::row_space::{RowSpace, right_vectors};

hyperparams! {
    /// Parameters of `incremental_pca`.
    pub struct IncrementalPcaParams {
        /// How many components to keep; null keeps as many as the first batch has rows or features.
        n_components: Option<u32> = None, range: at_least(1.0);
        /// Whether components are divided by their standard deviation.
        whiten: bool = false;
        /// Rows per batch; null means 5 times the number of features.
        batch_size: Option<u32> = None, range: at_least(1.0);
        /// Accepted for compatibility.
        copy: bool = true, no_effect: true;
    }
}

/// Incremental principal component analysis.
pub struct IncrementalPca;

impl Estimator for IncrementalPca {
    const NAME: &'static str = "incremental_pca";
    const DESCRIPTION: &'static str =
        "Principal components in one pass over batches of rows, each batch merged into the components so far.";
    const SOURCE: &'static str = "Ross, Lim, Lin, Yang 2008; scikit-learn 1.9 IncrementalPCA";
    const TASKS: &'static [Task] = &[Task::Decomposition];
    const VERSION: u32 = 1;
    type Params = IncrementalPcaParams;
    type Model = PrincipalAxes;

    fn fit(params: &IncrementalPcaParams, data: &Dataset, _: Task, run: &Run) -> Result<PrincipalAxes> {
        data.require_finite()?;
        let (n, d) = (data.n_rows(), data.n_features());
        if n < 2 {
            bail!(InvalidData, "incremental_pca needs at least 2 rows, not {n}");
        }
        let least = params.n_components.unwrap_or(0) as usize;
        let batches = batches(n, params.batch_size.map_or(5 * d, |size| size as usize), least);
        let most = batches[0].len().min(d);
        if least > most {
            bail!(
                InvalidParameter,
                "hyperparameter \"n_components\" of incremental_pca is {least}, but must be at most {most}, the smaller \
                 of the numbers of features and of rows in the first batch"
            );
        }
        let k = if least == 0 { most } else { least };
        // Nothing is dropped between batches if there are as many components as features: one pass does for all.
        let found = if k == d { whole(data, run)? } else { merged(data, &batches, k, run)? };
        let variances = found.s.iter().map(|s| s * s / (n - 1) as f64).collect();
        let ratios = found.s.iter().map(|s| if found.total > 0.0 { s * s / found.total } else { 0.0 }).collect();
        PrincipalAxes::new(found.mean, found.vectors, variances, ratios, params.whiten)
    }

    fn decode(parts: &Parts) -> Result<PrincipalAxes> {
        PrincipalAxes::decode(parts)
    }
}

/// The row ranges of the batches: as many whole ones as leave none with fewer rows than `least`.
fn batches(n: usize, size: usize, least: usize) -> Vec<std::ops::Range<usize>> {
    let mut batches = Vec::new();
    let mut start = 0;
    for _ in 0..n / size {
        if start + size + least <= n {
            batches.push(start..start + size);
            start += size;
        }
    }
    if start < n {
        batches.push(start..n);
    }
    batches
}

/// Components of the rows so far.
struct Found {
    mean: Vec<f64>,
    s: Vec<f64>,
    /// One row per singular value.
    vectors: Vec<f64>,
    /// Sum of squared deviations of all features.
    total: f64,
}

fn whole(data: &Dataset, run: &Run) -> Result<Found> {
    let RowSpace { mean, s, vectors, total } = RowSpace::of(data, true, run)?;
    Ok(Found { mean, s, vectors, total })
}

fn merged(data: &Dataset, batches: &[std::ops::Range<usize>], k: usize, run: &Run) -> Result<Found> {
    let d = data.n_features();
    let longest = batches.iter().map(|rows| rows.len() + k + 1).max().unwrap_or(0);
    let _memory = run.reserve(16 * (longest * d) as u64, "a batch of rows")?;
    let mut found = Found { mean: vec![0.0; d], s: Vec::new(), vectors: Vec::new(), total: 0.0 };
    for rows in batches {
        run.check()?;
        run.progress("training", rows.start as u64, data.n_rows() as u64);
        found.merge(data, rows, k, run)?;
    }
    Ok(found)
}

impl Found {
    /// Merges a batch: its centred rows below the components so far and what the shift of the mean adds.
    fn merge(&mut self, data: &Dataset, rows: &std::ops::Range<usize>, k: usize, run: &Run) -> Result<()> {
        let (d, len, seen) = (data.n_features(), rows.len(), rows.start as f64);
        let mut block = vec![0.0; d * len];
        copy_columns(data, rows, &mut block);
        let n = seen + len as f64;
        let m = len + if rows.start == 0 { 0 } else { self.s.len() + 1 };
        let mut stacked = Vec::with_capacity(m * d);
        for (j, column) in block.chunks_exact_mut(len).enumerate() {
            let mean = sum(column) / len as f64;
            column.iter_mut().for_each(|x| *x -= mean);
            let shift = (seen * len as f64 / n).sqrt() * (self.mean[j] - mean);
            self.total += dot(column, column) + shift * shift;
            stacked.extend(self.s.iter().enumerate().map(|(i, s)| s * self.vectors[i * d + j]));
            stacked.extend_from_slice(column);
            if rows.start > 0 {
                stacked.push(shift);
            }
            self.mean[j] += (mean - self.mean[j]) * len as f64 / n;
        }
        (self.s, self.vectors) = if m < d {
            right_vectors(&stacked, m, d, run)?
        } else {
            right_vectors(&upper_triangle(&mut stacked, m, d), d, d, run)?
        };
        self.s.truncate(k);
        self.vectors.truncate(k * d);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_batch_takes_rows_that_would_be_too_few_alone() {
        assert_eq!(batches(7, 3, 0), [0..3, 3..6, 6..7]);
        assert_eq!(batches(7, 3, 2), [0..3, 3..7]);
        assert_eq!(batches(2, 10, 2).first(), Some(&(0..2)));
    }
}
