//! Sentence embeddings (Reimers, Gurevych 2019): a transformer, pooling, and what comes after it.

use std::path::Path;
use std::sync::Arc;

use pgml_core::error::unknown_name;
use pgml_core::text::{EmbedArgs, Embedder, ModelSpec, Tokens, normalize};
use pgml_core::{ErrorKind, Result, Run, bail};
use serde_json::Value;

use super::groups::groups;
use super::modules::{Modules, Step};
use super::read_json;
use super::teams::team;
use super::tokenizer::{Tokenizer, TokenizerConfig};
use crate::checkpoint::Checkpoint;
use crate::device::{Placement, Share};
use crate::kernels::Team;
use crate::nn::{Hidden, Linear, Matrix, PackedBatch, Source};
use crate::transformers::{self, TextEncoder};

/// A model laid out as sentence-transformers does, or a plain checkpoint of an encoder.
pub struct SentenceEmbedder {
    tokenizer: Tokenizer,
    encoder: Box<dyn TextEncoder>,
    modules: Modules,
    dimensions: usize,
    placement: Placement,
    _share: Share,
}

impl SentenceEmbedder {
    /// Reads the model in `folder`.
    ///
    /// # Errors
    /// See [`load_embedder`](super::load_embedder).
    pub fn load(folder: &Path, spec: &ModelSpec, run: &Run) -> Result<Self> {
        let placement = Placement::of(spec)?;
        placement.attempt(|| Self::load_on(folder, &placement, run))
    }

    fn load_on(folder: &Path, placement: &Placement, run: &Run) -> Result<Self> {
        // Dropped last, also if this fails.
        let share = placement.share();
        let modules = Modules::read(folder, placement)?;
        let config: Value = read_json(&modules.transformer.join("config.json"))?;
        run.check()?;
        let encoder = load_encoder(&modules.transformer, &config, placement)?;
        // A limit that the folder names stands above the tokenizer's own.
        let own = TokenizerConfig::read(&modules.transformer)?.max_tokens();
        let max_tokens = modules.max_seq_length.or(own).into_iter().chain(encoder.max_tokens()).min();
        let tokenizer = Tokenizer::load(&modules.transformer, max_tokens.unwrap_or(usize::MAX))?;
        let dimensions = dimensions(&modules.steps, encoder.width());
        Ok(Self { tokenizer, encoder, modules, dimensions, placement: placement.clone(), _share: share })
    }

    /// The text that the arguments, or the model by default, put in front of inputs.
    fn prompt<'a>(&'a self, args: &'a EmbedArgs) -> Result<&'a str> {
        let name = match (&args.prompt, args.prompt_name.as_ref().or(self.modules.default_prompt_name.as_ref())) {
            (Some(_), _) if args.prompt_name.is_some() => {
                bail!(InvalidParameter, "prompt and prompt_name exclude each other")
            }
            (Some(prompt), _) => return Ok(prompt),
            (None, Some(name)) => name,
            (None, None) => return Ok(""),
        };
        self.modules.prompts.get(name).map(String::as_str).ok_or_else(|| {
            let known = self.modules.prompts.keys().map(String::as_str);
            unknown_name(ErrorKind::InvalidParameter, "prompt of this model", name, known)
        })
    }

    fn embed_group(&self, packed: &PackedBatch) -> Result<Vec<Vec<f32>>> {
        if packed.n_tokens() == 0 {
            return Ok(vec![vec![0.0; self.dimensions]; packed.n_sequences()]);
        }
        self.placement.attempt(|| self.finish_steps(self.encoder.forward(packed)?, packed))
    }

    fn finish_steps(&self, hidden: Hidden, batch: &PackedBatch) -> Result<Vec<Vec<f32>>> {
        let hidden = hidden.into_matrix(batch.team())?;
        let mut vectors: Vec<Vec<f32>> = Vec::new();
        for step in &self.modules.steps {
            match step {
                Step::Pooling { poolings, with_prompt } => {
                    let pooled = poolings.iter().map(|pooling| pooling.pool(&hidden, batch, !with_prompt));
                    vectors = side_by_side(pooled, batch.n_sequences());
                }
                Step::Dense { layer, .. } => vectors = self.dense(layer, vectors, batch.team())?,
                Step::Normalize => vectors.iter_mut().for_each(|vector| normalize(vector)),
            }
        }
        Ok(vectors)
    }

    fn dense(&self, layer: &Linear, vectors: Vec<Vec<f32>>, team: &Arc<Team>) -> Result<Vec<Vec<f32>>> {
        let width = vectors.first().map_or(0, Vec::len);
        let input = self.placement.place(Matrix::new(vectors.concat(), width, team));
        let output = layer.forward(&input).into_matrix(team)?;
        Ok((0..output.rows()).map(|i| output.row(i).to_vec()).collect())
    }
}

impl Embedder for SentenceEmbedder {
    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn tokenize(&self, texts: &[&str], args: &EmbedArgs) -> Result<Vec<Tokens>> {
        let prompt = self.prompt(args)?;
        if prompt.is_empty() {
            return texts.iter().map(|text| self.tokenizer.text(text)).collect();
        }
        let length = self.tokenizer.prompt_length(prompt)?;
        let tokens = |text: &&str| self.tokenizer.text(&format!("{prompt}{text}"));
        texts.iter().map(tokens).map(|tokens| Ok(Tokens { prompt: length, ..tokens? })).collect()
    }

    fn embed_tokens(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        let team = team(run.threads());
        let mut vectors = Vec::with_capacity(batch.len());
        for group in groups(batch, |size| size.fits(&self.placement, run.threads())) {
            run.check()?;
            vectors.extend(self.embed_group(&PackedBatch::new(group, &team))?);
        }
        Ok(vectors)
    }
}

/// Reads the encoder of a checkpoint, wherever a head has put it.
fn load_encoder(folder: &Path, config: &Value, placement: &Placement) -> Result<Box<dyn TextEncoder>> {
    let architecture = transformers::of_config(config)?;
    let checkpoint = Checkpoint::open(folder)?;
    let source = Source { weights: checkpoint.weights().at_or_here(architecture.prefix), placement };
    let encoder = (architecture.load)(config, &source)?;
    checkpoint.all_used(architecture.ignored)?;
    Ok(encoder)
}

/// Numbers in a vector after all steps.
fn dimensions(steps: &[Step], width: usize) -> usize {
    steps.iter().fold(width, |n, step| match step {
        Step::Pooling { poolings, .. } => n * poolings.len(),
        Step::Dense { outputs, .. } => *outputs,
        Step::Normalize => n,
    })
}

fn side_by_side(pooled: impl Iterator<Item = Vec<Vec<f32>>>, n: usize) -> Vec<Vec<f32>> {
    pooled.fold(vec![Vec::new(); n], |mut vectors, part| {
        vectors.iter_mut().zip(part).for_each(|(vector, part)| vector.extend(part));
        vectors
    })
}
