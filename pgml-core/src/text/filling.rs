//! The arguments of filling gaps, and the words that fill them.

use serde_json::Value;

use super::ScoreFunction;
use crate::{Error, ErrorKind, Result, hyperparams};

hyperparams! {
    /// What a caller of `fill-mask` may ask for: the names of transformers.
    pub struct FillArgs called "argument" {
        /// How many words to return for each mask, best first.
        top_k: u32 = 5, range: at_least(1.0), aliases: ["topk"];
        /// The words to choose among: a text or a list. Of one that is not in the vocabulary the first token counts.
        targets: Value = Value::Null;
        /// Of these, "truncation": true cuts texts where the model reads no further; else they are refused.
        tokenizer_kwargs: Value = Value::Null;
        /// Accepted for compatibility: batches are made of the texts of all sessions.
        batch_size: u32 = 1, no_effect: true;
    }
}

impl FillArgs {
    /// The words to choose among, where the caller names some.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for something else than texts.
    pub fn targets(&self) -> Result<Option<Vec<&str>>> {
        let targets = match &self.targets {
            Value::Null => return Ok(None),
            Value::String(target) => Some(vec![target.as_str()]),
            Value::Array(targets) => targets.iter().map(Value::as_str).collect(),
            _ => None,
        };
        targets.filter(|targets| !targets.is_empty()).map(Some).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidParameter,
                format!("targets is {}, but must be a text or a list", self.targets),
            )
        })
    }

    /// Whether texts are cut where the model reads no further.
    #[must_use]
    pub fn truncates(&self) -> bool {
        super::truncates(self.tokenizer_kwargs.get("truncation"))
    }

    /// The best words for one mask and their probabilities: of a score for each word of the vocabulary, among `targets` if
    /// there are any.
    #[must_use]
    pub fn best(&self, scores: &[f32], targets: Option<&[u32]>) -> Vec<(u32, f64)> {
        let probabilities = ScoreFunction::Softmax.of(scores);
        let mut words: Vec<(u32, f64)> = match targets {
            Some(targets) => targets.iter().filter_map(|id| Some((*id, *probabilities.get(*id as usize)?))).collect(),
            None => (0..).zip(probabilities).collect(),
        };
        let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0));
        let wanted = self.top_k as usize;
        if wanted < words.len() {
            words.select_nth_unstable_by(wanted, order);
            words.truncate(wanted);
        }
        words.sort_by(order);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hyperparams;
    use serde_json::json;

    fn args(json: Value) -> FillArgs {
        FillArgs::from_json("transform", json.as_object().expect("an object")).expect("valid")
    }

    #[test]
    fn the_best_words_come_first_and_targets_keep_their_share_of_all() {
        let scores = [0.0, 2.0, 1.0];
        let ids = |words: Vec<(u32, f64)>| words.into_iter().map(|(id, _)| id).collect::<Vec<u32>>();
        assert_eq!(ids(args(json!({"top_k": 2})).best(&scores, None)), [1, 2]);
        let target = args(json!({})).best(&scores, Some(&[0]));
        assert!((target[0].1 - 0.090_030_573).abs() < 1e-8);
    }

    #[test]
    fn targets_are_texts() {
        assert_eq!(args(json!({"targets": "a"})).targets().expect("one"), Some(vec!["a"]));
        assert_eq!(args(json!({})).targets().expect("none"), None);
        assert!(args(json!({"targets": [1]})).targets().is_err());
        assert!(args(json!({"tokenizer_kwargs": {"truncation": true}})).truncates());
    }
}
