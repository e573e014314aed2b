//! A whole table with a small model: row by row, as one batch, and by the aggregate.

use super::super::place::Place;
use super::super::report::{Line, Target, rate};
use super::super::statistics::{alternate, median};
use super::{FLIGHTS, train_on_sample};
use crate::error::Result;

const RUNS: usize = 5;

pub fn measure(place: &Place) -> Result<Vec<Line>> {
    train_on_sample(place, "flights", "delay", 25)?;
    let (mut rows, mut batch) = (place.session()?, place.session()?);
    let by_row = format!("SELECT sum(pgml.predict('flights', ARRAY[{FLIGHTS}])) FROM flights;");
    let by_batch = format!(
        "SELECT sum(p) FROM (SELECT pgml.predict_batch('flights', array_agg(ARRAY[{FLIGHTS}])) AS p FROM flights) AS s;"
    );
    let by_aggregate = "SELECT cardinality(pgml.predict_agg('flights', flights)) FROM flights;";
    let mut plain = place.session()?;
    let without = plain.time(&format!("SELECT count(ARRAY[{FLIGHTS}]) FROM flights;"))?;
    let (by_row, by_batch) = alternate(RUNS, || rows.time(&by_row), || batch.time(&by_batch))?;
    let by_aggregate = (0..RUNS).map(|_| plain.time(by_aggregate)).collect::<Result<Vec<f64>>>()?;
    let line = |work: &str, seconds: f64, least: f64| Line {
        work: work.into(),
        ours: rate(place.rows, seconds),
        peer: format!("{} without `predict`", rate(place.rows, without)),
        figure: place.rows as f64 / seconds / 1e6,
        unit: " M rows/s",
        target: Target::AtLeast(least),
        holds: true,
    };
    Ok(vec![
        line("`predict` row by row over the table, 25 trees × 10, one core, SQL included", median(&by_row), 0.6),
        line("`predict_batch` over the table with `array_agg`, same model", median(&by_batch), 1.0),
        line("`predict_agg` over the table's rows, same model", median(&by_aggregate), 1.0),
    ])
}
