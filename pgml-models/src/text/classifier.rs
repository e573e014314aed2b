//! Texts to labels: those of the model, or those of the caller (Yin, Hay, Roth 2019).

use std::sync::Arc;

use pgml_core::text::{ClassifyArgs, Question, ScoreFunction, TextPipeline, Tokens, ZeroShotArgs};
use pgml_core::{Error, ErrorKind, Hyperparams, Result, Run, bail};
use serde_json::{Map, Value};

use super::pipelines::Folder;
use super::sequence_classifier::SequenceClassifier;
use crate::transformers::n_labels;

/// A checkpoint for classifying sequences.
pub struct Classifier {
    classifier: SequenceClassifier,
    labels: Arc<Vec<String>>,
    /// What makes scores of outputs where the caller does not say it.
    function: ScoreFunction,
}

/// The same, asked whether a sentence follows from a text.
pub struct ZeroShotClassifier {
    classifier: SequenceClassifier,
    /// The outputs for "follows" and for its opposite.
    outputs: [usize; 2],
}

impl Classifier {
    /// Reads the model.
    ///
    /// # Errors
    /// See [`load_pipeline`](super::load_pipeline).
    pub fn load(from: &Folder<'_>) -> Result<Self> {
        let (labels, function) = (Arc::new(labels(&from.config)?), function(&from.config)?);
        Ok(Self { classifier: classifier(from)?, labels, function })
    }
}

impl ZeroShotClassifier {
    /// Reads the model.
    ///
    /// # Errors
    /// See [`load_pipeline`](super::load_pipeline).
    pub fn load(from: &Folder<'_>) -> Result<Self> {
        let outputs = entailment(&labels(&from.config)?)?;
        Ok(Self { classifier: classifier(from)?, outputs })
    }
}

fn classifier(from: &Folder<'_>) -> Result<SequenceClassifier> {
    SequenceClassifier::load(from.folder, &from.config, from.spec, "classify texts", from.run)
}

/// The names of the outputs, in their order.
pub(super) fn labels(config: &Value) -> Result<Vec<String>> {
    let names = config.get("id2label").and_then(Value::as_object);
    let name = |i: usize| names.and_then(|names| names.get(&i.to_string())).and_then(Value::as_str);
    Ok((0..n_labels(config)?).map(|i| name(i).map_or_else(|| format!("LABEL_{i}"), str::to_owned)).collect())
}

/// What transformers' pipeline would use.
fn function(config: &Value) -> Result<ScoreFunction> {
    let problem = config.get("problem_type").and_then(Value::as_str);
    let several = problem == Some("multi_label_classification");
    let named = config.get("function_to_apply").and_then(Value::as_str).and_then(ScoreFunction::named);
    Ok(match (named, problem) {
        (_, Some("regression")) => ScoreFunction::Identity,
        _ if several || n_labels(config)? == 1 => ScoreFunction::Sigmoid,
        (_, Some("single_label_classification")) => ScoreFunction::Softmax,
        (Some(named), _) => named,
        (None, _) => ScoreFunction::Softmax,
    })
}

/// The outputs that say that a hypothesis follows, and that it does not: the first or the last where none is so called, as in
/// transformers.
fn entailment(labels: &[String]) -> Result<[usize; 2]> {
    let Some(follows) = labels.iter().position(|label| label.to_lowercase().starts_with("entail")) else {
        return Err(Error::new(
            ErrorKind::NotSupported,
            format!("none of the model's labels is called entailment: {}", labels.join(", ")),
        )
        .with_hint("zero-shot-classification takes a model that was trained for natural language inference"));
    };
    if labels.len() < 2 {
        bail!(
            NotSupported,
            "the model has one label; zero-shot-classification takes one with entailment and contradiction"
        );
    }
    Ok([follows, if follows == 0 { labels.len() - 1 } else { 0 }])
}

impl TextPipeline for Classifier {
    fn ask(&self, input: &str, args: &Map<String, Value>) -> Result<Question> {
        let args = ClassifyArgs::from_json("transform", args)?;
        let (labels, function) = (Arc::clone(&self.labels), self.function);
        let answer = move |outputs: Vec<Vec<f32>>| match outputs.as_slice() {
            [outputs] if outputs.len() == labels.len() => args.answer(&labels, outputs, function),
            _ => Err(Error::new(ErrorKind::Internal, "a classifier gave other than a number per label")),
        };
        Ok(Question::new(vec![self.classifier.text(input)?], answer))
    }

    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        self.classifier.outputs(batch, run)
    }
}

impl TextPipeline for ZeroShotClassifier {
    fn ask(&self, input: &str, args: &Map<String, Value>) -> Result<Question> {
        let args = ZeroShotArgs::from_json("transform", args)?;
        let (labels, of_outputs, input) = (args.labels()?, self.outputs, input.to_owned());
        let hypotheses = args.hypotheses(&labels)?;
        let sequences =
            hypotheses.iter().map(|hypothesis| self.classifier.pair(&input, hypothesis)).collect::<Result<_>>()?;
        let answer = move |outputs: Vec<Vec<f32>>| Ok(args.answer(&input, &labels, &outputs, of_outputs));
        Ok(Question::new(sequences, answer))
    }

    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        self.classifier.outputs(batch, run)
    }
}
