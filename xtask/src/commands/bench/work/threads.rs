//! Two threads against one: on a machine with nothing else to do, and beside a process that keeps one core busy.

use std::process::{Child, Command, Stdio};

use super::super::place::Place;
use super::super::report::{Line, Target, seconds};
use super::super::session::Session;
use super::super::statistics::{alternate, median};
use crate::error::{Context, Result};

const RUNS: usize = 3;

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    let (mut one, mut two) = (place.session()?, place.session()?);
    one.run("SET pgml.max_threads = 1;")?;
    two.run("SET pgml.max_threads = 2;")?;
    let mut lines = Vec::new();
    for algorithm in ["xgboost", "lightgbm", "random_forest"] {
        lines.push(compare(algorithm, "beside a busy neighbour", &mut one, &mut two, Some(Neighbour::start()?), 1.3)?);
        lines.push(compare(algorithm, "idle", &mut one, &mut two, None, 0.65)?);
    }
    Ok(lines)
}

fn compare(
    algorithm: &str,
    condition: &str,
    one: &mut Session,
    two: &mut Session,
    neighbour: Option<Neighbour>,
    most: f64,
) -> Result<Line> {
    let (two, one) = alternate(RUNS, || two.time(&train(algorithm)), || one.time(&train(algorithm)))?;
    drop(neighbour);
    let (two, one) = (median(&two), median(&one));
    Ok(Line {
        work: format!("`train` with {algorithm}, two threads against one, {condition}"),
        ours: seconds(two),
        peer: format!("{} with one", seconds(one)),
        figure: two / one,
        unit: " ×",
        target: Target::AtMost(most),
        holds: true,
    })
}

fn train(algorithm: &str) -> String {
    let (rows, trees) = if algorithm == "random_forest" { ("forest_rows", 50) } else { ("thread_rows", 50) };
    format!(
        "SELECT * FROM pgml.train('threads {algorithm}', 'classification', '{rows}', 'target', \
         algorithm => '{algorithm}', hyperparams => '{{\"n_estimators\": {trees}}}', test_size => 0);"
    )
}

/// A process that computes without end, until dropped.
struct Neighbour(Child);

impl Neighbour {
    fn start() -> Result<Self> {
        let mut busy = Command::new("sh");
        busy.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
        Ok(Self(busy.spawn().context(|| "starting a busy neighbour".into())?))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
