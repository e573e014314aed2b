//! A forest on its way to its stored form and back: what `pgml.train` pays at its end, and a session's first prediction.

#![allow(missing_docs, reason = "criterion_group! makes a public function without one")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pgml_core::train::{TrainRequest, train};
use pgml_core::{Run, Task, datasets};
use pgml_models::algorithm;
use pgml_store::{Artifact, export};

fn store(c: &mut Criterion) {
    let algorithm = algorithm("random_forest").expect("registered");
    let table = datasets::find("digits").and_then(|set| set.table()).expect("built in");
    let request = TrainRequest::new(algorithm, Task::Classification, &["target"]);
    let trained = train(&request, table, &Run::new()).expect("digits can be learnt");
    let artifact = Artifact::of_trained(&trained, algorithm).expect("a stored form");
    let exported = export::write(&artifact).expect("an export");

    let mut group = c.benchmark_group(format!("store/random_forest_on_digits_{}_KiB", exported.len() / 1024));
    group.bench_function("encode", |b| b.iter(|| black_box(Artifact::of_trained(&trained, algorithm))));
    group.bench_function("export", |b| b.iter(|| black_box(export::write(&artifact))));
    group.bench_function("read_and_check", |b| b.iter(|| black_box(export::read(&exported))));
    group.bench_function("decode", |b| b.iter(|| black_box(artifact.predictor(&pgml_models::algorithm))));
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
