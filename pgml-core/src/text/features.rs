//! The arguments of what gives numbers: `feature-extraction` and `sentence-similarity`.

use serde_json::{Map, Value, json};

use crate::{Error, ErrorKind, Result, hyperparams};

hyperparams! {
    /// What a caller of `feature-extraction` may ask for: the names of transformers.
    pub struct FeatureArgs called "argument" {
        /// Whether texts are cut where the model reads no further; else they are refused.
        truncation: Value = Value::Null;
        /// Another place for "truncation".
        tokenize_kwargs: Value = Value::Null, aliases: ["tokenizer_kwargs"];
        /// Accepted for compatibility: features are always a list.
        return_tensors: bool = false, no_effect: true;
        /// Accepted for compatibility: batches are made of the texts of all sessions.
        batch_size: u32 = 1, no_effect: true;
    }
}

hyperparams! {
    /// What a caller of `sentence-similarity` may ask for.
    pub struct SimilarityArgs called "argument" {
        /// Text put in front of every sentence.
        prompt: Option<String> = None;
        /// Name of one of the model's own prompts.
        prompt_name: Option<String> = None;
        /// Accepted for compatibility: batches are made of the texts of all sessions.
        batch_size: u32 = 1, no_effect: true;
    }
}

/// A sentence, and those to compare it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The sentence.
    pub source: String,
    /// The others.
    pub sentences: Vec<String>,
}

impl FeatureArgs {
    /// Whether texts are cut where the model reads no further.
    #[must_use]
    pub fn truncates(&self) -> bool {
        truncates(Some(&self.truncation)) || truncates(self.tokenize_kwargs.get("truncation"))
    }
}

/// Whether a `truncation` asks for it: `true`, or the name of a strategy.
pub(super) fn truncates(truncation: Option<&Value>) -> bool {
    match truncation {
        Some(Value::String(strategy)) => strategy != "do_not_truncate",
        Some(given) => *given == json!(true),
        None => false,
    }
}

impl Comparison {
    /// Reads an input of the task: a JSON object with `source_sentence` and `sentences`, as the hub's own service takes it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], showing what is expected.
    pub fn read(input: &str) -> Result<Self> {
        let object: Option<Map<String, Value>> = serde_json::from_str(input).ok();
        let read = object.and_then(|object| {
            let source = object.get("source_sentence")?.as_str()?.to_owned();
            let sentences = object.get("sentences")?.as_array()?.iter().map(|one| one.as_str().map(str::to_owned));
            Some(Self { source, sentences: sentences.collect::<Option<_>>()? })
        });
        read.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidParameter,
                "an input of sentence-similarity has no source_sentence and sentences",
            )
            .with_hint("inputs => ARRAY['{\"source_sentence\": \"A river\", \"sentences\": [\"A lake\", \"A lamp\"]}']")
        })
    }

    /// The cosine of the source's vector, the first, with that of each sentence.
    #[must_use]
    pub fn cosines(vectors: &[Vec<f32>]) -> Vec<f64> {
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let length = |a: &[f32]| product(a, a).sqrt().max(1e-12);
        let Some((source, others)) = vectors.split_first() else { return Vec::new() };
        others.iter().map(|other| product(source, other) / (length(source) * length(other))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_compared_with_each_of_the_others() {
        let read = Comparison::read(r#"{"source_sentence": "a", "sentences": ["b", "c"]}"#).expect("valid");
        assert_eq!((read.source.as_str(), read.sentences.len()), ("a", 2));
        let cosines = Comparison::cosines(&[vec![1.0, 0.0], vec![2.0, 0.0], vec![0.0, 3.0], vec![0.0, 0.0]]);
        assert_eq!(cosines, [1.0, 0.0, 0.0]);
        assert!(Comparison::read(r#"{"source_sentence": "a", "sentences": "b"}"#).is_err());
    }

    #[test]
    fn truncation_is_a_switch_or_a_strategy() {
        for (truncation, cuts) in
            [(json!(true), true), (json!("longest_first"), true), (json!("do_not_truncate"), false)]
        {
            assert_eq!(truncates(Some(&truncation)), cuts, "{truncation}");
        }
    }
}
