//! Models whose behaviour their names say, for tests of everything around models: the server, its supervisor, the
//! database's side. A test's program serves them instead of [`transformers`](crate::transformers).
//!
//! A name is a list of words joined by `-`: `slow` takes a millisecond per token, `panic` panics and `abort` aborts on the
//! text "bad", `large` counts as 1 GiB, `sluggish` takes half a second to load, `broken` cannot be loaded, `absent` cannot
//! be found, `distant` is fetched for half a second each time it is loaded, with the token "key", `rank` is for ranking.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pgml_core::frames::Settings;
use pgml_core::text::{EmbedArgs, Embedder, ModelSpec, RankArgs, Reranker, Tokens};
use pgml_core::{Result, Run, bail};

use crate::models::{Access, Found, Loaded, Models, Purpose};

/// Loads scripted models.
#[derive(Debug, Default)]
pub struct Scripted {
    /// How many models were loaded.
    pub loads: Arc<AtomicU64>,
    /// How many were fetched, or tried to be.
    pub fetches: Arc<AtomicU64>,
}

/// The vector of a text is its length in characters, 1, and the sum of its characters' numbers.
#[derive(Debug)]
struct Script {
    words: Vec<String>,
}

impl Models for Scripted {
    fn device(&self, spec: &ModelSpec) -> Result<String> {
        Ok(spec.device.clone().filter(|name| name != "auto").unwrap_or_else(|| "cpu".to_owned()))
    }

    fn find(&self, spec: &ModelSpec, _: &Settings) -> Result<Option<Found>> {
        if spec.name.contains("absent") {
            bail!(UnresolvedModel, "there is no model \"{}\"", spec.name);
        }
        let name = spec.folder.as_deref().unwrap_or(&spec.name);
        Ok((!name.contains("distant")).then(|| found(name)))
    }

    fn fetch(&self, spec: &ModelSpec, _: &Settings, access: &Access, run: &Run) -> Result<Found> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if access.token.as_deref() != Some("key") {
            bail!(PermissionDenied, "the model \"{}\" wants a token", spec.name);
        }
        run.warn("it is far away");
        for step in 0..100 {
            run.check()?;
            run.progress("downloading", step, 100);
            std::thread::sleep(Duration::from_millis(5));
        }
        let generation = if access.refresh { "-new" } else { "" };
        Ok(found(&format!("{}{generation}", spec.name)))
    }

    fn files(&self, _: &Found) -> Result<Vec<String>> {
        Ok(vec!["config.json".into()])
    }

    fn load(&self, found: &Found, spec: &ModelSpec, purpose: Purpose, run: &Run) -> Result<Loaded> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let script = Script { words: found.folder.to_string_lossy().split(['-', '/']).map(str::to_owned).collect() };
        if script.has("sluggish") {
            for _ in 0..100 {
                run.check()?;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if script.has("broken") {
            bail!(Corrupted, "the model \"{}\" is broken", spec.name);
        }
        Ok(match purpose {
            Purpose::Embed => Loaded::Embedder(Arc::new(script)),
            Purpose::Rank => Loaded::Reranker(Arc::new(script)),
        })
    }
}

fn found(name: &str) -> Found {
    let bytes = if name.contains("large") { 1 << 30 } else { 1 << 20 };
    Found { folder: name.into(), bytes }
}

impl Script {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    fn read(&self, text: &str) -> Tokens {
        let ids: Vec<u32> = text.chars().map(u32::from).collect();
        Tokens { type_ids: vec![0; ids.len()], ids, prompt: 0 }
    }

    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        let bad: Vec<u32> = "bad".chars().map(u32::from).collect();
        let is_bad = batch.iter().any(|tokens| tokens.ids.ends_with(&bad));
        assert!(!(is_bad && self.has("panic")), "a scripted panic");
        if is_bad && self.has("abort") {
            std::process::abort();
        }
        if self.has("slow") {
            let tokens: usize = batch.iter().map(|tokens| tokens.len()).sum();
            std::thread::sleep(Duration::from_millis(tokens as u64));
        }
        run.check()?;
        let sum = |tokens: &Tokens| tokens.ids.iter().map(|id| *id as f32).sum::<f32>();
        Ok(batch.iter().map(|tokens| vec![tokens.len() as f32, 1.0, sum(tokens)]).collect())
    }
}

impl Embedder for Script {
    fn dimensions(&self) -> usize {
        3
    }

    fn tokenize(&self, texts: &[&str], args: &EmbedArgs) -> Result<Vec<Tokens>> {
        let prompt = args.prompt.as_deref().unwrap_or_default();
        Ok(texts.iter().map(|text| self.read(&format!("{prompt}{text}"))).collect())
    }

    fn embed_tokens(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        self.compute(batch, run)
    }
}

impl Reranker for Script {
    fn tokenize(&self, query: &str, documents: &[&str]) -> Result<Vec<Tokens>> {
        Ok(documents.iter().map(|document| self.read(&format!("{query}{document}"))).collect())
    }

    fn score_tokens(&self, batch: &[&Tokens], _: &RankArgs, run: &Run) -> Result<Vec<f64>> {
        Ok(self.compute(batch, run)?.into_iter().map(|vector| f64::from(vector[0])).collect())
    }
}
