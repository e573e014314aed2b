//! The arguments of classifications, and what they make of a model's scores.

use serde_json::{Value, json};

use crate::{Error, ErrorKind, Result, hyperparams};

hyperparams! {
    /// What a caller of `text-classification` may ask for: the names of transformers.
    pub struct ClassifyArgs called "argument" {
        /// How many labels to return, best first, as a list; the best alone, not in a list, by default.
        top_k: Value = Value::Null;
        /// Whether all labels are returned, as a list.
        return_all_scores: bool = false;
        /// What makes scores of the model's outputs; its own choice when null.
        function_to_apply: Option<String> = None, choices: ["sigmoid", "softmax", "none"];
        /// Accepted for compatibility: texts are cut where the model reads no further.
        truncation: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: texts are not padded.
        padding: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: batches are made of the texts of all sessions.
        batch_size: u32 = 1, no_effect: true;
    }
}

hyperparams! {
    /// What a caller of `zero-shot-classification` may ask for: the names of transformers.
    pub struct ZeroShotArgs called "argument" {
        /// The labels to choose among: a list, or a text with commas between them.
        candidate_labels: Value = Value::Null;
        /// Whether several labels may hold: each is then judged by itself.
        multi_label: bool = false, aliases: ["multi_class"];
        /// A sentence with {} in the place of the label, of which the model judges whether it follows from the text.
        hypothesis_template: String = "This example is {}.".to_owned();
        /// Accepted for compatibility: texts are cut where the model reads no further.
        truncation: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: batches are made of the texts of all sessions.
        batch_size: u32 = 1, no_effect: true;
    }
}

/// What makes scores of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreFunction {
    /// Each by itself.
    Sigmoid,
    /// All together, so that they sum to 1.
    Softmax,
    /// As they are.
    Identity,
}

impl ScoreFunction {
    /// The function of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "sigmoid" => Some(Self::Sigmoid),
            "softmax" => Some(Self::Softmax),
            "none" => Some(Self::Identity),
            _ => None,
        }
    }

    /// The scores.
    #[must_use]
    pub fn of(self, outputs: &[f32]) -> Vec<f64> {
        let outputs = outputs.iter().map(|x| f64::from(*x));
        match self {
            Self::Identity => outputs.collect(),
            Self::Sigmoid => outputs.map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
            Self::Softmax => {
                let largest = outputs.clone().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = outputs.map(|x| (x - largest).exp()).collect();
                let sum: f64 = powers.iter().sum();
                powers.into_iter().map(|power| power / sum).collect()
            }
        }
    }
}

impl ClassifyArgs {
    /// The answer to one input: its best label, or a list of them.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when `top_k` is no number above 0.
    pub fn answer(&self, labels: &[String], outputs: &[f32], own: ScoreFunction) -> Result<Value> {
        let function = self.function_to_apply.as_deref().and_then(ScoreFunction::named).unwrap_or(own);
        let mut ranked: Vec<(usize, f64)> = function.of(outputs).into_iter().enumerate().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let row = |(label, score): &(usize, f64)| json!({"label": labels[*label], "score": score});
        let rows = |n: usize| ranked.iter().take(n).map(row).collect::<Vec<_>>();
        Ok(match &self.top_k {
            Value::Null if self.return_all_scores => rows(usize::MAX).into(),
            Value::Null => rows(1).pop().unwrap_or_default(),
            top_k => match top_k.as_u64() {
                Some(n) if n > 0 => rows(usize::try_from(n).unwrap_or(usize::MAX)).into(),
                _ => {
                    let message = format!("top_k is {top_k}, but must be a number from 1 on");
                    return Err(Error::new(ErrorKind::InvalidParameter, message));
                }
            },
        })
    }
}

impl ZeroShotArgs {
    /// The labels to choose among.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when there are none.
    pub fn labels(&self) -> Result<Vec<String>> {
        let labels: Option<Vec<String>> = match &self.candidate_labels {
            Value::String(text) => Some(text.split(',').map(|label| label.trim().to_owned()).collect()),
            Value::Array(list) => list.iter().map(|label| label.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        labels.filter(|labels| !labels.is_empty() && labels.iter().all(|label| !label.is_empty())).ok_or_else(|| {
            Error::new(ErrorKind::InvalidParameter, "candidate_labels must be a list of labels")
                .with_hint("for instance args => '{\"candidate_labels\": [\"urgent\", \"not urgent\"]}'")
        })
    }

    /// What the model judges for each label.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for a template without a place for the label.
    pub fn hypotheses(&self, labels: &[String]) -> Result<Vec<String>> {
        if !self.hypothesis_template.contains("{}") {
            let message = format!("hypothesis_template \"{}\" has no {{}} for the label", self.hypothesis_template);
            return Err(Error::new(ErrorKind::InvalidParameter, message));
        }
        Ok(labels.iter().map(|label| self.hypothesis_template.replace("{}", label)).collect())
    }

    /// The answer to one input, of the outputs for each label's hypothesis. `entailment` is the output that says that a
    /// hypothesis follows, `contradiction` the one that says the opposite.
    #[must_use]
    pub fn answer(
        &self,
        input: &str,
        labels: &[String],
        outputs: &[Vec<f32>],
        [entailment, contradiction]: [usize; 2],
    ) -> Value {
        let scores: Vec<f64> = if self.multi_label || labels.len() == 1 {
            let pair = |row: &Vec<f32>| ScoreFunction::Softmax.of(&[row[contradiction], row[entailment]])[1];
            outputs.iter().map(pair).collect()
        } else {
            ScoreFunction::Softmax.of(&outputs.iter().map(|row| row[entailment]).collect::<Vec<f32>>())
        };
        let mut ranked: Vec<(&String, f64)> = labels.iter().zip(scores).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (labels, scores): (Vec<&String>, Vec<f64>) = ranked.into_iter().unzip();
        json!({"sequence": input, "labels": labels, "scores": scores})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hyperparams;

    fn labels() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    #[test]
    fn the_best_label_comes_alone_and_several_in_a_list() {
        let args =
            |json: Value| ClassifyArgs::from_json("transform", json.as_object().expect("an object")).expect("valid");
        let outputs = [0.0, 2.0, 1.0];
        let answer = |json| args(json).answer(&labels(), &outputs, ScoreFunction::Softmax).expect("works");
        let best = answer(json!({}));
        assert_eq!(best["label"], "b");
        assert!((best["score"].as_f64().expect("a number") - 0.665_240_955).abs() < 1e-8);
        let two = answer(json!({"top_k": 2, "function_to_apply": "none"}));
        assert_eq!(two, json!([{"label": "b", "score": 2.0}, {"label": "c", "score": 1.0}]));
        assert_eq!(answer(json!({"return_all_scores": true})).as_array().map(Vec::len), Some(3));
        let refused = args(json!({"top_k": 0})).answer(&labels(), &outputs, ScoreFunction::Softmax);
        assert_eq!(refused.expect_err("none").kind(), ErrorKind::InvalidParameter);
    }

    #[test]
    fn labels_compete_or_are_judged_one_by_one() {
        let args =
            |json: Value| ZeroShotArgs::from_json("transform", json.as_object().expect("an object")).expect("valid");
        let outputs = [vec![1.0, 0.0, 3.0], vec![0.0, 0.0, 1.0]];
        let labels = vec!["x".to_owned(), "y".to_owned()];
        let one = args(json!({})).answer("t", &labels, &outputs, [2, 0]);
        assert_eq!(one["labels"], json!(["x", "y"]));
        assert!((one["scores"][0].as_f64().expect("a number") - 1.0 / (1.0 + (-2.0_f64).exp())).abs() < 1e-12);
        let each = args(json!({"multi_label": true})).answer("t", &labels, &outputs, [2, 0]);
        assert!((each["scores"][1].as_f64().expect("a number") - 1.0 / (1.0 + (-1.0_f64).exp())).abs() < 1e-12);
        assert_eq!(args(json!({"candidate_labels": "p, q"})).labels().expect("two"), ["p", "q"]);
        assert!(args(json!({})).labels().is_err());
        assert!(args(json!({"hypothesis_template": "no place"})).hypotheses(&labels).is_err());
    }
}
