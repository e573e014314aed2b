//! Leaf values: steps that lower the loss of the rows in each leaf.

use pgml_core::{Result, Run};

use super::data::TrainData;
use super::loss::{Loss, quantile};
use super::scores::Scores;
use super::settings::{LeafMethod, Settings};
use crate::solvers::cholesky;

/// What one leaf adds to its rows' scores, `leaves × dims`, before the step size: one or more steps from where the scores
/// are. With backtracking a step that does not lower the loss is halved until it does, at the cost of the steps left.
pub(super) fn leaf_values(
    scores: &Scores,
    leaf: &[u32],
    n_leaves: usize,
    data: &TrainData,
    settings: &Settings,
    run: &Run,
) -> Result<Vec<f64>> {
    let walk = Walk { leaf, n_leaves, data, settings, run };
    if settings.leaf_iterations == 1 {
        return walk.step(scores);
    }
    let mut at = Scores {
        order: scores.order.clone(),
        tail: scores.body,
        values: scores.values.iter().map(|values| values[..scores.body].to_vec()).collect(),
        ..*scores
    };
    let mut sum = vec![0.0; n_leaves * scores.values.len()];
    let mut loss = if settings.backtracking { at.objective(data, settings.loss) } else { f64::INFINITY };
    let mut left = settings.leaf_iterations;
    while left > 0 {
        let mut step = walk.step(&at)?;
        let start = settings.backtracking.then(|| at.values.clone());
        loop {
            run.check()?;
            left -= 1;
            at.add(scores.body, &step, leaf, settings.loss);
            let Some(start) = &start else {
                sum.iter_mut().zip(&step).for_each(|(sum, step)| *sum += step);
                break;
            };
            let after = at.objective(data, settings.loss);
            if after < loss {
                loss = after;
                sum.iter_mut().zip(&step).for_each(|(sum, step)| *sum += step);
                break;
            }
            at.values.clone_from(start);
            step.iter_mut().for_each(|step| *step /= 2.0);
            if left == 0 {
                break;
            }
        }
    }
    Ok(sum)
}

/// Adds a tree to the scores of an ordered model with several dimensions. Rows behind the body get the value that their leaf
/// has when it has seen the rows up to them, themselves included, as in CatBoost.
pub(super) fn add_in_order(
    scores: &mut Scores,
    leaf: &[u32],
    n_leaves: usize,
    data: &TrainData,
    settings: &Settings,
    run: &Run,
) -> Result<()> {
    let walk = Walk { leaf, n_leaves, data, settings, run };
    let (dims, width) = (settings.dims, walk.width());
    let mut steps = vec![0.0; scores.tail * dims];
    let mut at = scores.clone();
    let (mut gradient, mut step) = (vec![0.0; dims], vec![0.0; dims]);
    for _ in 0..settings.leaf_iterations {
        run.check()?;
        let mut sums = walk.sums(&at);
        let values = walk.values(&at, &sums)?;
        for position in 0..at.tail {
            let row = at.row(position);
            let leaf = leaf[row] as usize;
            if position < at.body {
                step.copy_from_slice(&values[leaf * dims..][..dims]);
            } else {
                let sums = &mut sums[leaf * width..][..width];
                walk.add_row(&at, position, row, &mut gradient, sums);
                walk.solve(sums, at.scaled_l2(settings.l2), &mut step)?;
            }
            for (dim, step) in step.iter().enumerate() {
                steps[position * dims + dim] += step;
                at.values[dim][position] += step;
            }
        }
    }
    for (dim, values) in scores.values.iter_mut().enumerate() {
        let steps = steps.iter().skip(dim).step_by(dims);
        values.iter_mut().zip(steps).for_each(|(value, step)| *value += settings.learning_rate * step);
    }
    Ok(())
}

struct Walk<'a> {
    leaf: &'a [u32],
    n_leaves: usize,
    data: &'a TrainData,
    settings: &'a Settings,
    run: &'a Run,
}

impl Walk<'_> {
    fn step(&self, at: &Scores) -> Result<Vec<f64>> {
        self.run.check()?;
        match (self.settings.method, self.settings.loss) {
            (LeafMethod::Exact, Loss::Quantile { alpha, delta }) => Ok(self.quantiles(at, alpha, delta)),
            (LeafMethod::Newton, Loss::Logloss) => Ok(self.logistic_newton(at)),
            _ => self.values(at, &self.sums(at)),
        }
    }

    /// Whether second derivatives are summed. That of a squared error is its weight: both methods are one.
    fn has_second(&self) -> bool {
        self.settings.method == LeafMethod::Newton && self.settings.loss == Loss::MultiClass
    }

    /// How many sums a leaf has: its gradients, then its weight or its second derivatives.
    fn width(&self) -> usize {
        let dims = self.settings.dims;
        if self.has_second() { dims + dims * dims } else { dims + 1 }
    }

    /// The sums of all leaves.
    fn sums(&self, at: &Scores) -> Vec<f64> {
        let width = self.width();
        let mut sums = vec![0.0; self.n_leaves * width];
        let mut gradient = vec![0.0; self.settings.dims];
        for position in 0..at.body {
            let row = at.row(position);
            let sums = &mut sums[self.leaf[row] as usize * width..][..width];
            self.add_row(at, position, row, &mut gradient, sums);
        }
        sums
    }

    /// Adds a row to the sums of its leaf; `gradient` is room for its own.
    #[inline]
    fn add_row(&self, at: &Scores, position: usize, row: usize, gradient: &mut [f64], sums: &mut [f64]) {
        let dims = gradient.len();
        at.gradient(position, row, self.data, self.settings.loss, gradient);
        let weight = self.data.weight_of(row);
        let (first, second) = sums.split_at_mut(dims);
        first.iter_mut().zip(&*gradient).for_each(|(sum, g)| *sum += weight * g);
        if !self.has_second() {
            second[0] += weight;
            return;
        }
        // The negative gradient is the indicator of the class less the probabilities.
        gradient[self.data.targets[0][row] as usize] -= 1.0;
        for (i, second) in second.chunks_exact_mut(dims).enumerate() {
            let mine = weight * gradient[i];
            second[i] -= mine;
            // The factorisation reads the lower triangle.
            second[..=i].iter_mut().zip(&*gradient).for_each(|(second, p)| *second -= mine * p);
        }
    }

    /// The values of all leaves.
    fn values(&self, at: &Scores, sums: &[f64]) -> Result<Vec<f64>> {
        let (dims, l2) = (self.settings.dims, at.scaled_l2(self.settings.l2));
        let mut values = vec![0.0; self.n_leaves * dims];
        for (sums, values) in sums.chunks_exact(self.width()).zip(values.chunks_exact_mut(dims)) {
            self.solve(sums, l2, values)?;
        }
        Ok(values)
    }

    /// The value of one leaf.
    fn solve(&self, sums: &[f64], l2: f64, value: &mut [f64]) -> Result<()> {
        let dims = value.len();
        value.copy_from_slice(&sums[..dims]);
        if !self.has_second() {
            let weight = sums[dims];
            value.iter_mut().for_each(|value| *value = if weight > 0.0 { *value / (weight + l2) } else { 0.0 });
            return Ok(());
        }
        let mut second = sums[dims..].to_vec();
        (0..dims).for_each(|i| second[i * dims + i] += l2);
        if cholesky::factor(&mut second, dims, self.run)? {
            cholesky::solve(&second, dims, value);
        } else {
            value.fill(0.0);
        }
        Ok(())
    }

    fn logistic_newton(&self, at: &Scores) -> Vec<f64> {
        let mut sums = vec![[0.0_f64; 2]; self.n_leaves];
        for (position, odds) in at.values[0][..at.body].iter().enumerate() {
            let row = at.row(position);
            let p = odds / (1.0 + odds);
            let weight = self.data.weight_of(row);
            let [first, second] = &mut sums[self.leaf[row] as usize];
            *first += weight * (f64::from(self.data.targets[0][row]) - p);
            *second += weight * p * (1.0 - p);
        }
        let l2 = at.scaled_l2(self.settings.l2);
        sums.into_iter().map(|[first, second]| first / (second + l2)).collect()
    }

    fn quantiles(&self, at: &Scores, alpha: f64, delta: f64) -> Vec<f64> {
        let mut samples: Vec<Vec<(f32, f32)>> = vec![Vec::new(); self.n_leaves];
        for (position, score) in at.values[0][..at.body].iter().enumerate() {
            let row = at.row(position);
            let error = f64::from(self.data.targets[0][row]) - score;
            let weight = self.data.weight.as_ref().map_or(1.0, |w| w[row]);
            samples[self.leaf[row] as usize].push((error as f32, weight));
        }
        samples.iter_mut().map(|sample| quantile(sample, alpha, delta)).collect()
    }
}
