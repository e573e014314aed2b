//! What the inference program answers.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::run::Level;
use crate::text::ModelSpec;

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The next vectors, in the order of the texts.
    Vectors {
        /// Numbers in each vector.
        dimensions: u32,
        /// The vectors, one after the other.
        values: Vec<f32>,
    },
    /// The next scores, in the order of the documents.
    Scores(Vec<f64>),
    /// The next part of a JSON text, or of a stream the next row.
    Json(String),
    /// What is loaded.
    Models(Vec<LoadedModel>),
    /// Where the files of a model are.
    Folder {
        /// Their folder.
        folder: String,
        /// Those that the model needs, by their paths in it.
        files: Vec<String>,
    },
    /// How far long work has come.
    Progress {
        /// The phase's name.
        phase: String,
        /// Units done; bytes while a model is downloaded.
        done: u64,
        /// Units in all, 0 when unknown.
        total: u64,
    },
    /// Something the user should know.
    Message {
        /// How loud it is.
        level: Level,
        /// The message.
        text: String,
    },
    /// The request failed; nothing follows.
    Error(Error),
    /// The request is done; nothing follows. The count says what the request asked about: models loaded or dropped.
    Done(u64),
}

/// A model in the memory of the inference program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadedModel {
    /// The form of the model, its device named.
    pub model: ModelSpec,
    /// What it is used for: `embed`, `rank` or `generate`.
    pub purpose: String,
    /// Bytes of memory it is counted with.
    pub bytes: u64,
    /// Requests answered.
    pub calls: u64,
    /// Texts read.
    pub rows: u64,
    /// Batches computed.
    pub batches: u64,
    /// Batches that held texts of several connections.
    pub shared_batches: u64,
    /// The median time of the last requests, in milliseconds; none while there was no request.
    pub p50_ms: Option<f64>,
    /// 99 of 100 of the last requests took no longer, in milliseconds.
    pub p99_ms: Option<f64>,
    /// When it was last used, in microseconds since 1970.
    pub last_use: i64,
}
