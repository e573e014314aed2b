//! Boosting of 100 trees of 31 leaves on 255 bins: ours beside the LightGBM library at equal parameters, on one thread and
//! two; and ours on ever twice as many rows, which must take twice the time.
//!
//! `PGML_LIGHTGBM_LIBRARY` names the library. Both are given the same rows in the same minute.

#![allow(missing_docs, reason = "criterion_group! makes a public function without one")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pgml_core::{Dataset, Run, Task};
use pgml_models::algorithm;
use serde_json::{Value, json};

const N_ROWS: usize = 100_000;

/// Two classes that a smooth signal with interactions tells apart, but for noise.
fn data(n_rows: usize, n_features: usize) -> Dataset {
    let mut rng = Run::new().rng(0);
    let x: Vec<f64> = (0..n_rows * n_features).map(|_| f64::from(rng.f32() * 2.0 - 1.0)).collect();
    let mut signal = |x: &[f64]| x[0] + x[1] * x[2] + x[3] * x[3] - 0.5 * x[4] + 0.5 * x[5] * x[6] + rng.f64() - 0.5;
    let classes = x.chunks_exact(n_features).map(|x| f64::from(u8::from(signal(x) > 0.3))).collect();
    Dataset::from_rows(&x, n_features).and_then(|rows| rows.with_classes(classes, 2)).expect("two classes")
}

/// A fit, for its time; nothing where the library is absent.
fn fit(name: &str, params: &Value, data: &Dataset, threads: usize) -> Option<usize> {
    let params = params.as_object().expect("an object");
    let run = Run::new().with_threads(threads);
    let model = algorithm(name).expect("registered").fit(params, data, Task::Classification, &run);
    model.ok().map(|model| model.bytes())
}

fn beside_lightgbm(c: &mut Criterion) {
    let rivals = [
        ("hist_gradient_boosting", json!({"early_stopping": false})),
        ("lightgbm", json!({"n_estimators": 100, "num_leaves": 31, "min_child_samples": 20, "max_bin": 255})),
    ];
    for n_features in [20, 28] {
        let data = data(N_ROWS, n_features);
        let mut group = c.benchmark_group(format!("boosting/100k_x_{n_features}"));
        group.sample_size(10);
        for threads in [1, 2] {
            for (name, params) in &rivals {
                if fit(name, &json!({"n_estimators": 1}), &data, threads).is_none() {
                    continue;
                }
                let id = BenchmarkId::new(*name, format!("{threads}_threads"));
                group.bench_function(id, |b| b.iter(|| black_box(fit(name, params, &data, threads))));
            }
        }
        group.finish();
    }
}

fn doubling(c: &mut Criterion) {
    let mut group = c.benchmark_group("boosting/doubling");
    group.sample_size(10);
    for n_rows in [25_000, 50_000, 100_000, 200_000, 400_000] {
        let data = data(n_rows, 20);
        group.throughput(Throughput::Elements(n_rows as u64));
        let params = json!({"early_stopping": false, "max_iter": 20});
        group.bench_function(BenchmarkId::from_parameter(n_rows), |b| {
            b.iter(|| black_box(fit("hist_gradient_boosting", &params, &data, 1)));
        });
    }
    group.finish();
}

criterion_group!(benches, beside_lightgbm, doubling);
criterion_main!(benches);
