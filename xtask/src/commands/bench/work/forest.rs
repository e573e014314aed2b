//! Random forest on 20,000 rows, against scikit-learn: time, and accuracy on 20,000 others.

use super::super::place::Place;
use super::super::report::{Line, Target, seconds};
use super::super::statistics::{alternate, median};
use super::higgs;
use crate::error::Result;

const RUNS: usize = 3;
/// Accuracies over 20,000 rows differ this much by the seed alone.
const SAME_ACCURACY: f64 = 0.005;

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    let mut session = place.session()?;
    session.run("SET pgml.max_threads = 1;")?;
    let mut peer = place.peer("forest.py", &[])?;
    let train = "SELECT * FROM pgml.train('forest', 'classification', 'forest_rows', 'target', \
                 algorithm => 'random_forest', hyperparams => '{\"n_estimators\": 100}', test_size => 0);";
    let (ours, peer) = alternate(RUNS, || session.time(train), || peer.measure("fit"))?;
    let of = |name: &str| median(&peer.iter().map(|run| run.number(name)).collect::<Vec<f64>>());
    let right = format!("(pgml.predict('forest', ARRAY[{}]) = target)::integer", higgs());
    let accuracy = session.run(&format!("SELECT avg({right}) FROM forest_test;"))?.rows;
    let accuracy: f64 = accuracy.parse().unwrap_or(f64::NAN);
    let (ours, peer, peer_accuracy) = (median(&ours), of("seconds"), of("accuracy"));
    Ok(vec![Line {
        work: "`train` with random_forest, 100 trees, 20,000 × 28, one thread, against scikit-learn's `fit`".into(),
        ours: format!("{}, accuracy {accuracy:.4}", seconds(ours)),
        peer: format!("{}, accuracy {peer_accuracy:.4}", seconds(peer)),
        figure: ours / peer,
        unit: " ×",
        target: Target::AtMost(0.5),
        holds: accuracy >= peer_accuracy - SAME_ACCURACY,
    }])
}
