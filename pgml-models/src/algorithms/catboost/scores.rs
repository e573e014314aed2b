//! Scores of training rows by one of the models that training keeps.

use std::sync::Arc;

use super::data::TrainData;
use super::loss::{Loss, softmax};
use super::settings::Settings;

/// Scores of rows `0..tail` by a model that learns from rows `0..body` alone. For plain boosting both are all rows; for
/// ordered boosting rows are counted in the order of a permutation, and the rows behind the body are judged by a model
/// that never saw them.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    /// The row at each position; none when that is its number.
    pub order: Option<Arc<[u32]>>,
    pub body: usize,
    pub tail: usize,
    /// The weight of the body.
    pub body_weight: f64,
    /// For each dimension the scores by position; exponentials of them for the logistic loss.
    pub values: Vec<Vec<f64>>,
}

/// Exponentials of scores stay within this and its inverse.
const GREATEST_ODDS: f64 = 1e150;

impl Scores {
    pub(super) fn new(
        order: Option<Arc<[u32]>>,
        body: usize,
        tail: usize,
        start: &[f64],
        data: &TrainData,
        settings: &Settings,
    ) -> Self {
        let row = |position: usize| order.as_ref().map_or(position, |order| order[position] as usize);
        let body_weight = match &data.weight {
            Some(_) => (0..body).map(|position| data.weight_of(row(position))).sum(),
            None => body as f64,
        };
        let first = |start: &f64| if settings.loss == Loss::Logloss { start.exp() } else { *start };
        let values = start.iter().map(|start| vec![first(start); tail]).collect();
        Self { order, body, tail, body_weight, values }
    }

    /// The row at a position.
    #[inline]
    pub(super) fn row(&self, position: usize) -> usize {
        self.order.as_ref().map_or(position, |order| order[position] as usize)
    }

    /// The penalty on leaf values, in units of the mean weight.
    pub(super) fn scaled_l2(&self, l2: f64) -> f64 {
        l2 * (self.body_weight / self.body as f64)
    }

    /// Adds `steps`, `leaves × dims`, to the rows `0..end`.
    pub(super) fn add(&mut self, end: usize, steps: &[f64], leaf: &[u32], loss: Loss) {
        let dims = self.values.len();
        if loss == Loss::Logloss {
            let factors: Vec<f64> = steps.iter().map(|step| step.exp()).collect();
            let order = self.order.as_deref();
            for (position, odds) in self.values[0][..end].iter_mut().enumerate() {
                let row = order.map_or(position, |order| order[position] as usize);
                *odds = (*odds * factors[leaf[row] as usize]).clamp(1.0 / GREATEST_ODDS, GREATEST_ODDS);
            }
            return;
        }
        let order = self.order.as_deref();
        for (dim, values) in self.values.iter_mut().enumerate() {
            for (position, value) in values[..end].iter_mut().enumerate() {
                let row = order.map_or(position, |order| order[position] as usize);
                *value += steps[leaf[row] as usize * dims + dim];
            }
        }
    }

    /// Writes the weighted negative gradient of rows `0..tail` by position, `dims` per position, into `out`.
    pub(super) fn gradients(&self, data: &TrainData, loss: Loss, out: &mut Vec<f64>) {
        let dims = self.values.len();
        out.clear();
        out.resize(self.tail * dims, 0.0);
        for (position, out) in out.chunks_exact_mut(dims).enumerate() {
            let row = self.row(position);
            self.gradient(position, row, data, loss, out);
            if let Some(weight) = &data.weight {
                out.iter_mut().for_each(|g| *g *= f64::from(weight[row]));
            }
        }
    }

    /// The negative gradient of one row, not weighted.
    #[inline]
    pub(super) fn gradient(&self, position: usize, row: usize, data: &TrainData, loss: Loss, out: &mut [f64]) {
        match loss {
            Loss::MultiClass => {
                out.iter_mut().zip(&self.values).for_each(|(out, values)| *out = values[position]);
                softmax(out);
                out.iter_mut().for_each(|p| *p = -*p);
                out[data.targets[0][row] as usize] += 1.0;
            }
            Loss::MultiRmse => {
                for ((out, values), target) in out.iter_mut().zip(&self.values).zip(&data.targets) {
                    *out = f64::from(target[row]) - values[position];
                }
            }
            _ => out[0] = loss.step(self.values[0][position], data.targets[0][row]),
        }
    }

    /// The loss of the body, up to a factor and a constant.
    pub(super) fn objective(&self, data: &TrainData, loss: Loss) -> f64 {
        if loss == Loss::Logloss {
            return self.logistic_loss(data);
        }
        let dims = self.values.len();
        let mut scores = vec![0.0; dims];
        let mut sum = 0.0;
        for position in 0..self.body {
            let row = self.row(position);
            scores.iter_mut().zip(&self.values).for_each(|(score, values)| *score = values[position]);
            let y = data.targets[0][row];
            let of_row = match loss {
                Loss::MultiClass => {
                    let score = scores[y as usize];
                    let most = scores.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
                    most + scores.iter().map(|x| (x - most).exp()).sum::<f64>().ln() - score
                }
                Loss::Quantile { alpha, .. } => {
                    let error = f64::from(y) - scores[0];
                    error * if error > 0.0 { alpha } else { alpha - 1.0 }
                }
                _ => data.targets.iter().zip(&scores).map(|(y, score)| (f64::from(y[row]) - score).powi(2)).sum(),
            };
            sum += data.weight_of(row) * of_row;
        }
        sum
    }

    /// One logarithm for many rows, where they weigh the same: that of the product of their likelihoods.
    fn logistic_loss(&self, data: &TrainData) -> f64 {
        let (mut sum, mut product) = (0.0, 1.0_f64);
        for (position, odds) in self.values[0][..self.body].iter().enumerate() {
            let row = self.row(position);
            let inverse = 1.0 + if data.targets[0][row] > 0.5 { 1.0 / odds } else { *odds };
            match &data.weight {
                Some(weight) => sum += f64::from(weight[row]) * inverse.ln(),
                None if product * inverse > GREATEST_ODDS => {
                    sum += product.ln() + inverse.ln();
                    product = 1.0;
                }
                None => product *= inverse,
            }
        }
        sum + product.ln()
    }
}
