//! Text generation on random weights in the shapes of real models, against llama.cpp and transformers on PyTorch.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::peer::{self, Peer};
use super::super::place::Place;
use super::super::report::{Line, Target, megabytes};
use super::super::statistics::{alternate, median};
use super::embedding::{in_turns, seconds_or_less, time};
use crate::error::{Context, Result};
use crate::extension::cargo;
use crate::{places, process};

const RUNS: usize = 5;

struct Shape {
    name: &'static str,
    /// Weights of which a token reads a row or none: vectors of positions, and of words where the output layer has its own.
    unread: f64,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "gpt2", unread: 1024.0 * 768.0 },
    Shape { name: "qwen2.5-0.5b", unread: 0.0 },
    Shape { name: "tinyllama-1.1b", unread: 32_000.0 * 2048.0 },
];

/// One line of the table for each shape: our measurement, the peer's, and how many times faster ours should be. See
/// `pgml-bench/src/bin/generation.rs` and `pgml-bench/peers/generate.py`.
struct Comparison {
    work: &'static str,
    form: &'static str,
    measured: &'static str,
    peer: &'static str,
    target: f64,
}

#[rustfmt::skip]
const COMPARISONS: &[Comparison] = &[
    Comparison { work: "decode, Q8_0, against llama.cpp", form: "q8_0", measured: "decode", peer: "llama.cpp", target: 1.0 },
    Comparison { work: "decode, Q4_0, against llama.cpp", form: "q4_0", measured: "decode", peer: "llama.cpp", target: 1.0 },
    Comparison { work: "prompt of 512 tokens, Q8_0, against llama.cpp", form: "q8_0", measured: "prompt", peer: "llama.cpp", target: 0.8 },
    Comparison { work: "prompt of 512 tokens, Q4_0, against llama.cpp", form: "q4_0", measured: "prompt", peer: "llama.cpp", target: 0.8 },
    Comparison { work: "first token after 32, Q4_0, against llama.cpp", form: "q4_0", measured: "first", peer: "llama.cpp", target: 0.91 },
    Comparison { work: "decode, bf16, against transformers", form: "bf16", measured: "decode", peer: "transformers", target: 1.5 },
    Comparison { work: "decode, f32, against transformers", form: "f32", measured: "decode", peer: "transformers", target: 1.5 },
];

/// The total rate of eight texts that grow together beside that of one.
const TOGETHER: &[(&str, f64)] = &[("bf16", 3.0), ("q8_0", 3.0), ("q4_0", 1.8)];

/// Bytes of a weight, where decoding is compared with plain reading of memory, and the part of its rate to reach.
const READING: &[(&str, f64)] = &[("bf16", 2.0), ("f32", 4.0)];
const PERCENT: f64 = 80.0;

/// Megabytes beyond the weights and what is kept of eight texts of 1,000 tokens.
const MEMORY: f64 = 200.0;

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    let targets = ["--features", "pgml-bench/transformers", "--bin", "generation", "--example", "reference"];
    process::run(cargo()?.args(["build", "--release"]).args(targets))?;
    let (python, models) = models(place)?;
    let program = || -> Result<Peer> {
        let mut program = Command::new(places::target()?.join("release/generation"));
        program.arg(&models);
        Peer::run(program, "our side")
    };
    // In a program of its own: nothing has been in its memory before.
    let taken = time(&mut program()?, "qwen2.5-0.5b q4_0 2 memory")?;
    let mut lines = vec![memory(taken, file(&models, "qwen2.5-0.5b/q4_0.gguf")?)];
    let (mut ours, mut other) = (program()?, Peer::start(&python, "generate.py", &[&models])?);
    for Shape { name: shape, unread } in SHAPES {
        for comparison in COMPARISONS {
            let Comparison { form, measured, peer, .. } = comparison;
            let own = format!("{shape} {form} 2 {measured}");
            let (a, b) = alternate(RUNS, || time(&mut ours, &own), || time(&mut other, &format!("{peer} {own}")))?;
            let (a, b) = (median(&a), median(&b));
            lines.push(line(&format!("{shape}, {}", comparison.work), [a, b], b / a, comparison.target));
        }
        for (form, target) in TOGETHER {
            let [one, eight] = ["decode", "together"].map(|work| format!("{shape} {form} 2 {work}"));
            let [a, b] = in_turns(RUNS, &mut ours, [&eight, &one])?;
            let work = format!("{shape}, a token of each of eight texts, {form}, beside one of one: total rate");
            lines.push(line(&work, [a, b], 8.0 * b / a, *target));
        }
        // Stored in two bytes each.
        let read = file(&models, &format!("{shape}/model.safetensors"))? / 2.0 - unread;
        for (form, bytes) in READING {
            let [decode, plain] = ["decode", "read"].map(|work| format!("{shape} {form} 2 {work}"));
            let seconds = in_turns(RUNS, &mut ours, [&decode, &plain])?;
            lines.push(bandwidth(&format!("{shape}, decode, {form}"), seconds, read * bytes));
        }
    }
    Ok(lines)
}

/// The peers' Python, and the folder of the models, which are made if they are not there.
pub fn models(place: &Place) -> Result<(PathBuf, PathBuf)> {
    let python = peer::python(&peer::GENERATION)?;
    let models = place.file("generation");
    process::run(Command::new(&python).arg(peer::folder().join("generation_models.py")).arg(&models))?;
    Ok((python, models))
}

/// How fast the weights are read, beside memory of which nothing else is asked.
fn bandwidth(work: &str, [decode, gigabyte]: [f64; 2], bytes: f64) -> Line {
    let [ours, most] = [bytes / 1e9 / decode, gigabyte.recip()];
    Line {
        work: format!("{work}: weights read, beside plain reading of memory, two threads"),
        ours: format!("{ours:.1} GB/s"),
        peer: format!("{most:.1} GB/s"),
        figure: 100.0 * ours / most,
        unit: " %",
        target: Target::AtLeast(PERCENT),
        holds: true,
    }
}

fn line(work: &str, [ours, peer]: [f64; 2], figure: f64, target: f64) -> Line {
    Line {
        work: format!("{work}, two threads"),
        ours: seconds_or_less(ours),
        peer: seconds_or_less(peer),
        figure,
        unit: " × faster",
        target: Target::AtLeast(target),
        holds: true,
    }
}

/// A file's bytes.
fn file(models: &Path, name: &str) -> Result<f64> {
    let path = models.join(name);
    Ok(std::fs::metadata(&path).context(|| format!("reading {}", path.display()))?.len() as f64)
}

fn memory(taken: f64, weights: f64) -> Line {
    Line {
        work: "qwen2.5-0.5b, Q4_0, eight texts of 1,000 tokens: memory beyond what is kept of them, against the file's size".into(),
        ours: megabytes(taken),
        peer: megabytes(weights),
        figure: (taken - weights) / 1e6,
        unit: " MB more",
        target: Target::AtMost(MEMORY),
        holds: true,
    }
}
