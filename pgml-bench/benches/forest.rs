//! `random_forest` on 20,000 rows of 28 features, 100 trees, one thread.
//!
//! Compare with scikit-learn on the same data in the same hour: `benches/forest.py`.

#![allow(missing_docs, reason = "criterion_group! makes a public function without one")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pgml_core::{Dataset, MatrixRef, Run, Task};
use pgml_models::algorithm;
use serde_json::Map;

const N_ROWS: usize = 20_000;
const N_FEATURES: usize = 28;

/// Features, and a value to predict: a smooth signal with an interaction, and noise of about the same size.
fn data() -> (Dataset, Vec<f64>) {
    let mut rng = Run::new().rng(0);
    let x: Vec<f64> = (0..N_ROWS * N_FEATURES).map(|_| f64::from(rng.f32() * 2.0 - 1.0)).collect();
    let mut value = |x: &[f64]| x[0] + x[1] * x[2] + x[3] * x[3] - 0.5 * x[4] + 0.5 * x[5] * x[6] + rng.f64() - 0.5;
    let y = x.chunks_exact(N_FEATURES).map(&mut value).collect();
    (Dataset::from_rows(&x, N_FEATURES).expect("whole rows"), y)
}

fn forest(c: &mut Criterion) {
    let (data, y) = data();
    let classes = y.iter().map(|y| f64::from(u8::from(*y > 0.3))).collect();
    let rows = data.to_rows();
    let sets = [
        (Task::Classification, data.clone().with_classes(classes, 2).expect("classes")),
        (Task::Regression, data.with_target(y).expect("targets")),
    ];
    let algorithm = algorithm("random_forest").expect("registered");
    let mut group = c.benchmark_group("random_forest/20k_x_28");
    group.sample_size(10);
    for (task, data) in sets {
        let fit = || algorithm.fit(&Map::new(), &data, task, &Run::new()).expect("a forest");
        group.bench_function(format!("fit_{task}"), |b| b.iter(|| black_box(fit())));
        let (model, rows) = (fit(), MatrixRef::new(&rows, N_FEATURES).expect("whole rows"));
        let mut out = vec![0.0; N_ROWS];
        group.bench_function(format!("predict_{task}"), |b| b.iter(|| model.predict_into(rows, &mut out)));
        let row = MatrixRef::new(&rows.as_slice()[..N_FEATURES], N_FEATURES).expect("one row");
        group.bench_function(format!("predict_one_{task}"), |b| b.iter(|| model.predict_into(row, &mut out[..1])));
    }
    group.finish();
}

criterion_group!(benches, forest);
criterion_main!(benches);
