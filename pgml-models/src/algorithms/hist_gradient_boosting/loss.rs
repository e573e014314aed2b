//! What boosting minimises: gradients and hessians of losses by raw scores, as scikit-learn defines them.
//!
//! Raw scores and what goes with them are class by class: score `k` of row `i` stands at `k * n_rows + i`.

use pgml_core::{Result, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::trees::boosting::quantiles::{cumulative, inverted_cdf};

/// Rows whose gradients one task computes.
const ROWS_AT_A_TIME: usize = 1 << 12;
/// Below it the logistic function is its argument's exponential.
const FAR_LEFT: f64 = -37.0;

/// A loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// Half the squared difference.
    SquaredError,
    /// The absolute difference.
    AbsoluteError,
    /// The pinball loss of a quantile.
    Quantile(f64),
    /// Half the Poisson deviance; predictions are exponentials.
    Poisson,
    /// Half the gamma deviance; predictions are exponentials.
    Gamma,
    /// Log loss of two classes.
    Logistic,
    /// Log loss of several classes, one score each.
    Softmax(usize),
}

/// From raw scores to predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The score itself.
    Identity,
    /// Its exponential.
    Log,
    /// The logistic function: the probability of the second class.
    Logit,
    /// Shares of exponentials.
    Softmax,
}

/// The rows of a loss: targets, class by position, and weights.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// One target per row.
    pub y: &'a [f64],
    /// One weight per row.
    pub weight: Option<&'a [f64]>,
}

impl Rows<'_> {
    fn weight(&self, row: usize) -> f64 {
        self.weight.map_or(1.0, |weight| weight[row])
    }

    /// The weighted mean of something of each row.
    pub fn mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        let (sum, total) = (0..self.y.len()).fold((0.0, 0.0), |(sum, total), row| {
            let weight = self.weight(row);
            (sum + weight * of(row), total + weight)
        });
        sum / total
    }
}

impl Loss {
    /// Scores per row.
    pub fn n_scores(self) -> usize {
        if let Self::Softmax(n) = self { n } else { 1 }
    }

    /// How predictions are made of scores.
    pub fn link(self) -> Link {
        match self {
            Self::SquaredError | Self::AbsoluteError | Self::Quantile(_) => Link::Identity,
            Self::Poisson | Self::Gamma => Link::Log,
            Self::Logistic => Link::Logit,
            Self::Softmax(_) => Link::Softmax,
        }
    }

    /// Whether every hessian is 1 where rows have no weights.
    pub fn has_unit_hessian(self) -> bool {
        matches!(self, Self::SquaredError | Self::AbsoluteError | Self::Quantile(_))
    }

    /// Whether the loss has a bend, so that leaves are set to the best value itself rather than to a Newton step.
    pub fn has_bend(self) -> bool {
        matches!(self, Self::AbsoluteError | Self::Quantile(_))
    }

    /// Refuses targets that the loss is not made for.
    pub fn check(self, y: &[f64]) -> Result<()> {
        let fine = match self {
            Self::Gamma => y.iter().all(|y| *y > 0.0),
            Self::Poisson => y.iter().all(|y| *y >= 0.0) && y.iter().any(|y| *y > 0.0),
            _ => true,
        };
        if !fine {
            let wanted = if self == Self::Gamma {
                "gamma needs targets above 0"
            } else {
                "poisson needs targets of at least 0, not all 0"
            };
            bail!(InvalidData, "the loss {wanted}");
        }
        Ok(())
    }

    /// The scores before the first tree: the best constant ones.
    pub fn baseline(self, rows: &Rows<'_>) -> Vec<f64> {
        let mean = || rows.mean(|row| rows.y[row]);
        let least = 10.0 * f64::EPSILON;
        match self {
            Self::SquaredError => vec![mean()],
            Self::AbsoluteError | Self::Quantile(_) => {
                vec![self.best_constant(rows.y.to_vec(), rows.weight.map(<[f64]>::to_vec))]
            }
            Self::Poisson | Self::Gamma => vec![mean().max(least).ln()],
            Self::Logistic => {
                let p = mean().clamp(least, 1.0 - least);
                vec![(p / (1.0 - p)).ln()]
            }
            Self::Softmax(n) => {
                let share = |k: usize| rows.mean(|row| f64::from(u8::from(rows.y[row] == k as f64)));
                let logs: Vec<f64> = (0..n).map(|k| share(k).clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()).collect();
                let middle = logs.iter().sum::<f64>() / n as f64;
                logs.into_iter().map(|log| log - middle).collect()
            }
        }
    }

    /// The constant of the least loss, of the losses with a bend: the median or another quantile.
    pub fn best_constant(self, mut y: Vec<f64>, weight: Option<Vec<f64>>) -> f64 {
        let share = if let Self::Quantile(quantile) = self { quantile } else { 0.5 };
        if let Some(weight) = weight {
            let mut pairs: Vec<(f64, f64)> = y.into_iter().zip(weight).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (y, weight): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            return inverted_cdf(&y, &cumulative(&weight), share);
        }
        let last = y.len() - 1;
        let position = last as f64 * share;
        let below = position.floor() as usize;
        let (_, low, above) = y.select_nth_unstable_by(below, f64::total_cmp);
        let low = *low;
        let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
        let t = position - below as f64;
        if t >= 0.5 { high - (high - low) * (1.0 - t) } else { low + (high - low) * t }
    }

    /// Writes gradient and hessian of each row by each score: one list per score.
    pub fn gradients(self, rows: &Rows<'_>, raw: &[f64], pairs: &mut [Vec<[f32; 2]>]) {
        if let Self::Softmax(n_scores) = self {
            return softmax_gradients(rows, raw, n_scores, pairs);
        }
        let Some(pairs) = pairs.first_mut() else { return };
        let chunks = pairs.par_chunks_mut(ROWS_AT_A_TIME).enumerate();
        chunks.for_each(|(chunk, pairs)| {
            let first = chunk * ROWS_AT_A_TIME;
            let range = first..first + pairs.len();
            let (y, raw) = (&rows.y[range.clone()], &raw[range.clone()]);
            let weight = rows.weight.map(|weight| &weight[range]);
            match self {
                Self::SquaredError => write(pairs, y, raw, weight, |y, raw| (raw - y, 1.0)),
                Self::AbsoluteError => write(pairs, y, raw, weight, |y, raw| (if raw > y { 1.0 } else { -1.0 }, 1.0)),
                Self::Quantile(q) => write(pairs, y, raw, weight, |y, raw| (if y >= raw { -q } else { 1.0 - q }, 1.0)),
                Self::Poisson => write(pairs, y, raw, weight, |y, raw| (raw.exp() - y, raw.exp())),
                Self::Gamma => write(pairs, y, raw, weight, |y, raw| {
                    let ratio = y * (-raw).exp();
                    (1.0 - ratio, ratio)
                }),
                Self::Logistic => write(pairs, y, raw, weight, logistic_pair),
                Self::Softmax(_) => {}
            }
        });
    }

    /// The mean loss, without terms that scores do not change.
    pub fn mean(self, rows: &Rows<'_>, raw: &[f64]) -> f64 {
        let n = rows.y.len();
        rows.mean(|row| {
            let (y, x) = (rows.y[row], raw[row]);
            match self {
                Self::SquaredError => 0.5 * (x - y) * (x - y),
                Self::AbsoluteError => (x - y).abs(),
                Self::Quantile(q) => (q * (y - x)).max((1.0 - q) * (x - y)),
                Self::Poisson => x.exp() - y * x,
                Self::Gamma => x + y * (-x).exp(),
                // ln(1 + eˣ) − y x without overflow.
                Self::Logistic => x.max(0.0) + (-x.abs()).exp().ln_1p() - y * x,
                Self::Softmax(n_scores) => {
                    let scores = || (0..n_scores).map(|k| raw[k * n + row]);
                    let highest = scores().fold(f64::NEG_INFINITY, f64::max);
                    scores().map(|x| (x - highest).exp()).sum::<f64>().ln() + highest - raw[y as usize * n + row]
                }
            }
        })
    }
}

/// The inner loop of every loss of one score.
#[inline(always)]
fn write(
    pairs: &mut [[f32; 2]],
    y: &[f64],
    raw: &[f64],
    weight: Option<&[f64]>,
    pair: impl Fn(f64, f64) -> (f64, f64),
) {
    let rows = pairs.iter_mut().zip(y.iter().zip(raw));
    match weight {
        None => rows.for_each(|(to, (y, raw))| {
            let (gradient, hessian) = pair(*y, *raw);
            *to = [gradient as f32, hessian as f32];
        }),
        Some(weight) => rows.zip(weight).for_each(|((to, (y, raw)), weight)| {
            let (gradient, hessian) = pair(*y, *raw);
            *to = [(weight * gradient) as f32, (weight * hessian) as f32];
        }),
    }
}

#[inline(always)]
fn logistic_pair(y: f64, raw: f64) -> (f64, f64) {
    if raw > FAR_LEFT {
        let e = (-raw).exp();
        let sum = 1.0 + e;
        (((1.0 - y) - y * e) / sum, e / (sum * sum))
    } else {
        let e = raw.exp();
        (e - y, e)
    }
}

fn softmax_gradients(rows: &Rows<'_>, raw: &[f64], n_scores: usize, pairs: &mut [Vec<[f32; 2]>]) {
    let n = rows.y.len();
    // One task per run of rows writes to every score's list.
    let mut tasks: Vec<Vec<&mut [[f32; 2]]>> = (0..n.div_ceil(ROWS_AT_A_TIME)).map(|_| Vec::new()).collect();
    for pairs in pairs {
        tasks.iter_mut().zip(pairs.chunks_mut(ROWS_AT_A_TIME)).for_each(|(task, chunk)| task.push(chunk));
    }
    tasks.into_par_iter().enumerate().for_each(|(task, mut pairs)| {
        let mut exponentials = vec![0.0; n_scores];
        for row in 0..pairs[0].len() {
            let at = task * ROWS_AT_A_TIME + row;
            let highest = (0..n_scores).map(|k| raw[k * n + at]).fold(f64::NEG_INFINITY, f64::max);
            exponentials.iter_mut().enumerate().for_each(|(k, e)| *e = (raw[k * n + at] - highest).exp());
            let sum: f64 = exponentials.iter().sum();
            let weight = rows.weight(at);
            for (k, pairs) in pairs.iter_mut().enumerate() {
                let p = exponentials[k] / sum;
                let is_class = f64::from(u8::from(rows.y[at] == k as f64));
                pairs[row] = [((p - is_class) * weight) as f32, (p * (1.0 - p) * weight) as f32];
            }
        }
    });
}

impl Link {
    /// Turns one row's scores into predictions in place.
    pub fn apply(self, scores: &mut [f64]) {
        match self {
            Self::Identity => {}
            Self::Log => scores.iter_mut().for_each(|x| *x = x.exp()),
            Self::Logit => scores.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp())),
            Self::Softmax => {
                let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                scores.iter_mut().for_each(|x| *x = (*x - highest).exp());
                let sum: f64 = scores.iter().sum();
                scores.iter_mut().for_each(|x| *x /= sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOSSES: [Loss; 5] = [Loss::SquaredError, Loss::Poisson, Loss::Gamma, Loss::Logistic, Loss::Softmax(3)];

    #[test]
    fn gradients_and_hessians_are_derivatives_of_the_loss() {
        for loss in LOSSES {
            let rows = Rows { y: &[1.0], weight: None };
            let raw: Vec<f64> = (0..loss.n_scores()).map(|k| 0.3 - 0.5 * k as f64).collect();
            let mut pairs = vec![vec![[0.0; 2]]; loss.n_scores()];
            loss.gradients(&rows, &raw, &mut pairs);
            for k in 0..loss.n_scores() {
                let at = |step: f64| {
                    let mut raw = raw.clone();
                    raw[k] += step;
                    loss.mean(&rows, &raw)
                };
                let step = 1e-4;
                let gradient = (at(step) - at(-step)) / (2.0 * step);
                let hessian = (at(step) - 2.0 * at(0.0) + at(-step)) / (step * step);
                let [own_gradient, own_hessian] = pairs[k][0].map(f64::from);
                assert!((own_gradient - gradient).abs() < 1e-6, "{loss:?}: {own_gradient} is not {gradient}");
                assert!((own_hessian - hessian).abs() < 1e-5, "{loss:?}: {own_hessian} is not {hessian}");
            }
        }
    }

    #[test]
    fn the_baseline_is_the_best_constant() {
        let y = [1.0, 1.0, 2.0, 0.0, 2.0, 1.0];
        for (loss, y) in LOSSES.map(|loss| {
            let y: Vec<f64> = match loss {
                Loss::Logistic => y.iter().map(|y: &f64| y.min(1.0)).collect(),
                Loss::Gamma => y.iter().map(|y| y + 0.5).collect(),
                _ => y.to_vec(),
            };
            (loss, y)
        }) {
            let weight = [1.0, 2.0, 1.0, 3.0, 1.0, 1.0];
            let rows = Rows { y: &y, weight: Some(&weight) };
            let baseline = loss.baseline(&rows);
            let raw = |shift: f64| -> Vec<f64> {
                baseline
                    .iter()
                    .enumerate()
                    .flat_map(|(k, b)| vec![b + if k == 0 { shift } else { 0.0 }; y.len()])
                    .collect()
            };
            let least = loss.mean(&rows, &raw(0.0));
            for shift in [-0.01, 0.01] {
                assert!(loss.mean(&rows, &raw(shift)) > least, "{loss:?}");
            }
        }
    }

    #[test]
    fn quantiles_are_numpys() {
        let y = || vec![3.0, 1.0, 4.0, 2.0];
        assert_eq!(Loss::AbsoluteError.best_constant(y(), None), 2.5);
        assert!((Loss::Quantile(0.9).best_constant(y(), None) - 3.7).abs() < 1e-12);
        // The smallest value that reaches half of all weight.
        assert_eq!(Loss::AbsoluteError.best_constant(y(), Some(vec![1.0; 4])), 2.0);
        assert_eq!(Loss::AbsoluteError.best_constant(y(), Some(vec![9.0, 1.0, 1.0, 1.0])), 3.0);
    }
}
