//! Numbers for programs: the activations of each token, and how much sentences mean the same.

use pgml_core::text::{Comparison, EmbedArgs, Embedder, FeatureArgs, Question, SimilarityArgs, TextPipeline, Tokens};
use pgml_core::{Hyperparams, Result, Run};
use serde_json::{Map, Value, json};

use super::embedder::SentenceEmbedder;
use super::headed::{Aim, Headed};
use super::pipelines::Folder;
use super::reader::Reader;

const AIM: Aim = Aim { head: None, what: "give features" };

/// `feature-extraction`: the last layer's activations.
pub struct FeatureExtractor {
    model: Headed,
    reader: Reader,
}

/// `sentence-similarity`: the cosines of sentences' vectors (Reimers, Gurevych 2019).
pub struct Similarity(SentenceEmbedder);

impl FeatureExtractor {
    /// Reads the model.
    ///
    /// # Errors
    /// See [`load_pipeline`](super::load_pipeline).
    pub fn load(from: &Folder<'_>) -> Result<Self> {
        Ok(Self { model: from.headed(AIM)?, reader: Reader::load(from.folder)? })
    }
}

impl Similarity {
    /// Reads the model.
    ///
    /// # Errors
    /// See [`load_pipeline`](super::load_pipeline).
    pub fn load(from: &Folder<'_>) -> Result<Self> {
        SentenceEmbedder::load(from.folder, from.spec, from.run).map(Self)
    }
}

impl TextPipeline for FeatureExtractor {
    fn ask(&self, input: &str, args: &Map<String, Value>) -> Result<Question> {
        let args = FeatureArgs::from_json("transform", args)?;
        let tokens = match args.truncates() {
            true => self.reader.first(input, self.model.max_tokens())?,
            false => self.reader.limited(input, self.model.most_tokens())?,
        };
        let n_tokens = tokens.len();
        let answer = move |outputs: Vec<Vec<f32>>| {
            let features = outputs.first().map(Vec::as_slice).unwrap_or_default();
            let width = features.len().checked_div(n_tokens).unwrap_or(0).max(1);
            // A batch of one text, as transformers gives it.
            Ok(json!([features.chunks(width).collect::<Vec<_>>()]))
        };
        Ok(Question::new(vec![tokens], answer))
    }

    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        self.model.outputs(batch, run)
    }
}

impl TextPipeline for Similarity {
    fn ask(&self, input: &str, args: &Map<String, Value>) -> Result<Question> {
        let SimilarityArgs { prompt, prompt_name, .. } = SimilarityArgs::from_json("transform", args)?;
        let compared = Comparison::read(input)?;
        let texts: Vec<&str> =
            std::iter::once(&compared.source).chain(&compared.sentences).map(String::as_str).collect();
        let sequences = self.0.tokenize(&texts, &EmbedArgs { prompt, prompt_name, ..EmbedArgs::default() })?;
        let answer = |vectors: Vec<Vec<f32>>| Ok(Comparison::cosines(&vectors).into());
        Ok(Question::new(sequences, answer))
    }

    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        self.0.embed_tokens(batch, run)
    }
}
