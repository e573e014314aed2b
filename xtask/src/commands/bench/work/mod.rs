//! What is measured: one file per kind of work.

mod algorithms;
mod classification;
mod embedding;
mod embedding_in_sql;
mod forest;
mod generation;
mod generation_in_sql;
mod single_rows;
mod table_scan;
mod threads;
mod training;
mod whole_table;

use super::place::Place;
use super::report::Line;
use crate::error::Result;

/// One kind of work.
pub struct Work {
    /// As it is chosen on the command line.
    pub name: &'static str,
    /// What it is, in words.
    pub what: &'static str,
    pub measure: fn(&Place) -> Result<Vec<Line>>,
}

/// Everything that is measured, in the order of the table.
pub const WORKS: &[Work] = &[
    Work { name: "single", what: "predictions of single rows", measure: single_rows::measure },
    Work { name: "scan", what: "predictions in a scan of a table of ten features", measure: table_scan::measure },
    Work { name: "table", what: "predictions of a whole table, against XGBoost", measure: whole_table::measure },
    Work { name: "train", what: "training XGBoost: time and memory", measure: training::measure },
    Work { name: "forest", what: "random forest, against scikit-learn", measure: forest::measure },
    Work { name: "algorithms", what: "every algorithm, against its original", measure: algorithms::measure },
    Work { name: "embed", what: "embeddings, against onnxruntime and PyTorch", measure: embedding::measure },
    Work { name: "classify", what: "classification of texts, against onnxruntime", measure: classification::measure },
    Work { name: "generate", what: "text generation, against llama.cpp and PyTorch", measure: generation::measure },
    Work {
        name: "connections",
        what: "text generation of many sessions, through SQL",
        measure: generation_in_sql::measure,
    },
    Work { name: "threads", what: "two threads, idle and beside a neighbour", measure: threads::measure },
];

/// The features of the table `flights`.
const FLIGHTS: &str = "year, month, day, weekday, hour, minute, origin, destination, distance, duration";
/// How many the table `higgs` has: `x1` to `x28`.
const HIGGS_FEATURES: usize = 28;

/// `x1, x2, …`: the features of the table `higgs`.
fn higgs() -> String {
    (1..=HIGGS_FEATURES).map(|i| format!("x{i}")).collect::<Vec<_>>().join(", ")
}

/// Trains XGBoost in SQL as a project of the same name as its rows, for predictions to be measured.
fn train_on_sample(place: &Place, project: &str, label: &str, trees: usize) -> Result<()> {
    let mut session = place.session()?;
    let train = format!(
        "SELECT * FROM pgml.train('{project}', 'regression', '{project}_sample', '{label}', algorithm => 'xgboost', \
         hyperparams => '{{\"n_estimators\": {trees}, \"max_depth\": 6}}');"
    );
    session.run(&train).map(drop)
}
