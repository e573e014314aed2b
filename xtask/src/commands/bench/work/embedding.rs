//! Embeddings with all-MiniLM-L6-v2's real weights, against onnxruntime and sentence-transformers (PyTorch).

use std::process::Command;

use super::super::peer::{self, Peer};
use super::super::place::Place;
use super::super::report::{Line, Target, seconds};
use super::super::statistics::{alternate, median};
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
    Comparison { work: "f32, 1,000 texts of mixed length, two threads, against onnxruntime with padded batches", ours: "f32 2 texts", peer: "onnx 2 texts", target: 1.2 },
    Comparison { work: "f32, 1,000 texts of mixed length, two threads, against sentence-transformers", ours: "f32 2 texts", peer: "torch 2 texts", target: 1.5 },
    Comparison { work: "int8, 32 × 64 tokens, two threads, against onnxruntime's dynamic int8", ours: "int8 2 32x64", peer: "onnx-int8 2 32x64", target: 1.0 },
];

/// Forms of ours against each other.
#[rustfmt::skip]
const OURS: &[Comparison] = &[
    Comparison { work: "bf16 against our f32, 32 × 64 tokens, two threads", ours: "bf16 2 32x64", peer: "f32 2 32x64", target: 1.5 },
    Comparison { work: "two threads against one, f32, 32 × 64 tokens", ours: "f32 2 32x64", peer: "f32 1 32x64", target: 1.7 },
];

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    let texts = texts(place)?;
    process::run(cargo()?.args(["build", "--release", "--package", "pgml-bench"]).args([
        "--features",
        "transformers",
        "--bin",
        "embedding",
    ]))?;
    let folder = models::minilm()?;
    let mut program = Command::new(places::target()?.join("release/embedding"));
    program.arg(&folder).arg(&texts);
    let mut ours = Peer::run(program, "our side")?;
    let python = peer::python(&peer::TRANSFORMERS)?;
    let mut other = Peer::start(&python, "embed.py", &[folder.as_os_str(), texts.as_os_str()])?;
    let mut lines = Vec::new();
    for comparison in COMPARISONS {
        let of = |side: &mut Peer, name: &str| side.measure(name).map(|measured| measured.number("seconds"));
        let (a, b) = alternate(RUNS, || of(&mut ours, comparison.ours), || of(&mut other, comparison.peer))?;
        lines.push(comparison.line(median(&a), median(&b)));
    }
    for comparison in OURS {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            a.push(ours.measure(comparison.ours)?.number("seconds"));
            b.push(ours.measure(comparison.peer)?.number("seconds"));
        }
        lines.push(comparison.line(median(&a), median(&b)));
    }
    Ok(lines)
}

impl Comparison {
    fn line(&self, ours: f64, peer: f64) -> Line {
        Line {
            work: format!("MiniLM-L6, {}", self.work),
            ours: seconds_or_less(ours),
            peer: seconds_or_less(peer),
            figure: peer / ours,
            unit: " × faster",
            target: Target::AtLeast(self.target),
            holds: true,
        }
    }
}

/// Milliseconds with a digit behind the point where they are few.
fn seconds_or_less(value: f64) -> String {
    if value < 0.02 { format!("{:.1} ms", value * 1e3) } else { seconds(value) }
}

/// A file of 1,000 texts of mixed length: the sentences of this project's own documentation, again and again.
fn texts(place: &Place) -> Result<std::path::PathBuf> {
    let mut prose = String::new();
    for name in
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/guide.md", "docs/differences.md", "docs/speed.md"]
    {
        let path = places::repository().join(name);
        prose += &std::fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
        prose.push('\n');
    }
    let sentences: Vec<&str> = prose.split("\n\n").flat_map(|part| part.split_inclusive(". ")).map(str::trim).collect();
    let sentences = sentences.into_iter().filter(|text| text.len() > 15).cycle().take(1000);
    let json = serde_json::Value::from_iter(sentences);
    let file = place.file("texts.json");
    std::fs::write(&file, json.to_string()).context(|| format!("writing {}", file.display()))?;
    Ok(file)
}
