//! Single rows: what `predict` costs beside finding the row.

use super::super::pgbench::{latencies, transactions_per_second};
use super::super::place::Place;
use super::super::report::{Line, Target};
use super::super::session::Session;
use super::super::statistics::{alternate, median, quantile};
use super::{FLIGHTS, higgs, train_on_sample};
use crate::error::Result;

/// Alternating runs of pgbench, and the seconds that each takes.
const RUNS: usize = 5;
const SECONDS: u32 = 4;
/// Rows of the table `higgs_keyed`, and of one statement over some of them.
const KEYED_ROWS: usize = 10_000;
const BATCH: usize = 1_000;
/// Alternating statements over a batch.
const BATCHES: usize = 200;
/// Statements of one row, half of them with `predict`.
const TRANSACTIONS: u32 = 200_000;

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    train_on_sample(place, "flights", "delay", 25)?;
    train_on_sample(place, "higgs", "target", 100)?;
    let mut lines = vec![prepared_statements(place)?];
    lines.extend(added_cost(place)?);
    Ok(lines)
}

/// Transactions per second of an indexed row, with and without `predict`.
fn prepared_statements(place: &Place) -> Result<Line> {
    let select =
        |list: String| format!("\\set key random(1, {})\nSELECT {list} FROM flights WHERE key = :key;\n", place.rows);
    let with = select(format!("pgml.predict('flights', ARRAY[{FLIGHTS}])"));
    let without = select(format!("ARRAY[{FLIGHTS}]"));
    let (with, without) = alternate(
        RUNS,
        || transactions_per_second(place, "with", &with, SECONDS),
        || transactions_per_second(place, "without", &without, SECONDS),
    )?;
    let (with, without) = (median(&with), median(&without));
    Ok(Line {
        work: "pgbench, prepared, one client: `predict` of one indexed row, 25 trees × 10".into(),
        ours: format!("{with:.0} tps"),
        peer: format!("{without:.0} tps without `predict`"),
        figure: with / without,
        unit: " ×",
        target: Target::AtLeast(0.85),
        holds: true,
    })
}

/// What `predict` adds per row: within statements of many rows, and to the latency of statements of one.
fn added_cost(place: &Place) -> Result<Vec<Line>> {
    let features = higgs();
    let predict = format!("pgml.predict('higgs', ARRAY[{features}])");
    let (with, without) = batches(place, &predict, &format!("ARRAY[{features}]"))?;
    let single =
        |list: &str| format!("\\set key random(1, {KEYED_ROWS})\nSELECT {list} FROM higgs_keyed WHERE key = :key;\n");
    let scripts = [single(&predict), single(&format!("ARRAY[{features}]"))];
    let [one_with, one_without] =
        latencies(place, [("one-with", &scripts[0]), ("one-without", &scripts[1])], TRANSACTIONS)?;
    let line = |work: &str, with: f64, without: f64, most: f64| Line {
        work: work.into(),
        ours: format!("{with:.1} µs"),
        peer: format!("{without:.1} µs without `predict`"),
        figure: with - without,
        unit: " µs",
        target: Target::AtMost(most),
        holds: true,
    };
    let (p99_with, p99_without) = (quantile(&one_with, 0.99), quantile(&one_without, 0.99));
    Ok(vec![
        line("added per row by `predict`, 100 trees × 28, within statements of 1,000 rows: median", with, without, 3.0),
        line(
            "added to a prepared statement of one row, client's time: median",
            median(&one_with),
            median(&one_without),
            3.0,
        ),
        line("added to a prepared statement of one row, client's time: 99th percentile", p99_with, p99_without, 10.0),
    ])
}

/// Microseconds per row of statements over [`BATCH`] rows: medians with and without `predict`.
fn batches(place: &Place, with: &str, without: &str) -> Result<(f64, f64)> {
    let (mut session_with, mut session_without) = (place.session()?, place.session()?);
    let per_row = |session: &mut Session, list: &str, batch: usize| -> Result<f64> {
        let first = batch * BATCH % KEYED_ROWS + 1;
        let rows = format!("key BETWEEN {first} AND {}", first + BATCH - 1);
        let sql = format!("SELECT count({list}) FROM higgs_keyed WHERE {rows};");
        Ok(session.time(&sql)? * 1e6 / BATCH as f64)
    };
    let (mut batches_with, mut batches_without) = (0.., 0..);
    let (with, without) = alternate(
        BATCHES,
        || per_row(&mut session_with, with, batches_with.next().unwrap_or(0)),
        || per_row(&mut session_without, without, batches_without.next().unwrap_or(0)),
    )?;
    Ok((median(&with), median(&without)))
}
