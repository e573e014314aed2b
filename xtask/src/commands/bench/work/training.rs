//! Training XGBoost on a table: time and memory, against the library in Python.

use std::ffi::OsStr;

use super::super::place::Place;
use super::super::report::{Line, Target, megabytes, seconds};
use super::super::session::Session;
use super::super::statistics::{alternate, median};
use super::{HIGGS_FEATURES, higgs};
use crate::error::Result;

const RUNS: usize = 3;
const TREES: usize = 100;

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    let mut session = place.session()?;
    session.run("SET pgml.max_threads = 1;")?;
    let memory = peak(&mut session, place.rows)?;
    let mut peer = place.peer("train.py", &[OsStr::new(&TREES.to_string())])?;
    let (ours, peer) = alternate(RUNS, || session.time(&train(TREES)), || peer.measure("train"))?;
    let of = |names: &[&str]| {
        median(&peer.iter().map(|run| names.iter().map(|name| run.number(name)).sum()).collect::<Vec<f64>>())
    };
    let ours = median(&ours);
    let line = |work: &str, peer: f64, most: f64| Line {
        work: work.into(),
        ours: seconds(ours),
        peer: seconds(peer),
        figure: ours / peer,
        unit: " ×",
        target: Target::AtMost(most),
        holds: true,
    };
    Ok(vec![
        line(
            "`train` with XGBoost, 100 trees × 28, one thread, from table to stored model, against the library's \
             construction + training in Python",
            of(&["construct", "train"]),
            1.25,
        ),
        line("the same, against binary COPY into numpy + that", of(&["copy", "construct", "train"]), 1.0),
        memory,
    ])
}

fn train(trees: usize) -> String {
    format!(
        "SELECT * FROM pgml.train('higgs training', 'classification', 'higgs', 'target', algorithm => 'xgboost', \
         hyperparams => '{{\"n_estimators\": {trees}, \"max_depth\": 6}}', test_size => 0);"
    )
}

/// The most memory that the backend has beyond what it had before: its first training, with the library's load.
fn peak(session: &mut Session, rows: usize) -> Result<Line> {
    // Pages of the shared buffers count as the backend's once it has touched them. They are not the training's.
    session.run(&format!("SELECT count(ARRAY[{}]) FROM higgs;", higgs()))?;
    let backend = session.backend()?;
    let before = backend.begin_peak()?;
    // The peak is reached while the library's matrix is made, and with the first trees.
    session.run(&train(10))?;
    let peak = backend.peak()? - before;
    let matrix = (rows * HIGGS_FEATURES * size_of::<f32>()) as f64;
    Ok(Line {
        work: "memory of the backend while it trains on 28 features, beyond what it had".into(),
        ours: megabytes(peak),
        peer: format!("{} as a matrix of f32", megabytes(matrix)),
        figure: peak / matrix,
        unit: " ×",
        target: Target::AtMost(2.5),
        holds: true,
    })
}
