//! What a backend asks.

use serde::{Deserialize, Serialize};

use crate::text::ModelSpec;

/// One request, or a piece of its texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Vectors of the texts that follow.
    Embed {
        /// The model.
        model: ModelSpec,
        /// [`EmbedArgs`](crate::text::EmbedArgs) as a JSON object.
        args: String,
        /// How many texts follow.
        texts: u64,
        /// What the server's settings say.
        settings: Settings,
    },
    /// Scores of the documents that follow.
    Rank {
        /// The model.
        model: ModelSpec,
        /// [`RankArgs`](crate::text::RankArgs) as a JSON object.
        args: String,
        /// What the documents are to answer.
        query: String,
        /// How many documents follow.
        documents: u64,
        /// What the server's settings say.
        settings: Settings,
    },
    /// What a task makes of the inputs that follow.
    Transform {
        /// The model.
        model: ModelSpec,
        /// The name of the [`TextTask`](crate::text::TextTask), as the caller gave it; found out from the model when absent.
        task: Option<String>,
        /// The task's arguments, a JSON object.
        args: String,
        /// How many inputs follow.
        inputs: u64,
        /// Whether each input is a JSON list of messages.
        chat: bool,
        /// Whether every piece is a row of its own.
        stream: bool,
        /// Shown to the hub.
        token: Option<String>,
        /// What the server's settings say.
        settings: Settings,
    },
    /// The next texts of the request under way.
    Texts(Vec<String>),
    /// Loads a model before it is needed.
    Load {
        /// The model.
        model: ModelSpec,
        /// What for: what [`Purpose::named`](crate::text::Purpose::named) knows.
        task: String,
        /// Shown to the hub.
        token: Option<String>,
        /// Whether what the name means now is accepted, whatever it meant at its first use.
        refresh: bool,
        /// What the server's settings say.
        settings: Settings,
    },
    /// Where the files of a model are. They are brought here if they are elsewhere, and not loaded.
    Locate {
        /// The model.
        model: ModelSpec,
        /// Shown to the hub.
        token: Option<String>,
        /// What the server's settings say.
        settings: Settings,
    },
    /// Drops every loaded form of a model.
    Unload {
        /// Its name.
        name: String,
    },
    /// Which models are loaded.
    Models,
    /// Whether anybody is there.
    Ping,
}

impl Request {
    /// The model that is asked for, if it is one.
    #[must_use]
    pub fn model(&self) -> Option<&ModelSpec> {
        match self {
            Self::Embed { model, .. }
            | Self::Rank { model, .. }
            | Self::Transform { model, .. }
            | Self::Load { model, .. }
            | Self::Locate { model, .. } => Some(model),
            Self::Texts(_) | Self::Unload { .. } | Self::Models | Self::Ping => None,
        }
    }
}

/// The server's settings that matter to the inference program; they travel with each request, so that a change of
/// settings needs no restart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Bytes that all loaded models may take together.
    pub memory: u64,
    /// Milliseconds after which an unused model is dropped; never when absent.
    pub keep_alive: Option<u64>,
    /// Where models run whose callers do not say it.
    pub device: Option<String>,
    /// Folders whose models may be used by path.
    pub model_path: Vec<String>,
    /// The folder of downloaded models, laid out as `HF_HOME`; the environment's own when absent.
    pub model_cache: Option<String>,
    /// Whether nothing may be downloaded.
    pub offline: bool,
}
