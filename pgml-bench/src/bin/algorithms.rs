//! Our side of the comparison of every algorithm with its original: `pgml-bench/peers/algorithms.py` says what is measured.
//!
//! Arguments: the list of cases, and the folder of the data. One thread.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use pgml_core::{Dataset, MatrixRef, Model, Run, Task};
use pgml_models::algorithm;
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

const MANY: usize = 100_000;
/// Single rows that are predicted one after another.
const ONE: usize = 2_000;
/// Rows that scores are made of.
const SCORED: usize = 20_000;

struct Rows {
    x: Vec<f64>,
    y: Vec<f64>,
    n_features: usize,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, cases, folder] = arguments.as_slice() else { return Err("usage: algorithms CASES FOLDER".into()) };
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(cases)?)?;
    let mut fitted: HashMap<usize, Box<dyn Model>> = HashMap::new();
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", json!({"ready": true}))?;
    output.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (number, what) = line.trim().split_once(' ').ok_or("no such measurement")?;
        let number: usize = number.parse()?;
        let case = cases.get(number).ok_or("no such case")?;
        let answer = match what {
            "fit" => {
                let (model, answer) = fit(case, Path::new(folder))?;
                fitted.insert(number, model);
                answer
            }
            _ => predict(case, Path::new(folder), fitted.get(&number).ok_or("not fitted")?.as_ref(), what == "one")?,
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn read(case: &Value, folder: &Path, rows: usize) -> Outcome<Rows> {
    let kind = case["data"].as_str().unwrap_or_default();
    let bytes = std::fs::read(folder.join(format!("{kind}-{rows}.bin")))?;
    let width = if kind == "narrow" { 6 } else { 21 };
    let numbers: Vec<f64> =
        bytes.chunks_exact(8).map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])).collect();
    let x = numbers.chunks_exact(width).flat_map(|row| row[..width - 1].iter().copied()).collect();
    let y = numbers.chunks_exact(width).map(|row| row[width - 1]).collect();
    Ok(Rows { x, y, n_features: width - 1 })
}

fn fit(case: &Value, folder: &Path) -> Outcome<(Box<dyn Model>, Value)> {
    let task: Task = case["task"].as_str().unwrap_or_default().parse()?;
    let rows = read(case, folder, case["rows"].as_u64().unwrap_or(0) as usize)?;
    let data = Dataset::from_rows(&rows.x, rows.n_features)?;
    let data = match task {
        Task::Regression => data.with_target(rows.y.clone())?,
        Task::Classification => data.with_classes(rows.y.clone(), 3)?,
        _ => data,
    };
    let algorithm = algorithm(case["algorithm"].as_str().unwrap_or_default())?;
    let params = case["params"].as_object().cloned().unwrap_or_default();
    let clock = Instant::now();
    let model = algorithm.fit(&params, &data, task, &Run::new())?;
    let seconds = clock.elapsed().as_secs_f64();
    let score = score(task, model.as_ref(), &rows)?;
    Ok((model, json!({"seconds": seconds, "score": score})))
}

fn score(task: Task, model: &dyn Model, rows: &Rows) -> Outcome<f64> {
    let n = SCORED.min(rows.y.len());
    if !matches!(task, Task::Regression | Task::Classification) {
        return Ok(f64::NAN);
    }
    let mut out = vec![0.0; n];
    model.predict_into(MatrixRef::new(&rows.x[..n * rows.n_features], rows.n_features)?, &mut out)?;
    let y = &rows.y[..n];
    if task == Task::Classification {
        return Ok(y.iter().zip(&out).filter(|(a, b)| a == b).count() as f64 / n as f64);
    }
    Ok(pgml_core::metrics::r2(y, &out))
}

fn predict(case: &Value, folder: &Path, model: &dyn Model, one: bool) -> Outcome<Value> {
    let rows = read(case, folder, MANY)?;
    let n = if one { 1 } else { case["many"].as_u64().map_or(MANY, |n| n as usize) };
    let transformer = model.transformer();
    let width = transformer.map_or(model.n_outputs(), |t| t.n_components());
    let mut out = vec![0.0; n * width];
    let mut ask = |x: &[f64]| -> Outcome<()> {
        let rows = MatrixRef::new(x, rows.n_features)?;
        match transformer {
            Some(transformer) => transformer.transform_into(rows, &mut out)?,
            None => model.predict_into(rows, &mut out)?,
        }
        black_box(&out);
        Ok(())
    };
    let clock = Instant::now();
    if !one {
        ask(&rows.x[..n * rows.n_features])?;
        return Ok(json!({"seconds": clock.elapsed().as_secs_f64()}));
    }
    // As many rows as a fifth of a second allows, so that slow models end too.
    let mut asked = 0;
    for row in rows.x.chunks_exact(rows.n_features).take(ONE) {
        ask(row)?;
        asked += 1;
        if clock.elapsed().as_secs_f64() > 0.2 {
            break;
        }
    }
    Ok(json!({"seconds": clock.elapsed().as_secs_f64() / f64::from(asked)}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_compared_with_its_original() {
        let cases: Vec<Value> = serde_json::from_str(include_str!("../../peers/algorithms.json")).expect("JSON");
        for case in &cases {
            let name = case["algorithm"].as_str().expect("a name");
            let found = algorithm(name).expect("registered");
            let task: Task = case["task"].as_str().expect("a task").parse().expect("a task");
            assert!(found.tasks().contains(&task), "{name} for {task}");
            found.resolve_params(case["params"].as_object().expect("an object")).expect("valid");
        }
        // Those that are the original have a comparison of their own; isotonic regression takes one feature alone.
        let apart = ["xgboost", "xgboost_random_forest", "lightgbm", "isotonic"];
        let is_compared = |name: &str| apart.contains(&name) || cases.iter().any(|case| case["algorithm"] == name);
        let missing: Vec<&str> =
            pgml_models::ALGORITHMS.iter().map(|a| a.name()).filter(|name| !is_compared(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
