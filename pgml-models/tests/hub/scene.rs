//! A hub with one model, an empty cache, and a caller that listens.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgml_core::run::{Level, Progress, Reporter};
use pgml_core::{Error, Result, Run};
use pgml_models::hub::{Hub, Patience, Settings};

use crate::stand_in::{Commit, StandIn};

pub const NAME: &str = "org/tiny";
pub const FIRST: &str = "1111111111111111111111111111111111111111";
pub const SECOND: &str = "2222222222222222222222222222222222222222";
/// The length of the model's weights: several chunks.
pub const WEIGHTS: usize = 1_000_000;

pub struct Scene {
    pub hub: StandIn,
    pub cache: tempfile::TempDir,
    pub settings: Settings,
    pub heard: Arc<Heard>,
}

/// What a run reported.
#[derive(Default)]
pub struct Heard {
    pub progress: Mutex<Vec<(u64, u64)>>,
    pub messages: Mutex<Vec<String>>,
}

impl Reporter for Heard {
    fn progress(&self, progress: Progress) {
        assert_eq!(progress.phase, "downloading");
        self.progress.lock().expect("not poisoned").push((progress.done, progress.total));
    }

    fn message(&self, _: Level, text: &str) {
        self.messages.lock().expect("not poisoned").push(text.to_owned());
    }
}

impl Scene {
    pub fn new() -> Self {
        let hub = StandIn::start();
        hub.publish(NAME, "main", &commit(FIRST, 1));
        let cache = tempfile::tempdir().expect("a folder");
        let settings = settings(&hub.address, cache.path());
        Self { hub, cache, settings, heard: Arc::default() }
    }

    pub fn run(&self) -> Run {
        Run::new().with_reporter(Arc::clone(&self.heard) as Arc<dyn Reporter>)
    }

    pub fn client(&self) -> Hub {
        Hub::new(self.settings.clone())
    }

    pub fn offline(&self) -> Hub {
        Hub::new(Settings { offline: true, ..self.settings.clone() })
    }

    pub fn fetch(&self) -> Result<PathBuf> {
        self.client().fetch(NAME, None, None, &self.run())
    }

    pub fn refused(&self) -> Error {
        self.fetch().expect_err("the model should not be had")
    }

    pub fn model(&self) -> PathBuf {
        self.cache.path().join("hub/models--org--tiny")
    }

    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.model().join("snapshots").join(commit)
    }

    /// Nothing of the model may be found under its name.
    pub fn assert_nothing_is_there(&self) {
        assert_eq!(self.client().find(NAME, None).expect("a name"), None);
        assert!(!self.model().join("refs/main").exists());
        assert!(!self.snapshot(FIRST).join("model.safetensors").exists());
    }
}

/// Quick to give up.
pub fn settings(endpoint: &str, cache: &Path) -> Settings {
    let patience = Patience {
        attempts: 4,
        pause: Duration::from_millis(10),
        longest_pause: Duration::from_secs(2),
        connect: Duration::from_secs(2),
        silence: Duration::from_millis(300),
    };
    Settings { endpoint: endpoint.to_owned(), cache: cache.to_owned(), token: None, offline: false, patience }
}

/// A sentence-transformers folder in small, different for each `seed`.
pub fn commit(hash: &str, seed: u8) -> Commit {
    let weights = (0..WEIGHTS).map(|i| (i % 251) as u8 ^ seed).collect();
    let files: [(&str, Vec<u8>); 9] = [
        (".gitattributes", b"*.safetensors filter=lfs".to_vec()),
        ("README.md", b"words".to_vec()),
        ("config.json", format!("{{\"seed\": {seed}}}").into_bytes()),
        ("modules.json", br#"[{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Normalize"}]"#.to_vec()),
        ("1_Pooling/config.json", br#"{"pooling_mode_mean_tokens": true}"#.to_vec()),
        ("tokenizer.json", b"{}".to_vec()),
        ("model.safetensors", weights),
        ("pytorch_model.bin", b"pickle".to_vec()),
        ("onnx/model.onnx", b"graph".to_vec()),
    ];
    let files: BTreeMap<String, Vec<u8>> = files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect();
    Commit { hash: hash.to_owned(), files }
}

/// All files below `folder`, links too, by path.
pub fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.push(path.strip_prefix(folder).expect("below").display().to_string());
            }
        }
    }
    found.sort();
    found
}
