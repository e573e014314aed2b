//! The losses: their derivatives, best constants and values.

use pgml_core::{Result, Task, bail};

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Loss {
    /// Half the squared error.
    Rmse,
    /// The pinball loss of the quantile `alpha`; errors up to `delta` count as none. MAE is that of the median.
    Quantile { alpha: f64, delta: f64 },
    /// The logistic loss of two classes. Its scores are kept exponentiated, so that a step costs no exponential per row.
    Logloss,
    /// The cross entropy of the softmax of one score per class.
    MultiClass,
    /// The squared error summed over several targets.
    MultiRmse,
}

impl Loss {
    /// The loss of this name, or the default for the task.
    pub(super) fn named(name: Option<&str>, task: Task, n_targets: usize, n_classes: usize) -> Result<Self> {
        let Some(text) = name else {
            return Ok(match task {
                Task::Classification if n_classes == 2 => Self::Logloss,
                Task::Classification => Self::MultiClass,
                _ if n_targets > 1 => Self::MultiRmse,
                _ => Self::Rmse,
            });
        };
        let (name, given) = text.split_once(':').unwrap_or((text, ""));
        let (mut alpha, mut delta) = (0.5, 1e-6);
        for pair in given.split(';').filter(|pair| !pair.is_empty()) {
            let value = |least: f64, most: f64| {
                let number = pair.split_once('=').and_then(|(_, value)| value.parse().ok());
                number.filter(|x: &f64| (least..=most).contains(x))
            };
            let known = match pair.split('=').next() {
                Some("alpha") if name == "Quantile" => value(0.0, 1.0).map(|x| alpha = x),
                Some("delta") if name == "Quantile" => value(0.0, 0.01).map(|x| delta = x),
                _ => None,
            };
            if known.is_none() {
                bail!(
                    InvalidParameter,
                    "hyperparameter \"loss_function\" of catboost has \"{pair}\", which is no setting of {name}"
                );
            }
        }
        let (loss, wanted) = match name {
            "RMSE" => (Self::Rmse, Task::Regression),
            "MAE" | "Quantile" => (Self::Quantile { alpha, delta }, Task::Regression),
            "MultiRMSE" => (Self::MultiRmse, Task::Regression),
            "Logloss" => (Self::Logloss, Task::Classification),
            "MultiClass" => (Self::MultiClass, Task::Classification),
            _ => bail!(
                InvalidParameter,
                "hyperparameter \"loss_function\" of catboost is \"{text}\", but must be one of RMSE, MAE, Quantile, MultiRMSE, \
                 Logloss, MultiClass"
            ),
        };
        if task != wanted {
            bail!(InvalidParameter, "loss_function {name} of catboost is for {wanted}, not for {task}");
        }
        if loss == Self::Logloss && n_classes != 2 {
            bail!(InvalidParameter, "loss_function Logloss of catboost is for two classes, not for {n_classes}");
        }
        if n_targets > 1 && loss != Self::MultiRmse {
            bail!(
                InvalidParameter,
                "loss_function {name} of catboost is for one target, not for {n_targets}; use MultiRMSE"
            );
        }
        Ok(loss)
    }

    /// How many scores a row has.
    pub(super) fn dims(self, n_targets: usize, n_classes: usize) -> usize {
        match self {
            Self::MultiClass => n_classes,
            Self::MultiRmse => n_targets,
            _ => 1,
        }
    }

    /// Whether leaf values are quantiles, found exactly.
    pub(super) fn is_quantile(self) -> bool {
        matches!(self, Self::Quantile { .. })
    }

    /// Whether training starts from the best constant unless told otherwise.
    pub(super) fn starts_from_average(self) -> bool {
        !matches!(self, Self::Logloss | Self::MultiClass)
    }

    /// The best constant scores.
    pub(super) fn best_constant(self, targets: &[Vec<f32>], weight: Option<&[f32]>) -> Vec<f64> {
        let mean = |target: &Vec<f32>| {
            let weighed = |row: usize| weight.map_or(1.0, |w| f64::from(w[row]));
            let sum: f64 = target.iter().enumerate().map(|(row, y)| f64::from(*y) * weighed(row)).sum();
            // As CatBoost, which keeps it in single precision.
            f64::from((sum / (0..target.len()).map(weighed).sum::<f64>()) as f32)
        };
        match self {
            Self::Quantile { alpha, delta } => {
                let mut sample: Vec<(f32, f32)> =
                    targets[0].iter().enumerate().map(|(row, y)| (*y, weight.map_or(1.0, |w| w[row]))).collect();
                vec![quantile(&mut sample, alpha, delta)]
            }
            Self::Logloss => {
                let p = mean(&targets[0]).clamp(1e-12, 1.0 - 1e-12);
                vec![(p / (1.0 - p)).ln()]
            }
            Self::Rmse | Self::MultiRmse => targets.iter().map(mean).collect(),
            Self::MultiClass => Vec::new(),
        }
    }

    /// The negative first derivative by the one score `at`.
    pub(super) fn step(self, at: f64, target: f32) -> f64 {
        let target = f64::from(target);
        match self {
            Self::Logloss => target - at / (1.0 + at),
            Self::Quantile { alpha, delta } => {
                let error = target - at;
                match error {
                    _ if error.abs() < delta => 0.0,
                    _ if error > 0.0 => alpha,
                    _ => alpha - 1.0,
                }
            }
            _ => target - at,
        }
    }

    /// The mean loss of raw scores, `dims` per row, in the form that CatBoost reports; less is better.
    pub(super) fn value(self, scores: &[f64], targets: &[Vec<f32>], weight: Option<&[f32]>, dims: usize) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, at) in scores.chunks_exact(dims).enumerate() {
            let w = weight.map_or(1.0, |w| f64::from(w[row]));
            let y = f64::from(targets[0][row]);
            let loss = match self {
                Self::Logloss => at[0].max(0.0) + (-at[0].abs()).exp().ln_1p() - y * at[0],
                Self::Quantile { alpha, .. } => (y - at[0]) * if y > at[0] { alpha } else { alpha - 1.0 },
                Self::Rmse => (y - at[0]).powi(2),
                Self::MultiRmse => targets.iter().zip(at).map(|(y, at)| (f64::from(y[row]) - at).powi(2)).sum(),
                Self::MultiClass => {
                    let most = at.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
                    most + at.iter().map(|x| (x - most).exp()).sum::<f64>().ln() - at[y as usize]
                }
            };
            sum += w * loss;
            total += w;
        }
        match self {
            Self::Rmse | Self::MultiRmse => (sum / total).sqrt(),
            _ => sum / total,
        }
    }
}

/// Turns scores into probabilities that sum to 1.
pub(super) fn softmax(scores: &mut [f64]) {
    let most = scores.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    scores.iter_mut().for_each(|x| *x = (*x - most).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|x| *x /= sum);
}

/// The `alpha` quantile of `(value, weight)` pairs, moved by `delta` towards where errors are cheaper, in single
/// precision as CatBoost's. 0 for none.
pub(super) fn quantile(sample: &mut [(f32, f32)], alpha: f64, delta: f64) -> f64 {
    sample.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = sample.iter().map(|(_, w)| f64::from(*w)).sum();
    let Some((last, _)) = sample.last() else { return 0.0 };
    let need = alpha * total;
    let (mut sum, mut found) = (0.0, *last);
    for (value, weight) in sample.iter() {
        sum += f64::from(*weight);
        if sum >= need - f64::EPSILON {
            found = *value;
            break;
        }
    }
    let weigh = |keep: &dyn Fn(f32) -> bool| -> f64 {
        sample.iter().filter(|(value, _)| keep(*value)).map(|(_, w)| f64::from(*w)).sum()
    };
    let (less, equal) = (weigh(&|value| value < found), weigh(&|value| value == found));
    let moved = match delta {
        _ if delta <= 0.0 => f64::from(found),
        _ if less + equal * alpha >= need - f64::EPSILON => f64::from(found) - delta,
        _ => f64::from(found) + delta,
    };
    f64::from(moved as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_settings_are_understood_or_refused() {
        let regression = |name| Loss::named(Some(name), Task::Regression, 1, 0);
        assert_eq!(regression("Quantile:alpha=0.9"), Ok(Loss::Quantile { alpha: 0.9, delta: 1e-6 }));
        assert_eq!(Loss::named(None, Task::Classification, 1, 3), Ok(Loss::MultiClass));
        for bad in ["Quantile:alpha=2", "RMSE:alpha=0.5", "Huber", "Logloss"] {
            assert!(regression(bad).is_err(), "{bad}");
        }
        assert!(Loss::named(Some("RMSE"), Task::Regression, 2, 0).is_err());
    }

    #[test]
    fn a_quantile_is_moved_by_delta() {
        let mut sample = [(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)];
        assert_eq!(quantile(&mut sample, 0.5, 0.25), 1.75);
        assert_eq!(quantile(&mut [], 0.5, 0.25), 0.0);
    }
}
