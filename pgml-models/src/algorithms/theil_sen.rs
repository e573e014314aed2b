//! The median of the lines through small samples of rows.

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

use super::ransac::median;
use super::task_params::regression_targets;
use crate::linear_model::{Head, LinearModel};
use crate::solvers::kernels::{axpy, dot};
use crate::solvers::parallel;
use crate::solvers::small_least_squares::SmallLeastSquares;

/// Samples per piece of work: the unit that threads share.
const PIECE: usize = 256;

hyperparams! {
    /// Parameters of `theil_sen`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct TheilSenParams {
        /// Whether to fit an intercept.
        fit_intercept: bool = true;
        /// Most samples; where there are fewer combinations of rows, each is taken once.
        max_subpopulation: f64 = 1e4, range: between(1.0, 1e9);
        /// Rows per sample; null means as few as determine the coefficients.
        n_subsamples: Option<u32> = None, range: at_least(1.0);
        /// Most iterations towards the median.
        max_iter: u32 = 300, aliases: ["max_iterations"];
        /// Movement of the median at which to stop.
        tol: f64 = 1e-3, range: at_least(0.0), aliases: ["tolerance"];
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility: threads are set by pgml.threads.
        n_jobs: Option<i32> = None, no_effect: true;
        /// Accepted for compatibility.
        verbose: bool = false, no_effect: true;
        /// Accepted for compatibility.
        copy_X: bool = true, no_effect: true;
    }
}

/// Theil–Sen regression.
pub struct TheilSen;

impl Estimator for TheilSen {
    const NAME: &'static str = "theil_sen";
    const DESCRIPTION: &'static str =
        "The median of the lines through thousands of small samples: robust against outliers in few dimensions.";
    const SOURCE: &'static str =
        "Dang, Peng, Wang, Zhang 2008; Kärkkäinen, Äyrämö 2005; scikit-learn 1.9 TheilSenRegressor";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = TheilSenParams;
    type Model = LinearModel;

    fn fit(params: &TheilSenParams, data: &Dataset, _: Task, run: &Run) -> Result<LinearModel> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "{} cannot weight rows", Self::NAME);
        }
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let samples = Samples::new(params, data, run)?;
        let (mut coef, mut intercept) = (Vec::new(), Vec::new());
        for target in regression_targets(data)? {
            let lines = samples.lines(data, target, params.fit_intercept, run)?;
            let mut line = spatial_median(params, lines, samples.width, run)?;
            intercept.push(if params.fit_intercept { line.remove(0) } else { 0.0 });
            coef.extend(line);
        }
        LinearModel::new(coef, intercept, Head::Value)
    }

    fn decode(parts: &Parts) -> Result<LinearModel> {
        LinearModel::decode(parts)
    }
}

/// Which rows are taken together.
struct Samples {
    /// Rows per sample.
    size: usize,
    /// Coefficients, the intercept among them.
    width: usize,
    /// The rows, sample after sample.
    rows: Vec<u32>,
    _memory: pgml_core::run::Reservation,
}

impl Samples {
    fn new(params: &TheilSenParams, data: &Dataset, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        let width = d + usize::from(params.fit_intercept);
        let size = match params.n_subsamples.map(|size| size as usize) {
            None => width.min(n),
            Some(size) if size > n => {
                bail!(InvalidParameter, "n_subsamples of theil_sen is {size}, but there are {n} rows")
            }
            Some(size) if n >= d && size < width => {
                bail!(InvalidParameter, "n_subsamples of theil_sen is {size}, but must be at least {width}")
            }
            Some(size) if n < d && size != n => bail!(
                InvalidParameter,
                "n_subsamples of theil_sen is {size}, but must be all {n} rows where there are more features"
            ),
            Some(size) => size,
        };
        let combinations = combinations(n, size);
        let most = params.max_subpopulation.floor();
        let count = combinations.min(most) as usize;
        let memory = run.reserve((4 * count * size + 16 * count * width) as u64, "the samples")?;
        let mut rows = Vec::with_capacity(count * size);
        if combinations <= params.max_subpopulation {
            each_combination(n, size, |sample| rows.extend_from_slice(sample));
        } else {
            let mut rng = run.rng(0);
            let mut order: Vec<u32> = (0..n as u32).collect();
            for _ in 0..count {
                (0..size).for_each(|k| order.swap(k, rng.usize(k..n)));
                rows.extend_from_slice(&order[..size]);
            }
        }
        Ok(Self { size, width, rows, _memory: memory })
    }

    /// Least squares coefficients of every sample, one row of `width` each.
    fn lines(&self, data: &Dataset, target: &[f64], fit_intercept: bool, run: &Run) -> Result<Vec<f64>> {
        let count = self.rows.len() / self.size;
        let pieces = count.div_ceil(PIECE);
        let parts = parallel::map(pieces, run, |piece| {
            run.progress("training", piece as u64, pieces as u64);
            let mut problem = SmallLeastSquares::new(self.size, self.width);
            let mut lines = Vec::with_capacity(PIECE * self.width);
            let mut line = vec![0.0; self.width];
            let first = piece * PIECE;
            for sample in self.rows.chunks_exact(self.size).skip(first).take(PIECE) {
                run.check()?;
                let (ones, features) = problem.a.split_at_mut(if fit_intercept { self.size } else { 0 });
                ones.fill(1.0);
                for (feature, column) in data.features().iter().zip(features.chunks_exact_mut(self.size)) {
                    column.iter_mut().zip(sample).for_each(|(x, row)| *x = feature.values.get(*row as usize));
                }
                problem.b.iter_mut().zip(sample).for_each(|(y, row)| *y = target[*row as usize]);
                problem.solve(&mut line, run)?;
                lines.extend_from_slice(&line);
            }
            Ok(lines)
        })?;
        Ok(parts.concat())
    }
}

/// How many ways there are to take `k` of `n`, at least 1.
fn combinations(n: usize, k: usize) -> f64 {
    let k = k.min(n - k);
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>().round().max(1.0)
}

/// Calls `f` with every ascending choice of `k` of `0..n`, in lexical order.
fn each_combination(n: usize, k: usize, mut f: impl FnMut(&[u32])) {
    let mut chosen: Vec<u32> = (0..k as u32).collect();
    loop {
        f(&chosen);
        let Some(i) = (0..k).rev().find(|i| (chosen[*i] as usize) < n - k + i) else { return };
        chosen[i] += 1;
        for j in i + 1..k {
            chosen[j] = chosen[j - 1] + 1;
        }
    }
}

/// The point whose distances to all `lines` have the smallest sum: the modified Weiszfeld iteration.
fn spatial_median(params: &TheilSenParams, mut lines: Vec<f64>, width: usize, run: &Run) -> Result<Vec<f64>> {
    if width == 1 {
        return Ok(vec![median(&mut lines)]);
    }
    let count = (lines.len() / width) as f64;
    let mut at = vec![0.0; width];
    lines.chunks_exact(width).for_each(|line| axpy(1.0 / count, line, &mut at));
    for iteration in 0..params.max_iter {
        run.progress("training", u64::from(iteration), u64::from(params.max_iter));
        let next = weiszfeld(&lines, &at, run)?;
        let moved: f64 = next.iter().zip(&at).map(|(a, b)| (a - b).powi(2)).sum();
        if moved < params.tol * params.tol {
            // As scikit-learn: the point from which the last step was small enough is passed.
            return Ok(next);
        }
        at = next;
    }
    run.warn(&format!("theil_sen did not converge in {} iterations; raise max_iter or tol", params.max_iter));
    Ok(at)
}

/// One step. A line that the point lies on pulls it back instead of being divided by zero.
fn weiszfeld(lines: &[f64], at: &[f64], run: &Run) -> Result<Vec<f64>> {
    let width = at.len();
    let (mut weighted, mut pull) = (vec![0.0; width], vec![0.0; width]);
    let (mut total, mut on_a_line) = (0.0, false);
    let mut away = vec![0.0; width];
    for block in lines.chunks(width * PIECE) {
        run.check()?;
        for line in block.chunks_exact(width) {
            away.iter_mut().zip(line.iter().zip(at)).for_each(|(away, (x, at))| *away = x - at);
            let distance = dot(&away, &away).sqrt();
            if distance < f64::EPSILON {
                on_a_line = true;
                continue;
            }
            axpy(1.0 / distance, line, &mut weighted);
            axpy(1.0 / distance, &away, &mut pull);
            total += 1.0 / distance;
        }
    }
    let strength = dot(&pull, &pull).sqrt();
    if strength <= f64::EPSILON || total == 0.0 {
        return Ok(at.to_vec());
    }
    let stay = if on_a_line { (1.0 / strength).min(1.0) } else { 0.0 };
    Ok(weighted.iter().zip(at).map(|(w, at)| (1.0 - stay) * w / total + stay * at).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_comes_once() {
        let mut all = Vec::new();
        each_combination(4, 2, |sample| all.push(sample.to_vec()));
        assert_eq!(all, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(combinations(4, 2), 6.0);
        assert_eq!(combinations(10, 10), 1.0);
        each_combination(3, 3, |sample| assert_eq!(sample, [0, 1, 2]));
    }
}
