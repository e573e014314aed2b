//! Whether a newly trained model takes the place of the deployed one.

use serde_json::Value;

use crate::Task;
use crate::run::Level;

/// What becomes of a newly trained model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is deployed.
    Deploy,
    /// The deployed model stays.
    Keep,
}

/// A [`Decision`] and what the user is told about it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of the new model.
    pub decision: Decision,
    /// What the user is told. `Deploying model id: …` is left to the caller, who knows the id.
    pub messages: Vec<(Level, String)>,
}

/// Decides whether a new model with metrics `new` is deployed.
///
/// `deployed` holds the metrics of the model that the project has deployed, `None` when it has none; `automatic` is the
/// argument `automatic_deploy`, NULL counting as true. Ties deploy; only a strictly better deployed model stays.
#[must_use]
pub fn decide(task: Task, new: &Value, deployed: Option<&Value>, automatic: bool) -> Verdict {
    if !automatic {
        return keep(vec![warning("Automatic deployment disabled via configuration.")]);
    }
    let Some(deployed) = deployed else { return deploy(Vec::new()) };
    if !deployed.is_object() && !deployed.is_null() {
        return keep(vec![warning(
            "Failed to parse deployed model metrics. Check data types of model metadata on pgml.models.metrics",
        )]);
    }
    let Some((metric, higher_is_better)) = task.target_metric() else {
        return deploy(vec![warning("No metrics available for both deployed and new model. Deploying new model.")]);
    };
    match (number(new, metric), number(deployed, metric)) {
        (None, None) => {
            deploy(vec![warning("No metrics available for both deployed and new model. Deploying new model.")])
        }
        (Some(_), None) => deploy(vec![warning("No metrics for deployed model. Deploying new model.")]),
        (None, Some(_)) => keep(vec![warning("No metrics for new model. Retaining old model.")]),
        (Some(new), Some(old)) => {
            let comparing = (Level::Info, format!("Comparing to deployed model {metric}: Some({old})"));
            if is_better(old, new, higher_is_better) {
                let text = format!("New model's {metric} is not better than current model. New: {new}, Current {old}");
                keep(vec![comparing, (Level::Warning, text)])
            } else {
                deploy(vec![comparing])
            }
        }
    }
}

fn number(metrics: &Value, name: &str) -> Option<f64> {
    metrics.get(name).and_then(Value::as_f64).filter(|x| !x.is_nan())
}

fn is_better(a: f64, b: f64, higher_is_better: bool) -> bool {
    if higher_is_better { a > b } else { a < b }
}

fn warning(text: &str) -> (Level, String) {
    (Level::Warning, text.to_owned())
}

fn deploy(messages: Vec<(Level, String)>) -> Verdict {
    Verdict { decision: Decision::Deploy, messages }
}

fn keep(mut messages: Vec<(Level, String)>) -> Verdict {
    messages.push(warning("Not deploying newly trained model."));
    Verdict { decision: Decision::Keep, messages }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_deployed_unless_the_deployed_one_is_strictly_better() {
        use Decision::{Deploy, Keep};
        for (new, deployed, automatic, decision, said) in [
            (json!({"r2": 0.1}), None, true, Deploy, ""),
            (json!({"r2": 0.1}), None, false, Keep, "Automatic deployment disabled"),
            (json!({"r2": 0.5}), Some(json!({"r2": 0.5})), true, Deploy, "Comparing to deployed model r2: Some(0.5)"),
            (
                json!({"r2": 0.4}),
                Some(json!({"r2": 0.5})),
                true,
                Keep,
                "r2 is not better than current model. New: 0.4, Current 0.5",
            ),
            (json!({"r2": null}), Some(json!({"r2": 0.5})), true, Keep, "No metrics for new model"),
            (json!({"r2": 0.4}), Some(json!({"r2": null})), true, Deploy, "No metrics for deployed model"),
            (json!({"r2": 0.4}), Some(json!(null)), true, Deploy, "No metrics for deployed model"),
            (json!({}), Some(json!({})), true, Deploy, "No metrics available for both"),
            (json!({"r2": 0.4}), Some(json!([1])), true, Keep, "Failed to parse"),
        ] {
            let verdict = decide(Task::Regression, &new, deployed.as_ref(), automatic);
            assert_eq!(verdict.decision, decision, "{new} against {deployed:?}");
            let texts: String = verdict.messages.iter().map(|(_, text)| format!("{text}\n")).collect();
            assert!(texts.contains(said), "{texts}");
            assert_eq!(texts.contains("Not deploying newly trained model."), decision == Keep);
        }
    }

    #[test]
    fn a_lower_perplexity_is_better() {
        let (low, high) = (json!({"perplexity": 9.8}), json!({"perplexity": 10.2}));
        assert_eq!(decide(Task::TextGeneration, &low, Some(&high), true).decision, Decision::Deploy);
        assert_eq!(decide(Task::TextGeneration, &high, Some(&low), true).decision, Decision::Keep);
    }
}
