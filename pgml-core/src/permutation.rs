//! How much a model relies on each column: what its answers lose when that column alone is shuffled (Breiman 2001).
//!
//! Shuffled, a column has the values that it had, but they say nothing about their rows any more. Any model can be asked
//! this way; what it tells is of the rows that it is asked about.

use crate::evaluation::Evaluation;
use crate::predictor::Predictor;
use crate::{Result, Run, Table, Values, bail};

/// How often each column is shuffled, as in scikit-learn's `permutation_importance`.
const REPEATS: u64 = 5;
/// The first stream of the generators that orders are drawn from.
const STREAM: u64 = 0x5aff_1e00;

/// By how much the metric that decides about the model's task (r2, f1) falls on average when a column of `table` is
/// shuffled, by column, the largest first. A column that the model does not need is about 0, and may be below.
///
/// `table` and `labels` are as [`Evaluation::new`] takes them; afterwards the table is as it was.
///
/// # Errors
/// As [`Evaluation::new`].
pub fn importance(
    predictor: &Predictor,
    table: &mut Table,
    labels: &[String],
    run: &Run,
) -> Result<Vec<(String, f64)>> {
    let whole = score(predictor, table, labels, run)?;
    let names: Vec<String> = predictor.schema().features().map(|column| column.name.clone()).collect();
    let mut falls = Vec::with_capacity(names.len());
    for (number, name) in names.into_iter().enumerate() {
        let position = table.position(&name)?;
        let _memory = run.reserve(table.columns[position].values.bytes(), "a shuffled column")?;
        let mut shuffled_scores = 0.0;
        for repeat in 0..REPEATS {
            let mut order: Vec<u32> = (0..table.n_rows as u32).collect();
            run.rng(STREAM + REPEATS * number as u64 + repeat).shuffle(&mut order);
            let shuffled = in_order(&table.columns[position].values, &order);
            let own = std::mem::replace(&mut table.columns[position].values, shuffled);
            let score = score(predictor, table, labels, run);
            table.columns[position].values = own;
            shuffled_scores += score?;
        }
        falls.push((name, whole - shuffled_scores / REPEATS as f64));
    }
    falls.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(falls)
}

/// The metric that decides, the greater the better.
fn score(predictor: &Predictor, table: &Table, labels: &[String], run: &Run) -> Result<f64> {
    let metrics = Evaluation::new(predictor, table, labels, run)?.metrics();
    let target = predictor.task().target_metric();
    let value = target.and_then(|(metric, _)| metrics.iter().find(|(name, _)| *name == metric));
    match (target, value) {
        (Some((_, true)), Some((_, value))) => Ok(*value),
        (Some((_, false)), Some((_, value))) => Ok(-value),
        _ => bail!(NotSupported, "a {} model has no metric that could fall", predictor.task()),
    }
}

fn in_order(values: &Values, order: &[u32]) -> Values {
    match values {
        Values::Number(numbers) => Values::Number(numbers.select(order)),
        Values::Array(elements) => Values::Array(elements.iter().map(|element| element.select(order)).collect()),
        Values::Text { codes, dictionary } => {
            let codes = order.iter().map(|row| codes[*row as usize]).collect();
            Values::Text { codes, dictionary: dictionary.clone() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;
    use crate::{MatrixRef, Model, Parts, TableColumn, Task};

    /// Twice the first feature, whatever the others.
    struct Twice;

    impl Model for Twice {
        fn n_features(&self) -> usize {
            2
        }

        fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
            rows.as_slice().chunks_exact(2).zip(out).for_each(|(row, y)| *y = 2.0 * row[0]);
            Ok(())
        }

        fn encode(&self) -> Result<Parts> {
            Ok(Parts::new())
        }

        fn bytes(&self) -> usize {
            0
        }
    }

    #[test]
    fn a_column_that_decides_costs_twice_the_variance_and_others_nothing() {
        let schema = Schema::plain(&["a".to_owned(), "b".to_owned()]);
        let predictor = Predictor::from_parts("twice", Task::Regression, schema, None, Box::new(Twice)).expect("fits");
        let column = |name: &str, f: &dyn Fn(f64) -> f64| {
            let values: Vec<f64> = (0..2000).map(|i| f(f64::from(i))).collect();
            TableColumn {
                name: name.to_owned(),
                pg_type: "float8".to_owned(),
                nullable: false,
                values: Values::Number(values.into()),
            }
        };
        let columns = vec![column("b", &|i| i % 7.0), column("a", &|i| i), column("y", &|i| 2.0 * i)];
        let mut table = Table::new(columns).expect("as many rows");
        let before = table.clone();
        let falls = importance(&predictor, &mut table, &["y".to_owned()], &Run::new()).expect("evaluates");
        assert_eq!(table, before);
        // Of two draws from one distribution the squared difference is on average twice its variance: r2 falls by 2.
        assert!(falls[0].0 == "a" && (falls[0].1 - 2.0).abs() < 0.1, "{falls:?}");
        assert_eq!(falls[1], ("b".to_owned(), 0.0));
    }
}
