//! An encoder with what a task needs on top of it: tokens in, numbers out.

use std::path::Path;

use pgml_core::text::{ModelSpec, Tokens};
use pgml_core::{Result, Run, bail};
use serde_json::Value;

use super::groups::groups;
use super::modules::max_seq_length;
use super::teams::team;
use super::tokenizer::TokenizerConfig;
use crate::checkpoint::Checkpoint;
use crate::device::{Placement, Share};
use crate::nn::{Hidden, Matrix, PackedBatch, Source};
use crate::transformers::{self, Head, HeadKind, HeadSource, TextEncoder};

/// The model of a task.
pub(super) struct Headed {
    encoder: Box<dyn TextEncoder>,
    /// `None` where the activations themselves are wanted.
    head: Option<Head>,
    /// Most tokens of a sequence.
    max_tokens: Option<usize>,
    placement: Placement,
    _share: Share,
}

/// What a model is to do.
#[derive(Clone, Copy)]
pub(super) struct Aim {
    /// The head that does it.
    pub head: Option<HeadKind>,
    /// In words.
    pub what: &'static str,
}

impl Headed {
    /// Reads the model in `folder`, whose configuration is `config`.
    pub(super) fn load(folder: &Path, config: &Value, spec: &ModelSpec, aim: Aim, run: &Run) -> Result<Self> {
        let placement = Placement::of(spec)?;
        placement.attempt(|| Self::load_on(folder, config, &placement, aim, run))
    }

    fn load_on(folder: &Path, config: &Value, placement: &Placement, aim: Aim, run: &Run) -> Result<Self> {
        // Dropped last, also if this fails.
        let share = placement.share();
        run.check()?;
        let (encoder, head) = load_checkpoint(folder, config, placement, aim)?;
        let tokens = TokenizerConfig::read(folder)?;
        let limits = [max_seq_length(folder)?, tokens.max_tokens(), encoder.max_tokens()];
        let max_tokens = limits.into_iter().flatten().min();
        Ok(Self { encoder, head, max_tokens, placement: placement.clone(), _share: share })
    }

    /// Most tokens of a sequence, where there is a limit: what the folder says, if not what the encoder can.
    pub(super) fn max_tokens(&self) -> Option<usize> {
        self.max_tokens
    }

    /// Most tokens of a sequence that the encoder can read, whatever the folder says.
    pub(super) fn most_tokens(&self) -> Option<usize> {
        self.encoder.max_tokens()
    }

    /// For each sequence its outputs before any activation: those of all its tokens, one after the other, where the head reads
    /// tokens.
    pub(super) fn outputs(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        self.each_group(batch, run, |packed| {
            let hidden = self.encoder.forward(packed)?;
            let Some(head) = &self.head else {
                return Ok(split(&hidden.into_matrix(packed.team())?, packed.sequences()));
            };
            let beside = head.beside().map(|beside| outputs_of(beside, hidden.clone(), packed)).transpose()?;
            let mut outputs = outputs_of(head, hidden, packed)?;
            outputs.iter_mut().zip(beside.into_iter().flatten()).for_each(|(all, more)| all.extend(more));
            Ok(outputs)
        })
    }

    /// The same of those tokens alone that `wanted` names by their places in a sequence.
    pub(super) fn outputs_at(
        &self,
        batch: &[&Tokens],
        wanted: impl Fn(u32) -> bool,
        run: &Run,
    ) -> Result<Vec<Vec<f32>>> {
        self.each_group(batch, run, |packed| {
            let Some(head) = &self.head else { bail!(Internal, "outputs of some tokens without a head") };
            let wanted_of = |rows: std::ops::Range<usize>| rows.filter(|row| wanted(packed.ids()[*row]));
            let rows: Vec<usize> = packed.sequences().flat_map(wanted_of).collect();
            let mut next = 0;
            let parts: Vec<_> = packed
                .sequences()
                .map(|rows| {
                    let start = next;
                    next += wanted_of(rows).count();
                    start..next
                })
                .collect();
            let outputs = head.forward_at(self.encoder.forward(packed)?, &rows, packed)?;
            Ok(split(&outputs, parts.into_iter()))
        })
    }

    fn each_group(
        &self,
        batch: &[&Tokens],
        run: &Run,
        compute: impl Fn(&PackedBatch) -> Result<Vec<Vec<f32>>>,
    ) -> Result<Vec<Vec<f32>>> {
        if let Some(i) = batch.iter().position(|tokens| tokens.is_empty()) {
            bail!(InvalidData, "text {i} of the batch has no tokens: the model's tokenizer adds none");
        }
        let team = team(run.threads());
        let mut outputs = Vec::with_capacity(batch.len());
        for group in groups(batch, |size| size.fits(&self.placement, run.threads())) {
            run.check()?;
            let packed = PackedBatch::new(group, &team);
            outputs.extend(self.placement.attempt(|| compute(&packed))?);
        }
        Ok(outputs)
    }
}

/// What a head gives for each sequence.
fn outputs_of(head: &Head, hidden: Hidden, batch: &PackedBatch) -> Result<Vec<Vec<f32>>> {
    let outputs = head.forward(hidden, batch)?;
    Ok(match head.reads_tokens() {
        true => split(&outputs, batch.sequences()),
        false => split(&outputs, (0..outputs.rows()).map(|row| row..row + 1)),
    })
}

/// The values of each range of rows.
fn split(outputs: &Matrix, parts: impl Iterator<Item = std::ops::Range<usize>>) -> Vec<Vec<f32>> {
    let width = outputs.width();
    parts.map(|rows| outputs.values()[rows.start * width..rows.end * width].to_vec()).collect()
}

fn load_checkpoint(
    folder: &Path,
    config: &Value,
    placement: &Placement,
    aim: Aim,
) -> Result<(Box<dyn TextEncoder>, Option<Head>)> {
    let architecture = transformers::body_of_config(config)?;
    let known = |kind| architecture.head.as_ref().and_then(|heads| heads.of(kind));
    let load_head = aim.head.map(known);
    if let Some(None) = load_head {
        bail!(NotSupported, "models of type {} cannot {} here", config["model_type"], aim.what);
    }
    let checkpoint = Checkpoint::open(folder)?;
    let root = Source { weights: checkpoint.weights(), placement };
    // LLaMA and its kin have their body under this name where they find answers.
    let names = [architecture.prefix, "transformer"];
    let model = Source { weights: root.weights.at_first_or_here(&names), placement };
    let encoder = (architecture.load)(config, &model)?;
    let source = HeadSource { root, model, width: encoder.width() };
    let head = load_head.flatten().map(|load| load(config, &source)).transpose()?;
    checkpoint.all_used(architecture.ignored)?;
    Ok((encoder, head))
}
