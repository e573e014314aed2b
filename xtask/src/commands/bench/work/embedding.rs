//! Embeddings with all-MiniLM-L6-v2's real weights, against onnxruntime and sentence-transformers (PyTorch).

use std::path::Path;
use std::process::Command;

use super::super::peer::{self, Peer};
use super::super::place::Place;
use super::super::report::{Line, Target, seconds};
use super::super::statistics::{alternate, median};
use super::embedding_in_sql;
use crate::error::{Context, Result};
use crate::extension::cargo;
use crate::{models, places, process};

const RUNS: usize = 5;

/// One line of the table: our measurement, the peer's, and how many times faster ours should be.
struct Comparison {
    work: &'static str,
    ours: &'static str,
    peer: &'static str,
    target: f64,
}

/// Names of measurements: see `pgml-bench/src/bin/embedding.rs` and `pgml-bench/peers/embed.py`.
#[rustfmt::skip]
const COMPARISONS: &[Comparison] = &[
    Comparison { work: "f32, 32 × 64 tokens, two threads, against onnxruntime", ours: "f32 2 32x64", peer: "onnx 2 32x64", target: 0.95 },
    Comparison { work: "f32, 32 × 128 tokens, two threads, against onnxruntime", ours: "f32 2 32x128", peer: "onnx 2 32x128", target: 0.95 },
    Comparison { work: "f32, 32 × 64 tokens, two threads, against PyTorch", ours: "f32 2 32x64", peer: "torch 2 32x64", target: 1.2 },
    Comparison { work: "f32, 32 × 128 tokens, two threads, against PyTorch", ours: "f32 2 32x128", peer: "torch 2 32x128", target: 1.2 },
    Comparison { work: "f32, 32 × 64 tokens, one thread, against onnxruntime", ours: "f32 1 32x64", peer: "onnx 1 32x64", target: 0.95 },
    Comparison { work: "f32, one text of 16 tokens, two threads, against onnxruntime", ours: "f32 2 1x16", peer: "onnx 2 1x16", target: 0.91 },
    Comparison { work: "f32, 1,000 texts of mixed length, two threads, without SQL, against onnxruntime with padded batches", ours: "f32 2 texts", peer: "onnx 2 texts", target: 1.2 },
    Comparison { work: "f32, 1,000 texts of mixed length, two threads, without SQL, against sentence-transformers", ours: "f32 2 texts", peer: "torch 2 texts", target: 1.5 },
    Comparison { work: "int8, 32 × 64 tokens, two threads, against onnxruntime's dynamic int8", ours: "int8 2 32x64", peer: "onnx-int8 2 32x64", target: 1.0 },
];

/// Forms of ours against each other.
#[rustfmt::skip]
const OURS: &[Comparison] = &[
    Comparison { work: "bf16 against our f32, 32 × 64 tokens, two threads", ours: "bf16 2 32x64", peer: "f32 2 32x64", target: 1.5 },
    Comparison { work: "two threads against one, f32, 32 × 64 tokens", ours: "f32 2 32x64", peer: "f32 1 32x64", target: 1.7 },
];

/// The same weights' shape as BERT-base, which is what many embedders have.
#[rustfmt::skip]
const BASE: &[Comparison] = &[
    Comparison { work: "f32, 32 × 128 tokens, two threads, against onnxruntime", ours: "f32 2 32x128", peer: "onnx 2 32x128", target: 0.95 },
];

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    let texts = texts()?;
    let file = place.file("texts.json");
    let json = serde_json::Value::from_iter(texts.iter().map(String::as_str)).to_string();
    std::fs::write(&file, json).context(|| format!("writing {}", file.display()))?;
    // With an example among the targets, cargo chooses the dependencies' features as it does for tests: burn is built once.
    let targets = ["--features", "pgml-bench/transformers", "--bin", "embedding", "--example", "reference"];
    process::run(cargo()?.args(["build", "--release"]).args(targets))?;
    let python = peer::python(&peer::TRANSFORMERS)?;
    let minilm = models::minilm()?;
    // First of all: nothing has been in the program's memory before.
    let mut lines = vec![embedding_in_sql::memory(place, &texts)?];
    let (mut ours, mut other) = sides(&python, &minilm, &file)?;
    lines.extend(embedding_in_sql::compare(place, &texts, &mut other)?);
    for comparison in COMPARISONS {
        lines.push(comparison.measure("MiniLM-L6", &mut ours, &mut other)?);
    }
    for comparison in OURS {
        lines.push(comparison.measure_ours("MiniLM-L6", &mut ours)?);
    }
    drop((ours, other));
    let base = place.file("bert-base");
    process::run(Command::new(&python).arg(peer::folder().join("bert_base.py")).arg(&minilm).arg(&base))?;
    let (mut ours, mut other) = sides(&python, &base, &file)?;
    for comparison in BASE {
        lines.push(comparison.measure("BERT-base's shape", &mut ours, &mut other)?);
    }
    Ok(lines)
}

/// Our program and the peers', with the model in `folder`.
fn sides(python: &Path, folder: &Path, texts: &Path) -> Result<(Peer, Peer)> {
    let mut program = Command::new(places::target()?.join("release/embedding"));
    program.arg(folder).arg(texts);
    Ok((Peer::run(program, "our side")?, Peer::start(python, "embed.py", &[folder, texts])?))
}

/// How long a side takes.
pub fn time(side: &mut Peer, name: &str) -> Result<f64> {
    side.measure(name).map(|measured| measured.number("seconds"))
}

/// Medians of two works of one side that take turns.
pub fn in_turns(times: usize, side: &mut Peer, works: [&str; 2]) -> Result<[f64; 2]> {
    let mut both = [Vec::new(), Vec::new()];
    for _ in 0..times {
        for (work, taken) in works.iter().zip(&mut both) {
            taken.push(time(side, work)?);
        }
    }
    Ok(both.map(|taken| median(&taken)))
}

impl Comparison {
    fn measure(&self, model: &str, ours: &mut Peer, other: &mut Peer) -> Result<Line> {
        let (a, b) = alternate(RUNS, || time(ours, self.ours), || time(other, self.peer))?;
        Ok(self.line(model, median(&a), median(&b)))
    }

    fn measure_ours(&self, model: &str, ours: &mut Peer) -> Result<Line> {
        let [a, b] = in_turns(RUNS, ours, [self.ours, self.peer])?;
        Ok(self.line(model, a, b))
    }

    fn line(&self, model: &str, ours: f64, peer: f64) -> Line {
        faster(&format!("{model}, {}", self.work), ours, peer, self.target)
    }
}

/// A line about how many times faster we are.
pub fn faster(work: &str, ours: f64, peer: f64, target: f64) -> Line {
    Line {
        work: work.to_owned(),
        ours: seconds_or_less(ours),
        peer: seconds_or_less(peer),
        figure: peer / ours,
        unit: " × faster",
        target: Target::AtLeast(target),
        holds: true,
    }
}

/// Milliseconds with digits behind the point where they are few.
pub fn seconds_or_less(value: f64) -> String {
    if value < 0.02 { format!("{:.2} ms", value * 1e3) } else { seconds(value) }
}

/// 1,000 texts of mixed length: the sentences of this project's own documentation, again and again.
fn texts() -> Result<Vec<String>> {
    let mut prose = String::new();
    for name in
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/guide.md", "docs/differences.md", "docs/speed.md"]
    {
        let path = places::repository().join(name);
        prose += &std::fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
        prose.push('\n');
    }
    let sentences = prose.split("\n\n").flat_map(|part| part.split_inclusive(". ")).map(str::trim);
    let sentences: Vec<&str> = sentences.filter(|text| text.len() > 15).collect();
    Ok(sentences.into_iter().cycle().take(1000).map(str::to_owned).collect())
}
