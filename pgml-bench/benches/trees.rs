//! Prediction with boosted trees: one row, and blocks of rows. `trees.py` times XGBoost itself on the same model.
//!
//! Needs the XGBoost library (`PGML_XGBOOST_LIBRARY`) to train the models.

#![allow(missing_docs, reason = "criterion_group! makes a public function without one")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pgml_core::{Dataset, MatrixRef, Model, Run, Task};
use serde_json::json;

const N_TRAIN: usize = 20_000;
const N_ROWS: usize = 20_000;

/// Rows of numbers from 0 to 1: a congruential generator that `trees.py` has too.
fn rows(n_rows: usize, n_features: usize) -> Vec<f64> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 40) as u32) / f64::from(1 << 24)
    };
    (0..n_rows * n_features).map(|_| next()).collect()
}

fn model(n_trees: usize, n_features: usize) -> Box<dyn Model> {
    let x = rows(N_TRAIN, n_features);
    let y = x.chunks(n_features).map(|r| r[0] + r[1] * r[2] + (10.0 * r[3]).sin() + r[4] * r[5]).collect();
    let data = Dataset::from_rows(&x, n_features).and_then(|d| d.with_target(y)).expect("rows and targets");
    let params = json!({"n_estimators": n_trees, "max_depth": 6});
    let xgboost = pgml_models::algorithm("xgboost").expect("registered");
    let params = params.as_object().expect("an object");
    xgboost.fit(params, &data, Task::Regression, &Run::new()).expect("the XGBoost library is installed")
}

fn predict(c: &mut Criterion) {
    for (n_trees, n_features) in [(25, 10), (100, 28)] {
        let model = model(n_trees, n_features);
        let x = rows(N_ROWS, n_features);
        let mut group = c.benchmark_group(format!("xgboost model of {n_trees} trees x {n_features} features"));
        let mut at = 0;
        group.bench_function("one row", |b| {
            b.iter(|| {
                at = (at + 1) % N_ROWS;
                let row = MatrixRef::new(&x[at * n_features..][..n_features], n_features).expect("a row");
                let mut out = [0.0];
                model.predict_into(black_box(row), &mut out).expect("a prediction");
                out[0]
            });
        });
        group.throughput(Throughput::Elements(N_ROWS as u64));
        let mut out = vec![0.0; N_ROWS];
        let all = MatrixRef::new(&x, n_features).expect("rows");
        group.bench_function(BenchmarkId::new("batch", N_ROWS), |b| {
            b.iter(|| model.predict_into(black_box(all), &mut out).expect("predictions"));
        });
        group.finish();
    }
}

criterion_group!(benches, predict);
criterion_main!(benches);
