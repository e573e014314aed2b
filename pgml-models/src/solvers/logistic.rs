//! The logistic and softmax loss with its gradient and Hessian, over columns in standard units.
//!
//! Units change nothing about the optimum, because each penalty is scaled back; these make every solver indifferent to
//! those of the features.

mod hessian;
mod loss;
mod units;

use pgml_core::{Dataset, Result, Run};

use super::blocks::{block_rows, copy_columns, feature_means, ranges};
use super::kernels::{axpy, dot, multiply, sum};
use loss::{logistic, softmax};

/// The strength of the penalties, relative to the mean loss: `l1 · Σ|w| + l2 / 2 · Σ w²`. Intercepts are free.
#[derive(Debug, Clone, Copy)]
pub struct Penalty {
    /// Of absolute values.
    pub l1: f64,
    /// Of squares.
    pub l2: f64,
}

/// The penalised mean loss of a classification problem.
///
/// Parameters are `n_scores` rows of `width`: one per feature, then the intercept if one is fitted.
pub struct Objective {
    columns: Vec<f64>,
    n_rows: usize,
    size: usize,
    n_features: usize,
    /// Parameters per score.
    pub width: usize,
    /// One for two classes, else the number of classes.
    pub n_scores: usize,
    class: Vec<u32>,
    weight: Vec<f64>,
    means: Vec<f64>,
    scales: Vec<f64>,
    /// Penalty of each parameter's absolute value.
    pub l1: Vec<f64>,
    /// Penalty of each parameter's square.
    pub l2: Vec<f64>,
    _memory: pgml_core::run::Reservation,
}

impl Objective {
    /// The objective over all rows of `data`; `class` counts the classes seen from 0, `weight` need not sum to 1.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn new(
        data: &Dataset,
        class: Vec<u32>,
        mut weight: Vec<f64>,
        n_scores: usize,
        fit_intercept: bool,
        penalty: Penalty,
        run: &Run,
    ) -> Result<Self> {
        let (n_rows, n_features) = (data.n_rows(), data.n_features());
        let width = n_features + usize::from(fit_intercept);
        let memory = run.reserve(8 * (n_rows * (width + 2)) as u64, "the matrix of features")?;
        let total = sum(&weight);
        weight.iter_mut().for_each(|w| *w /= total);
        let means = if fit_intercept { feature_means(data, Some(&weight), run)? } else { vec![0.0; n_features] };
        let mut objective = Self {
            columns: vec![0.0; n_rows * width],
            n_rows,
            size: block_rows(width + 2 * n_scores),
            n_features,
            width,
            n_scores,
            class,
            weight,
            means,
            scales: vec![1.0; n_features],
            l1: Vec::new(),
            l2: Vec::new(),
            _memory: memory,
        };
        objective.fill(data, penalty.l2, run)?;
        objective.set_penalty(penalty);
        Ok(objective)
    }

    fn set_penalty(&mut self, penalty: Penalty) {
        let intercept = self.width - self.n_features;
        let spread = |f: &dyn Fn(f64) -> f64| -> Vec<f64> {
            let one = self.scales.iter().map(|s| f(*s)).chain(std::iter::repeat_n(0.0, intercept));
            let one: Vec<f64> = one.collect();
            one.repeat(self.n_scores)
        };
        (self.l1, self.l2) = (spread(&|s| penalty.l1 / s), spread(&|s| penalty.l2 / (s * s)));
    }

    /// Copies, centres and scales the features block by block.
    ///
    /// A feature's unit is what makes the curvature along it that of all others: by its spread alone, one that hardly
    /// varies would have a penalty so steep that first-order methods need many steps.
    fn fill(&mut self, data: &Dataset, l2: f64, run: &Run) -> Result<()> {
        let (width, d) = (self.width, self.n_features);
        let mut squares = vec![0.0; d];
        for rows in ranges(self.n_rows, self.size) {
            run.check()?;
            let block = &mut self.columns[rows.start * width..rows.end * width];
            copy_columns(data, &rows, &mut block[..d * rows.len()]);
            block[d * rows.len()..].fill(1.0);
            let mut weighted = vec![0.0; rows.len()];
            for (j, column) in block.chunks_exact_mut(rows.len()).take(d).enumerate() {
                column.iter_mut().for_each(|x| *x -= self.means[j]);
                multiply(column, &self.weight[rows.clone()], &mut weighted);
                squares[j] += dot(&weighted, column);
            }
        }
        // The variance of a class among equally likely ones, by which a feature's variance bends the loss.
        let n_classes = (self.n_scores as f64).max(2.0);
        let class_variance = (n_classes - 1.0) / (n_classes * n_classes);
        for (j, square) in squares.iter().enumerate() {
            let spread = square.sqrt();
            // What is left of a constant column after centring is rounding, not a unit.
            if spread > 1e-12 * self.means[j].abs() && spread > f64::MIN_POSITIVE {
                self.scales[j] = (square + l2 / class_variance).sqrt();
            }
        }
        for rows in ranges(self.n_rows, self.size) {
            run.check()?;
            let block = &mut self.columns[rows.start * width..rows.end * width];
            for (column, scale) in block.chunks_exact_mut(rows.len()).zip(&self.scales) {
                column.iter_mut().for_each(|x| *x /= scale);
            }
        }
        Ok(())
    }

    /// How many parameters there are.
    #[must_use]
    pub fn n_params(&self) -> usize {
        self.n_scores * self.width
    }

    /// The smooth part (loss and L2 penalty) at `params`, with its gradient and, if wanted, its Hessian.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn evaluate(
        &self,
        params: &[f64],
        gradient: &mut [f64],
        mut hessian: Option<&mut [f64]>,
        run: &Run,
    ) -> Result<f64> {
        gradient.fill(0.0);
        if let Some(hessian) = &mut hessian {
            hessian.fill(0.0);
        }
        let mut scratch = Scratch::new(self.size, self.n_scores);
        let mut value = 0.0;
        for rows in ranges(self.n_rows, self.size) {
            run.check()?;
            let len = rows.len();
            let block = &self.columns[rows.start * self.width..rows.end * self.width];
            let (class, weight) = (&self.class[rows.clone()], &self.weight[rows.clone()]);
            let scores = &mut scratch.scores[..self.n_scores * len];
            self.score(params, block, len, scores);
            value += if self.n_scores == 1 { logistic(scores, class, weight) } else { softmax(scores, class, weight) };
            if let Some(hessian) = &mut hessian {
                self.add_curvature(block, len, scores, weight, &mut scratch.curvature, hessian, run)?;
            }
            let residuals = &mut scratch.residuals[..self.n_scores * len];
            self.residuals(scores, class, weight, residuals);
            for (gradient, residual) in gradient.chunks_exact_mut(self.width).zip(residuals.chunks_exact(len)) {
                for (g, column) in gradient.iter_mut().zip(block.chunks_exact(len)) {
                    *g += dot(column, residual);
                }
            }
        }
        for (j, (w, l2)) in params.iter().zip(&self.l2).enumerate() {
            value += 0.5 * l2 * w * w;
            gradient[j] += l2 * w;
        }
        if let Some(hessian) = hessian {
            self.finish_hessian(hessian);
        }
        Ok(value)
    }

    fn score(&self, params: &[f64], block: &[f64], len: usize, scores: &mut [f64]) {
        scores.fill(0.0);
        for (params, scores) in params.chunks_exact(self.width).zip(scores.chunks_exact_mut(len)) {
            for (w, column) in params.iter().zip(block.chunks_exact(len)) {
                axpy(*w, column, scores);
            }
        }
    }

    /// `weight · (probability − truth)` for each score.
    fn residuals(&self, probabilities: &[f64], class: &[u32], weight: &[f64], out: &mut [f64]) {
        let len = class.len();
        for (c, (p, out)) in probabilities.chunks_exact(len).zip(out.chunks_exact_mut(len)).enumerate() {
            let positive = if self.n_scores == 1 { 1 } else { c as u32 };
            for i in 0..len {
                out[i] = weight[i] * (p[i] - f64::from(u8::from(class[i] == positive)));
            }
        }
    }

    /// The L1 penalty at `params`.
    #[must_use]
    pub fn absolute_penalty(&self, params: &[f64]) -> f64 {
        params.iter().zip(&self.l1).map(|(w, l1)| l1 * w.abs()).sum()
    }
}

struct Scratch {
    scores: Vec<f64>,
    residuals: Vec<f64>,
    curvature: Vec<f64>,
}

impl Scratch {
    fn new(size: usize, n_scores: usize) -> Self {
        Self {
            scores: vec![0.0; size * n_scores],
            residuals: vec![0.0; size * n_scores],
            curvature: vec![0.0; 2 * size],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objective(n_scores: usize) -> Objective {
        let mut rng = Run::new().with_seed(2).rng(0);
        let rows: Vec<f64> = (0..90).map(|_| rng.f64() * 5.0 + 2.0).collect();
        let data = Dataset::from_rows(&rows, 3).expect("30 rows");
        let class = (0..30).map(|_| rng.u32(0..n_scores.max(2) as u32)).collect();
        let weight = (0..30).map(|_| rng.f64()).collect();
        Objective::new(&data, class, weight, n_scores, true, Penalty { l1: 0.0, l2: 0.1 }, &Run::new()).expect("valid")
    }

    #[test]
    fn gradient_and_hessian_are_the_differences_of_the_loss() {
        for n_scores in [1, 3] {
            let objective = objective(n_scores);
            let n = objective.n_params();
            let run = Run::new();
            let at: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
            let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
            objective.evaluate(&at, &mut gradient, Some(&mut hessian), &run).expect("evaluated");
            let step = 1e-5;
            for j in 0..n {
                let (mut low, mut high) = (vec![0.0; n], vec![0.0; n]);
                let mut moved = at.clone();
                moved[j] -= step;
                let low_value = objective.evaluate(&moved, &mut low, None, &run).expect("evaluated");
                moved[j] += 2.0 * step;
                let high_value = objective.evaluate(&moved, &mut high, None, &run).expect("evaluated");
                assert!(((high_value - low_value) / (2.0 * step) - gradient[j]).abs() < 1e-8);
                // The gauge is no part of the loss; it touches intercepts alone, which no difference of features shows.
                for k in (0..n).filter(|k| n_scores == 1 || k % 4 != 3 || j % 4 != 3) {
                    let difference = (high[k] - low[k]) / (2.0 * step);
                    assert!((difference - hessian[j * n + k]).abs() < 1e-8, "{n_scores}: {j} {k}");
                }
            }
        }
    }

    #[test]
    fn units_convert_there_and_back() {
        let objective = objective(3);
        let at: Vec<f64> = (0..objective.n_params()).map(|i| (i as f64).cos()).collect();
        let (coef, intercepts) = objective.own_units(&at);
        for (a, b) in objective.standard_units(&coef, &intercepts).iter().zip(&at) {
            assert!((a - b).abs() < 1e-13);
        }
    }
}
