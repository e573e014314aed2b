//! Every algorithm against its original, one thread each: fits, single rows, and 100,000 rows.

use std::process::Command;

use serde_json::Value;

use super::super::peer::{self, Peer};
use super::super::place::Place;
use super::super::report::{Line, Target};
use super::super::statistics::{alternate, median};
use super::embedding::time;
use crate::error::{Context, Error, Result};
use crate::extension::cargo;
use crate::step::step;
use crate::{places, process};

/// Slow fits are made less often.
const RUNS: usize = 3;
/// What takes longer on either side is measured once.
const LONG: f64 = 5.0;

/// What is measured of one algorithm.
struct Case {
    number: usize,
    name: String,
    predicts: bool,
    is_of_trees: bool,
}

/// What was measured: ours and the original's, in seconds.
struct Times {
    fit: (f64, f64),
    one: (f64, f64),
    many: (f64, f64),
}

/// Algorithms whose models are trees: they have another target for many rows.
const TREES: &[&str] = &[
    "decision_tree",
    "extra_trees",
    "random_forest",
    "bagging",
    "ada_boost",
    "gradient_boosting_trees",
    "hist_gradient_boosting",
    "catboost",
    "isolation_forest",
];

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    let list = peer::folder().join("algorithms.json");
    let cases = read(&list)?;
    let targets = ["--bin", "algorithms", "--example", "reference"];
    process::run(cargo()?.args(["build", "--release"]).args(targets))?;
    let mut other = place.peer("algorithms.py", &[list.as_os_str(), place.files().as_os_str()])?;
    let mut program = Command::new(places::target()?.join("release/algorithms"));
    program.arg(&list).arg(place.files());
    let mut ours = Peer::run(program, "our side")?;
    let mut lines = Vec::new();
    let mut ratios = Vec::new();
    for case in cases {
        step(&case.name);
        let times = case.times(&mut ours, &mut other)?;
        ratios.push(times.fit.0 / times.fit.1);
        lines.push(case.line(&times));
    }
    let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    lines.push(Line {
        work: format!("geometric mean of the {} fits", ratios.len()),
        ours: String::new(),
        peer: String::new(),
        figure: mean,
        unit: " ×",
        target: Target::AtMost(0.7),
        holds: true,
    });
    Ok(lines)
}

fn read(list: &std::path::Path) -> Result<Vec<Case>> {
    let text = std::fs::read_to_string(list).context(|| format!("reading {}", list.display()))?;
    let json: Vec<Value> = serde_json::from_str(&text).map_err(|e| Error::new(format!("{}: {e}", list.display())))?;
    let case = |(number, case): (usize, &Value)| {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let algorithm = text("algorithm");
        let original = text("peer").rsplit('.').next().unwrap_or_default();
        let params = if case["params"].as_object().is_some_and(|p| !p.is_empty()) {
            format!(" {}", case["params"])
        } else {
            String::new()
        };
        Case {
            number,
            name: format!("`{algorithm}`{params}, {} rows, against {original}", case["rows"]),
            predicts: case["predict"] != Value::Bool(false),
            is_of_trees: TREES.contains(&algorithm),
        }
    };
    Ok(json.iter().enumerate().map(case).collect())
}

impl Case {
    fn times(&self, ours: &mut Peer, other: &mut Peer) -> Result<Times> {
        let name = |what: &str| format!("{} {what}", self.number);
        let mut pair = |what: &str, runs: usize| -> Result<(f64, f64)> {
            let (a, b) = alternate(runs, || time(ours, &name(what)), || time(other, &name(what)))?;
            Ok((median(&a), median(&b)))
        };
        let mut once_or_more = |what: &str| -> Result<(f64, f64)> {
            let first = pair(what, 1)?;
            if first.0.max(first.1) > LONG { Ok(first) } else { pair(what, RUNS) }
        };
        let fit = once_or_more("fit")?;
        if !self.predicts {
            return Ok(Times { fit, one: (f64::NAN, f64::NAN), many: (f64::NAN, f64::NAN) });
        }
        Ok(Times { fit, one: once_or_more("one")?, many: once_or_more("many")? })
    }

    fn line(&self, times: &Times) -> Line {
        let shown = |fit: f64, one: f64, many: f64| {
            if one.is_nan() {
                amount(fit)
            } else {
                format!("{}; one row {}; 100,000 rows {}", amount(fit), amount(one), amount(many))
            }
        };
        let least_of_many = if self.is_of_trees { 1.5 } else { 1.0 / 1.2 };
        let quick = times.one.1 / times.one.0 >= 20.0 && times.many.1 / times.many.0 >= least_of_many;
        Line {
            work: self.name.clone(),
            ours: shown(times.fit.0, times.one.0, times.many.0),
            peer: shown(times.fit.1, times.one.1, times.many.1),
            figure: times.fit.0 / times.fit.1,
            unit: " ×",
            target: Target::AtMost(1.5),
            holds: quick || !self.predicts,
        }
    }
}

/// Seconds in the unit that one reads.
fn amount(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
