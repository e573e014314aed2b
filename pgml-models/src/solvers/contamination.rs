//! The parameter `contamination` of anomaly detectors, and what they answer.

use pgml_core::{Result, bail};
use serde_json::Value;

/// Where scores begin to tell anomalies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Contamination {
    /// At a value that the method knows.
    Auto,
    /// Where this share of the training rows is stranger.
    Share(f64),
}

impl Contamination {
    /// Reads `"auto"` or a share.
    ///
    /// # Errors
    /// [`InvalidParameter`](pgml_core::ErrorKind::InvalidParameter) for anything else.
    pub fn read(param: &Value) -> Result<Self> {
        match (param.as_str(), param.as_f64()) {
            (Some("auto"), _) => Ok(Self::Auto),
            (_, Some(share)) if share > 0.0 && share <= 0.5 => Ok(Self::Share(share)),
            _ => bail!(
                InvalidParameter,
                "hyperparameter \"contamination\" is {param}, but must be auto or a number greater than 0 and at most 0.5"
            ),
        }
    }

    /// The strangeness above which a row is an anomaly: `usual`, or what the share of `scores` demands.
    #[must_use]
    pub fn threshold(self, usual: f64, scores: Vec<f64>) -> f64 {
        match self {
            Self::Auto => usual,
            Self::Share(share) => percentile(scores, 1.0 - share),
        }
    }
}

/// The value below which `share` of `values` lies, between two of them by linear interpolation, as numpy has it.
#[must_use]
pub fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let place = share * (values.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(values.len() - 1);
    let (a, b, t) = (values[below], values[above], place - below as f64);
    // From the nearer end, so that both ends are met exactly.
    if t < 0.5 { a + (b - a) * t } else { b - (b - a) * (1.0 - t) }
}

/// Turns scores into labels: −1 for an anomaly, 1 for others.
pub fn label(scores: &mut [f64]) {
    scores.iter_mut().for_each(|score| *score = if *score > 0.0 { -1.0 } else { 1.0 });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn percentiles_lie_between_values() {
        let values = vec![3.0, 1.0, 2.0, 10.0];
        for (share, expected) in [(0.0, 1.0), (0.5, 2.5), (0.9, 7.9), (1.0, 10.0)] {
            assert!((percentile(values.clone(), share) - expected).abs() < 1e-14, "{share}");
        }
        assert_eq!(percentile(vec![4.0], 0.3), 4.0);
    }

    #[test]
    fn contamination_is_auto_or_a_share() {
        assert_eq!(Contamination::read(&json!(0.1)), Ok(Contamination::Share(0.1)));
        assert!([json!(0), json!(0.6), json!("much"), json!(null)].iter().all(|bad| Contamination::read(bad).is_err()));
    }
}
