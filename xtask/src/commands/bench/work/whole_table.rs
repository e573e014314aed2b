//! A whole table with a larger model: in SQL, against XGBoost in Python with the rows fetched or held.

use std::ffi::OsStr;
use std::fs;

use super::super::peer::Peer;
use super::super::place::Place;
use super::super::report::{Line, Target, seconds};
use super::super::session::Session;
use super::super::statistics::median;
use super::higgs;
use crate::error::{Context, Result};

const RUNS: usize = 3;
/// The forms in SQL, and in Python.
const FORMS: [&str; 3] = ["predict", "predict_batch", "predict_agg"];
const WAYS: [(&str, &str, f64); 3] = [
    ("fetchall", "psycopg `fetchall` + XGBoost", 5.0),
    ("copy", "binary COPY into numpy + XGBoost", 1.5),
    ("held", "XGBoost on rows that Python holds", 1.0),
];

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    let model = place.file("higgs.ubj");
    let mut peer = place.peer("predict.py", &[OsStr::new(&model)])?;
    let mut session = place.session()?;
    import(&mut session, &fs::read(&model).context(|| format!("reading {}", model.display()))?)?;
    let mut measured = Measured::default();
    for _ in 0..RUNS {
        measured.take_turns(&mut session, &mut peer)?;
    }
    Ok(measured.lines())
}

/// Both sides predict with the same model.
fn import(session: &mut Session, model: &[u8]) -> Result<()> {
    let hex: String = model.iter().map(|byte| format!("{byte:02x}")).collect();
    let import = format!("SELECT pgml.import_model('imported', decode('{hex}', 'hex'), 'xgboost');");
    let id = session.run(&import)?.rows;
    session.run(&format!("SELECT pgml.deploy({id});")).map(drop)
}

#[derive(Default)]
struct Measured {
    ours: [Vec<f64>; FORMS.len()],
    peer: [Vec<f64>; WAYS.len()],
    /// The largest difference of the sums of all predictions, relative to Python's.
    difference: f64,
}

impl Measured {
    fn take_turns(&mut self, session: &mut Session, peer: &mut Peer) -> Result<()> {
        let features = higgs();
        // As in Python, the sum is not counted where there is an array to be had.
        let statements = [
            format!("SELECT sum(pgml.predict('imported', ARRAY[{features}])::float8) FROM higgs;"),
            format!(
                "SELECT sum(p::float8) FROM \
                 (SELECT pgml.predict_batch('imported', array_agg(ARRAY[{features}])) AS p FROM higgs) AS s;"
            ),
            format!("SELECT cardinality(pgml.predict_agg('imported', ARRAY[{features}])) FROM higgs;"),
        ];
        // The predictions that were counted, for comparison with Python's. The model was imported: it knows no column names.
        let sum_of_all = format!(
            "SELECT sum(p::float8) FROM \
             (SELECT pgml.predict_agg('imported', ARRAY[{features}]) AS a FROM higgs) AS s, unnest(a) AS p;"
        );
        let mut sums = Vec::new();
        for ((seconds, sql), form) in self.ours.iter_mut().zip(statements).zip(FORMS) {
            let answer = session.run(&sql)?;
            seconds.push(answer.seconds);
            let sum = if form == "predict_agg" { session.run(&sum_of_all)?.rows } else { answer.rows };
            sums.push(sum.parse().unwrap_or(f64::NAN));
        }
        for (seconds, (way, _, _)) in self.peer.iter_mut().zip(WAYS) {
            let answer = peer.measure(way)?;
            seconds.push(answer.number("seconds"));
            for sum in &sums {
                let difference = ((sum - answer.number("sum")) / answer.number("sum")).abs();
                // `max` would lose a NaN.
                self.difference =
                    if difference > self.difference || difference.is_nan() { difference } else { self.difference };
            }
        }
        Ok(())
    }

    fn lines(&self) -> Vec<Line> {
        let ours = self.ours.each_ref().map(|times| median(times));
        let best = ours.iter().copied().fold(f64::INFINITY, f64::min);
        let all: Vec<String> =
            FORMS.iter().zip(ours).map(|(form, time)| format!("{} `{form}`", seconds(time))).collect();
        WAYS.iter()
            .zip(&self.peer)
            .map(|((_, what, least), times)| Line {
                work: format!("100 trees × 28 over the table, one thread, against {what}"),
                ours: all.join(", "),
                peer: seconds(median(times)),
                figure: median(times) / best,
                unit: " × faster",
                target: Target::AtLeast(*least),
                holds: self.difference < 1e-5,
            })
            .collect()
    }
}
