//! What a fit costs when rows double: the table of it in `docs/speed.md`.
//!
//! Every algorithm is given the same work per row (a number of iterations, a depth), so that twice the rows should take
//! twice the time. Of several fits the quickest counts, as other work on the machine makes fits slower and never quicker.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use pgml_core::{Dataset, Run, Task};
use pgml_models::algorithm;
use serde_json::{Value, json};

const N_FEATURES: usize = 20;
const ROWS: [usize; 5] = [25_000, 50_000, 100_000, 200_000, 400_000];
const FITS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let series = [
        ("decision_tree", Task::Classification, json!({"max_depth": 10})),
        ("random_forest", Task::Classification, json!({"n_estimators": 10, "max_depth": 10})),
        ("hist_gradient_boosting", Task::Classification, json!({"early_stopping": false, "max_iter": 20})),
        ("stochastic_gradient_descent", Task::Classification, json!({"max_iter": 5, "tol": null})),
        ("kmeans", Task::Clustering, json!({"n_init": 1, "max_iter": 20, "tol": 0.0})),
    ];
    let sets: Vec<Dataset> = ROWS.iter().map(|rows| data(*rows)).collect::<Result<_, _>>()?;
    println!("| fit |{} growth per doubling |", ROWS.map(|rows| format!(" {} rows |", with_commas(rows))).concat());
    println!("|{}", "---|".repeat(ROWS.len() + 2));
    for (name, task, params) in &series {
        let seconds = sets.iter().map(|set| quickest(name, *task, params, set)).collect::<Result<Vec<f64>, _>>()?;
        let growth = (seconds[ROWS.len() - 1] / seconds[0]).powf(1.0 / (ROWS.len() - 1) as f64);
        let cells: String = seconds.iter().map(|seconds| format!(" {:.0} ms |", 1e3 * seconds)).collect();
        println!("| `{name}`, {params} |{cells} {growth:.2} × |");
    }
    Ok(())
}

/// Two classes that a smooth signal with interactions tells apart, but for noise.
fn data(n_rows: usize) -> pgml_core::Result<Dataset> {
    let mut rng = Run::new().rng(0);
    let x: Vec<f64> = (0..n_rows * N_FEATURES).map(|_| f64::from(rng.f32() * 2.0 - 1.0)).collect();
    let mut signal = |x: &[f64]| x[0] + x[1] * x[2] + x[3] * x[3] - 0.5 * x[4] + 0.5 * x[5] * x[6] + rng.f64() - 0.5;
    let classes = x.chunks_exact(N_FEATURES).map(|x| f64::from(u8::from(signal(x) > 0.3))).collect();
    Dataset::from_rows(&x, N_FEATURES)?.with_classes(classes, 2)
}

/// Seconds of the quickest of several fits on one thread.
fn quickest(name: &str, task: Task, params: &Value, data: &Dataset) -> Result<f64, Box<dyn Error>> {
    let (algorithm, params) = (algorithm(name)?, params.as_object().cloned().unwrap_or_default());
    let mut quickest = f64::INFINITY;
    for _ in 0..FITS {
        let clock = Instant::now();
        black_box(algorithm.fit(&params, data, task, &Run::new())?);
        quickest = quickest.min(clock.elapsed().as_secs_f64());
    }
    Ok(quickest)
}

/// `25,000`.
fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
    if head.is_empty() { tail.to_owned() } else { format!("{head},{tail}") }
}
