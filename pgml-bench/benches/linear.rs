//! `linear`, `kmeans` and `pca` on 100,000 rows of 28 features, `svm` on digits, one thread.
//!
//! `kmeans` ends after 30 iterations, or the times would tell how soon either happens to converge.
//! Compare with scikit-learn on data of the same distribution in the same hour: `benches/linear.py`.

#![allow(missing_docs, reason = "criterion_group! makes a public function without one")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use pgml_core::{Dataset, Run, Task, Values, datasets};
use pgml_models::algorithm;
use serde_json::{Value, json};

const N_ROWS: usize = 100_000;
const N_FEATURES: usize = 28;
const DIGITS: usize = 1347;

/// Uniform features, and a linear signal with noise.
fn data() -> (Dataset, Vec<f64>) {
    let mut rng = Run::new().rng(0);
    let x: Vec<f64> = (0..N_ROWS * N_FEATURES).map(|_| rng.f64() * 2.0 - 1.0).collect();
    let y = x.chunks_exact(N_FEATURES).map(|x| x[0] + x[1] - 0.5 * x[2] + x[3] * x[4] + rng.f64() - 0.5).collect();
    (Dataset::from_rows(&x, N_FEATURES).expect("whole rows"), y)
}

/// The first digits, three in four of them.
fn digits() -> Dataset {
    let table = datasets::find("digits").expect("built in").table().expect("embedded");
    let (mut rows, mut classes) = (Vec::new(), Vec::new());
    for column in &table.columns {
        match &column.values {
            Values::Array(elements) => {
                for row in 0..DIGITS {
                    rows.extend(elements.iter().map(|pixel| pixel.get(row)));
                }
            }
            Values::Number(labels) => classes = labels.iter().take(DIGITS).collect(),
            Values::Text { .. } => {}
        }
    }
    Dataset::from_rows(&rows, rows.len() / DIGITS).and_then(|d| d.with_classes(classes, 10)).expect("whole digits")
}

fn fits(c: &mut Criterion) {
    let (data, y) = data();
    let classes = y.iter().map(|y| f64::from(u8::from(*y > 0.3))).collect();
    let regression = data.clone().with_target(y).expect("targets");
    let classification = data.clone().with_classes(classes, 2).expect("classes");
    let fits = [
        ("linear", Task::Regression, &regression, json!({})),
        ("linear", Task::Classification, &classification, json!({})),
        ("kmeans", Task::Clustering, &data, json!({"n_clusters": 10, "max_iter": 30})),
        ("pca", Task::Decomposition, &data, json!({"n_components": 10})),
        ("svm", Task::Classification, &digits(), json!({})),
    ];
    let mut group = c.benchmark_group("linear");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for (name, task, data, params) in fits {
        let Value::Object(params) = params else { continue };
        let algorithm = algorithm(name).expect("registered");
        let fit = || algorithm.fit(&params, data, task, &Run::new()).expect("fits");
        group.bench_function(format!("{name}_{task}"), |b| b.iter(|| black_box(fit())));
    }
    group.finish();
}

criterion_group!(benches, fits);
criterion_main!(benches);
