//! Contracts of models that read text. They hold no tensors: text goes in, plain numbers come out.
//!
//! Whoever serves several callers tokenises each text once, puts the tokens of several callers into one batch, and
//! finishes each result for its own caller; a program with one caller takes the one-call forms.

mod allowed;
mod answering;
mod batch;
mod classify;
mod embed;
mod features;
mod filling;
mod generate;
mod generator;
mod pipeline;
mod purpose;
mod rank;
mod spec;
mod tables;
mod tagging;
mod transform;

pub use allowed::check_allowed;
pub use answering::{AnswerArgs, ContextQuestion, ContextToken};
pub use batch::{Batches, in_batches};
pub use classify::{ClassifyArgs, ScoreFunction, ZeroShotArgs};
pub use embed::{EmbedArgs, Embedder, normalize};
use features::truncates;
pub use features::{Comparison, FeatureArgs, SimilarityArgs};
pub use filling::FillArgs;
pub use generate::GenerateArgs;
pub use generator::{Event, Finish, Generated, GenerationBatch, Prepared, Prompt, TextGenerator, generate};
pub use pipeline::{Answer, Question, TextPipeline};
pub use purpose::Purpose;
pub use rank::{RankArgs, Ranked, Reranker, rank_order};
pub use spec::ModelSpec;
pub use tables::{TableArgs, TableQuestion};
pub use tagging::{JoinTokens, TagArgs, TextToken};
pub use transform::{TextTask, TransformModel};

/// One text (or pair of texts) as its model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    /// The vocabulary's ids, special tokens included, at most as many as the model can read.
    pub ids: Vec<u32>,
    /// Which part of a pair each token belongs to; all 0 for a single text.
    pub type_ids: Vec<u32>,
    /// Leading tokens that belong to a prompt which pooling leaves out.
    pub prompt: usize,
    /// Of a question with its table, what each token is; empty for other texts.
    pub cells: Vec<TableToken>,
}

/// What a token is in a table, as numbers that a model has vectors for; all 0 for a token of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableToken {
    /// Its column, from 1.
    pub column: u32,
    /// Its row, from 1; 0 in the header.
    pub row: u32,
    /// Whether its cell answered the question before, as 1 or 0.
    pub answered: u32,
    /// The rank of its cell's number or date among those of the column, the lowest 1; 0 without one.
    pub rank: u32,
    /// The same with the highest 1.
    pub rank_from_end: u32,
    /// How numbers of the question compare with the cell's: 1 for equal, 2 for less, 4 for greater, summed.
    pub relation: u32,
}

impl Tokens {
    /// How many tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
