//! Fits of every algorithm that needs no foreign library, at its defaults, on 10,000 rows of 20 features.

#![allow(missing_docs, reason = "criterion_group! makes a public function without one")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pgml_core::{Dataset, Run, Task};
use pgml_models::ALGORITHMS;
use serde_json::Map;

const N_ROWS: usize = 10_000;
const N_FEATURES: usize = 20;
/// They load libraries, which a benchmark of ours does not measure.
const FOREIGN: &[&str] = &["xgboost", "lightgbm"];
/// Quadratic in the rows.
const SLOW: &[&str] = &["svm"];

fn data(task: Task, n_rows: usize) -> Dataset {
    let mut rng = Run::new().rng(0);
    let x: Vec<f64> = (0..n_rows * N_FEATURES).map(|_| rng.f64() * 2.0 - 1.0).collect();
    let y: Vec<f64> = x.chunks_exact(N_FEATURES).map(|x| x[0] + x[1] * x[2] - 0.5 * x[3] + rng.f64() - 0.5).collect();
    let rows = Dataset::from_rows(&x, N_FEATURES).expect("whole rows");
    match task {
        Task::Regression => rows.with_target(y).expect("one value per row"),
        Task::Classification => {
            rows.with_classes(y.iter().map(|y| f64::from(u8::from(*y > 0.0))).collect(), 2).expect("two classes")
        }
        _ => rows,
    }
}

fn fit(c: &mut Criterion) {
    let mut group = c.benchmark_group("fit");
    group.sample_size(10);
    for algorithm in ALGORITHMS.iter().filter(|a| !FOREIGN.contains(&a.name())) {
        let n_rows = if SLOW.contains(&algorithm.name()) { N_ROWS / 10 } else { N_ROWS };
        for task in algorithm.tasks() {
            let data = data(*task, n_rows);
            let name = format!("{}_{task}_{n_rows}_rows", algorithm.name());
            group.bench_function(name, |b| {
                b.iter(|| black_box(algorithm.fit(&Map::new(), &data, *task, &Run::new()).map(|model| model.bytes())));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, fit);
criterion_main!(benches);
