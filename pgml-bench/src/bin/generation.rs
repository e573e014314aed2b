//! Our side of `cargo xtask bench peers generate`: answers each line of standard input with the JSON of one measurement.
//!
//! A line is `SHAPE FORM THREADS WORK`: a folder below the first argument; the form `f32`, `bf16`, `q8_0` or `q4_0`; the work
//! `decode` (seconds for a token after a short prompt), `together` (seconds for a token of each of eight texts), `prompt`
//! (seconds for a prompt of 512 tokens) or `first` (seconds until the first token after a prompt of 32). Each token is the one
//! with the largest score. `read` is the seconds in which the same threads read a gigabyte of memory, whatever the model. `memory` is no
//! time but bytes: what the process holds without what it keeps of eight texts of 1,000 tokens.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pgml_bench::memory::{Memory, PART};
use pgml_bench::side::{Result, mean_seconds, serve, tokens};
use pgml_core::text::ModelSpec;
use pgml_models::checkpoint::Checkpoint;
use pgml_models::device::Placement;
use pgml_models::kernels::Team;
use pgml_models::nn::{CacheMemory, KvCache, PackedBatch, SharedCache, Source};
use pgml_models::transformers::{CausalLm, causal};

/// Tokens of the prompts, and tokens that are timed.
const PROMPT: usize = 512;
const FIRST: usize = 32;
const DECODED: usize = 24;
/// Texts that grow together.
const TOGETHER: usize = 8;
/// Tokens of each, where memory is measured.
const LONG: usize = 1000;
/// Bytes that a round of reading memory reads.
const BYTES_READ: usize = 256 << 20;

struct Side {
    folder: PathBuf,
    /// One at a time is in memory.
    loaded: Option<(String, CausalLm)>,
    team: Arc<Team>,
}

/// A text that grows.
struct Text {
    cache: SharedCache,
    next: Vec<u32>,
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).ok_or("the first argument is the folder of the models")?.into();
    let mut side = Side { folder, loaded: None, team: Arc::new(Team::new(1)) };
    serve(|line| side.measure(line))
}

impl Side {
    fn measure(&mut self, line: &str) -> Result<f64> {
        let [shape, form, threads, work] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("`{line}` is not SHAPE FORM THREADS WORK").into());
        };
        let threads = threads.parse()?;
        if self.team.threads() != threads {
            self.team = Arc::new(Team::new(threads));
        }
        if work != "read" {
            self.load(shape, form)?;
        }
        match work {
            "decode" => self.decode(1),
            "together" => self.decode(TOGETHER),
            "prompt" => self.prompt(PROMPT),
            "first" => self.prompt(FIRST),
            "read" => self.read(),
            "memory" => self.memory(),
            other => Err(format!("unknown work `{other}`").into()),
        }
    }

    fn load(&mut self, shape: &str, form: &str) -> Result<()> {
        let name = format!("{shape} {form}");
        if self.loaded.as_ref().is_some_and(|(loaded, _)| *loaded == name) {
            return Ok(());
        }
        self.loaded = None;
        let mut spec = ModelSpec { device: Some("cpu".to_owned()), ..ModelSpec::named(shape) };
        match form {
            "q8_0" => spec.quantization = Some("int8".to_owned()),
            "q4_0" => spec.quantization = Some("int4".to_owned()),
            _ => spec.dtype = Some(form.to_owned()),
        }
        let (folder, placement) = (self.folder.join(shape), Placement::of_generator(&spec)?);
        let config = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
        let checkpoint = Checkpoint::open(&folder)?;
        let source = Source { weights: checkpoint.weights(), placement: &placement };
        self.loaded = Some((name, causal::of_config(&config)?.load(&config, &source)?));
        Ok(())
    }

    fn model(&self) -> Result<&CausalLm> {
        self.loaded.as_ref().map(|(_, model)| model).ok_or_else(|| "no model is loaded".into())
    }

    fn texts(&self, n: usize, length: usize) -> Result<Vec<Text>> {
        let memory = CacheMemory::new(self.model()?.layout(), 4 << 30);
        let text =
            |i: usize| Text { cache: Arc::new(Mutex::new(KvCache::new(&memory, true))), next: tokens(i, length) };
        Ok((0..n).map(text).collect())
    }

    /// Reads what is next of each text; what is then next is the token with the largest score.
    fn step(&self, texts: &mut [Text]) -> Result<()> {
        let model = self.model()?;
        for text in texts.iter() {
            text.cache.lock().map_err(|_| "a thread panicked")?.reserve(text.next.len())?;
        }
        let sequences: Vec<(&[u32], SharedCache)> =
            texts.iter().map(|text| (text.next.as_slice(), Arc::clone(&text.cache))).collect();
        let batch = PackedBatch::continuing(&sequences, &self.team);
        let rows: Vec<usize> = batch.sequences().map(|rows| rows.end - 1).collect();
        let logits = model.logits(&batch, &rows)?;
        drop(sequences);
        for (text, logits) in texts.iter_mut().zip(logits.chunks_exact(model.vocabulary())) {
            let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
            text.next = vec![best as u32];
        }
        Ok(())
    }

    fn decode(&self, n: usize) -> Result<f64> {
        let mut texts = self.texts(n, FIRST)?;
        self.step(&mut texts)?;
        self.step(&mut texts)?;
        let start = Instant::now();
        for _ in 0..DECODED {
            self.step(&mut texts)?;
        }
        Ok(start.elapsed().as_secs_f64() / DECODED as f64)
    }

    fn prompt(&self, length: usize) -> Result<f64> {
        let mut texts = self.texts(1, length)?;
        let start = Instant::now();
        self.step(&mut texts)?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn read(&self) -> Result<f64> {
        let (memory, mut rounds) = (Memory::default(), 0..);
        let seconds = mean_seconds(|| {
            for i in rounds.by_ref().take(BYTES_READ / PART) {
                memory.read(i, &self.team);
            }
            Result::Ok(())
        })?;
        Ok(seconds * 1e9 / BYTES_READ as f64)
    }

    /// Bytes that the process holds without what it keeps of texts.
    fn memory(&self) -> Result<f64> {
        let mut texts = self.texts(TOGETHER, LONG / 4)?;
        for _ in 0..4 {
            self.step(&mut texts)?;
            texts.iter_mut().for_each(|text| text.next = vec![7; LONG / 4]);
        }
        let layout = self.model()?.layout();
        let kept = TOGETHER * LONG.div_ceil(pgml_models::kernels::PAGE) * layout.page_bytes();
        let status = std::fs::read_to_string("/proc/self/status")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
        let resident: f64 = resident.ok_or("no RssAnon")?.trim().parse()?;
        Ok(resident * 1024.0 - kept as f64)
    }
}
