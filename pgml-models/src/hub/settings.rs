//! Where the hub is and who asks: the environment variables that Python's library reads.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The hub that models come from when `HF_ENDPOINT` names no other.
const ENDPOINT: &str = "https://huggingface.co";

/// How models are downloaded.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The hub's address, without a slash at its end.
    pub endpoint: String,
    /// The folder that Python's library calls `HF_HOME`.
    pub cache: PathBuf,
    /// Goes with requests whose caller brings no token of its own.
    pub token: Option<String>,
    /// Nothing may be downloaded.
    pub offline: bool,
    /// When to give up.
    pub patience: Patience,
}

/// How long and how often the hub is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often a request is tried that fails for a reason that may pass.
    pub attempts: u32,
    /// The pause after the first failure; each further one is twice as long.
    pub pause: Duration,
    /// No pause is longer, also where the hub asks for more.
    pub longest_pause: Duration,
    /// To find the host and to connect.
    pub connect: Duration,
    /// Without a single byte.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// What the environment says, for the model cache in `cache`: `HF_ENDPOINT`, `HF_TOKEN` (else the file
    /// `HF_TOKEN_PATH`, else `token` in the cache), `HF_HUB_DISABLE_IMPLICIT_TOKEN`, `HF_HUB_OFFLINE` and
    /// `TRANSFORMERS_OFFLINE`.
    #[must_use]
    pub fn from_env(cache: impl Into<PathBuf>) -> Self {
        let cache = cache.into();
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into());
        let offline = is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE");
        let token = if is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN") { None } else { stored_token(&cache) };
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache,
            token,
            offline,
            patience: Patience::default(),
        }
    }
}

fn stored_token(cache: &Path) -> Option<String> {
    let from_file = || {
        let path = variable("HF_TOKEN_PATH").map_or_else(|| cache.join("token"), PathBuf::from);
        fs::read_to_string(path).ok()
    };
    let token = variable("HF_TOKEN").or_else(|| variable("HUGGING_FACE_HUB_TOKEN")).or_else(from_file)?;
    let token = token.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn is_true(name: &str) -> bool {
    variable(name).is_some_and(|value| matches!(value.to_lowercase().as_str(), "1" | "on" | "yes" | "true"))
}
