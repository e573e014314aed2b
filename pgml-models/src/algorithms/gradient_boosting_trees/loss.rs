//! The losses of gradient boosting: where to begin, which way to go, and how far.

use super::model::Link;

/// What is minimised, over raw scores: values, or half or whole log-odds of classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Loss {
    SquaredError,
    AbsoluteError,
    /// Squared for errors up to `delta`, which is renewed each round, then absolute.
    Huber {
        alpha: f64,
        delta: f64,
    },
    Quantile(f64),
    /// Of two classes.
    Binomial,
    /// Of two classes.
    Exponential,
    /// Of so many classes, with a score each.
    Multinomial(usize),
}

/// The rows of a leaf, as the search for its value sees them.
pub(super) struct LeafRow {
    /// What the row weighs.
    pub weight: f64,
    /// Its target: a value, or 1 in the class at hand and 0 otherwise.
    pub target: f64,
    /// Its score so far.
    pub raw: f64,
    /// The negative gradient of its loss.
    pub step: f64,
}

impl Loss {
    /// How scores become predictions.
    pub(super) fn link(self) -> Link {
        match self {
            Self::Binomial => Link::LogOdds,
            Self::Exponential => Link::HalfLogOdds,
            Self::Multinomial(_) => Link::Softmax,
            _ => Link::Identity,
        }
    }

    /// Scores per row.
    pub(super) fn n_scores(self) -> usize {
        if let Self::Multinomial(n_classes) = self { n_classes } else { 1 }
    }

    /// The best constant scores. `target` holds values, or positions of classes.
    pub(super) fn best_constants(self, target: &[f64], weight: Option<&[f64]>) -> Vec<f64> {
        let weighted = || target.iter().enumerate().map(|(row, y)| (*y, weight.map_or(1.0, |weight| weight[row])));
        let share = |class: f64| {
            let share = mean(weighted().map(|(y, w)| (f64::from(u8::from(y == class)), w)));
            share.clamp(f64::EPSILON, 1.0 - f64::EPSILON)
        };
        match self {
            Self::SquaredError => vec![mean(weighted())],
            Self::AbsoluteError | Self::Huber { .. } => vec![first_quantile(target, weight, 0.5)],
            Self::Quantile(alpha) => vec![first_quantile(target, weight, alpha)],
            Self::Binomial => vec![log_odds(share(1.0))],
            Self::Exponential => vec![log_odds(share(1.0)) / 2.0],
            Self::Multinomial(n_classes) => {
                let logs: Vec<f64> = (0..n_classes).map(|class| share(class as f64).ln()).collect();
                let mean = logs.iter().sum::<f64>() / n_classes as f64;
                logs.iter().map(|log| log - mean).collect()
            }
        }
    }

    /// Renews what depends on the errors of a round: where the Huber loss turns.
    pub(super) fn turn(&mut self, target: &[f64], raw: &[f64], weight: Option<&[f64]>) {
        if let Self::Huber { alpha, delta } = self {
            let errors = target.iter().zip(raw).enumerate();
            let mut errors: Vec<(f64, f64)> =
                errors.map(|(row, (y, raw))| ((y - raw).abs(), weight.map_or(1.0, |weight| weight[row]))).collect();
            *delta = weighted_quantile(&mut errors, *alpha);
        }
    }

    /// The negative gradients of the rows' losses, by each score.
    pub(super) fn steps(self, target: &[f64], raw: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let each =
            |step: &dyn Fn(f64, f64) -> f64| vec![target.iter().zip(&raw[0]).map(|(y, raw)| step(*y, *raw)).collect()];
        match self {
            Self::SquaredError => each(&|y, raw| y - raw),
            Self::AbsoluteError => each(&|y, raw| if raw > y { -1.0 } else { 1.0 }),
            Self::Huber { delta, .. } => each(&|y, raw| (y - raw).max(-delta).min(delta)),
            Self::Quantile(alpha) => each(&|y, raw| if y >= raw { alpha } else { alpha - 1.0 }),
            Self::Binomial => each(&|y, raw| y - logistic(raw)),
            Self::Exponential => each(&|y, raw| y * (-raw).exp() - (1.0 - y) * raw.exp()),
            Self::Multinomial(_) => steps_of_classes(target, raw),
        }
    }

    /// The value of a leaf; `mean_step` is what its tree says.
    pub(super) fn leaf(self, rows: impl ExactSizeIterator<Item = LeafRow> + Clone, mean_step: f64) -> f64 {
        let errors = || rows.clone().map(|row| (row.target - row.raw, row.weight)).collect::<Vec<_>>();
        let newton = |hessian: fn(&LeafRow) -> f64| {
            let slope = mean(rows.clone().map(|row| (row.step, row.weight)));
            divided(slope, mean(rows.clone().map(|row| (hessian(&row), row.weight))))
        };
        let of_share = |row: &LeafRow| {
            let share = row.target - row.step;
            share * (1.0 - share)
        };
        match self {
            Self::SquaredError => mean_step,
            Self::AbsoluteError => weighted_quantile(&mut errors(), 0.5),
            Self::Quantile(alpha) => weighted_quantile(&mut errors(), alpha),
            Self::Huber { delta, .. } => {
                let median = weighted_quantile(&mut errors(), 0.5);
                let rest = |row: LeafRow| ((row.target - row.raw - median).max(-delta).min(delta), row.weight);
                median + mean(rows.map(rest))
            }
            Self::Binomial => newton(of_share),
            Self::Exponential => newton(|row| if row.target == 0.0 { -row.step } else { row.step }),
            // Friedman's factor, which scikit-learn keeps.
            Self::Multinomial(n_classes) => (n_classes as f64 - 1.0) / n_classes as f64 * newton(of_share),
        }
    }

    /// The mean loss, in the units of scikit-learn's early stopping. `raw` holds one slice per score.
    pub(super) fn mean_loss(self, target: &[f64], raw: &[Vec<f64>], weight: Option<&[f64]>) -> f64 {
        let of_row = |row: usize| {
            let (y, score) = (target[row], raw[0][row]);
            let error = y - score;
            match self {
                Self::SquaredError => error * error,
                Self::AbsoluteError => error.abs(),
                Self::Huber { delta, .. } if error.abs() <= delta => error * error / 2.0,
                Self::Huber { delta, .. } => delta * (error.abs() - delta / 2.0),
                Self::Quantile(alpha) => {
                    if error >= 0.0 {
                        alpha * error
                    } else {
                        (alpha - 1.0) * error
                    }
                }
                Self::Binomial => 2.0 * (score.max(0.0) + (-score.abs()).exp().ln_1p() - y * score),
                Self::Exponential => y * (-score).exp() + (1.0 - y) * score.exp(),
                Self::Multinomial(_) => {
                    let most = raw.iter().fold(f64::NEG_INFINITY, |most, of_class| most.max(of_class[row]));
                    let sum: f64 = raw.iter().map(|of_class| (of_class[row] - most).exp()).sum();
                    most + sum.ln() - raw[y as usize][row]
                }
            }
        };
        mean((0..target.len()).map(|row| (of_row(row), weight.map_or(1.0, |weight| weight[row]))))
    }
}

/// The negative gradients of several scores: how far each class's share is from its probability.
fn steps_of_classes(target: &[f64], raw: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut steps = raw.to_vec();
    for (row, y) in target.iter().enumerate() {
        let most = raw.iter().fold(f64::NEG_INFINITY, |most, of_class| most.max(of_class[row]));
        steps.iter_mut().for_each(|of_class| of_class[row] = (of_class[row] - most).exp());
        let sum: f64 = steps.iter().map(|of_class| of_class[row]).sum();
        for (class, of_class) in steps.iter_mut().enumerate() {
            of_class[row] = f64::from(u8::from(*y as usize == class)) - of_class[row] / sum;
        }
    }
    steps
}

/// `1 / (1 + e⁻ˣ)`.
pub(super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn log_odds(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

/// The weighted mean of pairs of value and weight.
fn mean(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, weight) = pairs.fold((0.0, 0.0), |(sum, weight), (x, w)| (sum + w * x, weight + w));
    sum / weight
}

/// A Newton step, or none where the loss is flat: all rows of the leaf are certain.
fn divided(slope: f64, curvature: f64) -> f64 {
    if curvature.abs() < 1e-150 { 0.0 } else { slope / curvature }
}

/// The quantile that boosting begins with: between neighbours without weights, else of the weighted values.
fn first_quantile(target: &[f64], weight: Option<&[f64]>, alpha: f64) -> f64 {
    if let Some(weight) = weight {
        return weighted_quantile(&mut target.iter().copied().zip(weight.iter().copied()).collect::<Vec<_>>(), alpha);
    }
    let mut sorted = target.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = alpha * (sorted.len() - 1) as f64;
    let below = place as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// The least value that has at least the share `alpha` of the weight at or below it, of pairs of value and weight.
fn weighted_quantile(pairs: &mut [(f64, f64)], alpha: f64) -> f64 {
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let place = alpha * pairs.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut below = 0.0;
    for (value, weight) in pairs.iter() {
        below += weight;
        if below >= place {
            return *value;
        }
    }
    pairs.last().map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_the_negative_slopes_of_the_loss() {
        let target = [0.0, 1.0, 1.0];
        let raw = [0.3, -1.2, 2.0];
        let losses =
            [Loss::AbsoluteError, Loss::Huber { alpha: 0.9, delta: 1.0 }, Loss::Quantile(0.7), Loss::Exponential];
        for loss in losses {
            for (row, step) in loss.steps(&target, &[raw.to_vec()])[0].iter().enumerate() {
                let at = |x: f64| loss.mean_loss(&target[row..=row], &[vec![x]], None);
                let slope = (at(raw[row] + 1e-6) - at(raw[row] - 1e-6)) / 2e-6;
                assert!((step + slope).abs() < 1e-6, "{loss:?}: {step} and {slope}");
            }
        }
        let raw = [vec![0.1, 0.2, -0.3], vec![0.5, 0.0, 1.0], vec![-1.0, 0.4, 0.2]];
        let target = [0.0, 2.0, 1.0];
        let steps = steps_of_classes(&target, &raw);
        for row in 0..3 {
            for class in 0..3 {
                let at = |x: f64| {
                    let mut moved = raw.clone();
                    moved[class][row] += x;
                    let of_row: Vec<Vec<f64>> = moved.iter().map(|scores| vec![scores[row]]).collect();
                    Loss::Multinomial(3).mean_loss(&target[row..=row], &of_row, None)
                };
                assert!((steps[class][row] + (at(1e-6) - at(-1e-6)) / 2e-6).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn constants_are_quantiles_and_log_odds() {
        let target = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(Loss::AbsoluteError.best_constants(&target, None), [3.0]);
        assert_eq!(Loss::AbsoluteError.best_constants(&target, Some(&[1.0; 4])), [2.0]);
        assert_eq!(Loss::Quantile(0.75).best_constants(&target, None), [5.0]);
        assert_eq!(Loss::Binomial.best_constants(&[0.0, 1.0], None), [0.0]);
        assert!((Loss::Binomial.best_constants(&[0.0, 1.0, 1.0, 1.0], None)[0] - 3.0_f64.ln()).abs() < 1e-12);
    }
}
