//! Classification of texts in DistilBERT's shape, against onnxruntime.

use std::process::Command;

use super::super::peer::{self, Peer};
use super::super::place::Place;
use super::super::report::Line;
use super::super::statistics::{alternate, median};
use super::embedding::{faster, time};
use crate::error::Result;
use crate::extension::cargo;
use crate::{places, process};

const RUNS: usize = 5;

/// Measurements, which both sides call the same, and how many times faster ours should be.
const WORKS: [(&str, &str, f64); 3] = [
    ("f32, one text of 64 tokens", "f32 2 1x64", 1.0),
    ("f32, 32 × 64 tokens", "f32 2 32x64", 1.0),
    ("int8, 32 × 64 tokens", "int8 2 32x64", 1.0),
];

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    let targets = ["--features", "pgml-bench/transformers", "--bin", "classification", "--example", "reference"];
    process::run(cargo()?.args(["build", "--release"]).args(targets))?;
    let python = peer::python(&peer::TRANSFORMERS)?;
    let model = place.file("distilbert");
    // It makes the model that our side reads.
    let mut other = Peer::start(&python, "classify.py", &[&model])?;
    let mut program = Command::new(places::target()?.join("release/classification"));
    program.arg(&model);
    let mut ours = Peer::run(program, "our side")?;
    let mut lines = Vec::new();
    for (work, name, target) in WORKS {
        let (a, b) = alternate(RUNS, || time(&mut ours, name), || time(&mut other, name))?;
        let work = format!("classification, DistilBERT's shape, {work}, two threads, against onnxruntime");
        lines.push(faster(&work, median(&a), median(&b), target));
    }
    Ok(lines)
}
