//! Models whose behaviour their names say, for tests of everything around models: the server, its supervisor, the
//! database's side. A test's program serves them instead of [`transformers`](crate::transformers).
//!
//! A name is a list of words joined by `-`: `slow` takes a millisecond per token, `panic` panics and `abort` aborts on the
//! text "bad", `large` counts as 1 GiB, `sluggish` takes half a second to load, `broken` cannot be loaded, `absent` cannot
//! be found, `distant` is fetched for half a second each time it is loaded, with the token "key", `rank` is for ranking,
//! `generate` goes on with a text: a word per round, its words again from the first on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pgml_core::frames::Settings;
use pgml_core::text::{
    Answer, EmbedArgs, Embedder, Event, Finish, GenerateArgs, Generated, GenerationBatch, ModelSpec, Prepared, Prompt,
    Question, RankArgs, Reranker, TextGenerator, TextPipeline, TextTask, Tokens,
};
use pgml_core::{Result, Run, bail};

use serde_json::{Map, Value, json};

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
#[derive(Debug, Clone)]
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

    fn files(&self, _: &Found, _: &ModelSpec) -> Result<Vec<String>> {
        Ok(vec!["config.json".into()])
    }

    fn task(&self, found: &Found) -> Result<TextTask> {
        Ok(match found.folder.ends_with("answers") {
            true => TextTask::QuestionAnswering,
            false => TextTask::TextGeneration,
        })
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
            Purpose::Generate => Loaded::Generator(Arc::new(script)),
            Purpose::Answer(_) => Loaded::Pipeline(Arc::new(script)),
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
        Tokens { type_ids: vec![0; ids.len()], ids, ..Tokens::default() }
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

impl TextPipeline for Script {
    fn ask(&self, input: &str, _: &Map<String, Value>) -> Result<Question> {
        // Two sequences, so that an answer is made of several: at once, or one after the other.
        if self.has("turns") {
            let (first, second) = (self.read(input), self.read("x"));
            let then = move |first: Vec<Vec<f32>>| {
                let answer = move |outputs: Vec<Vec<f32>>| Ok(json!({"label": first[0][0], "score": outputs[0][0]}));
                Ok(Answer::Depends(Question::new(vec![second], answer)))
            };
            return Ok(Question { sequences: vec![first], then: Box::new(then) });
        }
        let sequences = vec![self.read(input), self.read("x")];
        let answer = |outputs: Vec<Vec<f32>>| Ok(json!({"label": outputs[0][0], "score": outputs[1][0]}));
        Ok(Question::new(sequences, answer))
    }

    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        Script::compute(self, batch, run)
    }
}

impl TextGenerator for Script {
    fn prepare(&self, prompt: &Prompt, args: &GenerateArgs, _: bool) -> Result<Prepared> {
        let (Prompt::Text(text) | Prompt::Chat(text) | Prompt::Source { text, .. }) = prompt;
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            bail!(InvalidData, "the prompt has no words");
        }
        let n = args.max_new_tokens.or(args.max_tokens).unwrap_or(20) as usize;
        Ok(Prepared(Box::new(Repetition { words, said: 0, n })))
    }

    fn batch(&self, _: u64) -> Box<dyn GenerationBatch> {
        Box::new(Repetitions { script: self.clone(), requests: Vec::new(), next: 0 })
    }
}

/// A text that repeats its prompt's words.
struct Repetition {
    words: Vec<String>,
    said: usize,
    n: usize,
}

struct Repetitions {
    script: Script,
    requests: Vec<(u64, Repetition)>,
    next: u64,
}

impl Repetition {
    fn word(&self, i: usize) -> String {
        format!(" {}", self.words[i % self.words.len()])
    }
}

impl GenerationBatch for Repetitions {
    fn enter(&mut self, request: Prepared) -> u64 {
        let number = self.next;
        self.next += 1;
        self.requests.extend(request.0.downcast().ok().map(|request| (number, *request)));
        number
    }

    fn leave(&mut self, request: u64) {
        self.requests.retain(|(number, _)| *number != request);
    }

    fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    fn round(&mut self, run: &Run) -> Vec<(u64, Event)> {
        let bad = self.requests.iter().any(|(_, request)| request.word(request.said) == " bad");
        assert!(!(bad && self.script.has("panic")), "a scripted panic");
        if bad && self.script.has("abort") {
            std::process::abort();
        }
        if self.script.has("slow") {
            std::thread::sleep(Duration::from_millis(1));
        }
        if run.is_cancelled() {
            return Vec::new();
        }
        let mut events = Vec::new();
        for (number, request) in &mut self.requests {
            events.push((*number, Event::Piece { text: 0, piece: request.word(request.said) }));
            request.said += 1;
            if request.said == request.n {
                let text: String = (0..request.n).map(|i| request.word(i)).collect();
                let n_tokens = request.n as u32;
                events.push((*number, Event::Done(vec![Generated { text, n_tokens, finish: Finish::Length }])));
            }
        }
        self.requests.retain(|(_, request)| request.said < request.n);
        events
    }
}
