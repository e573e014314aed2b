//! Whether rows still look like those that a model was trained on, feature by feature.
//!
//! The training rows are known by what is stored of them: the ventiles of a column and a histogram of 20 bins, or how often
//! each category occurs. Shares of new rows are compared with theirs.

use std::collections::BTreeMap;

use crate::predictor::Predictor;
use crate::schema::ColumnSchema;
use crate::statistics::{Category, Statistics};
use crate::{Floats, Result, Run, Table, TableColumn, Values};

/// A share that stands for none, so that logarithms are finite.
const LEAST_SHARE: f64 = 1e-4;

/// How one feature has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// The column, or `image[3]` for an element of an array.
    pub feature: String,
    /// The population stability index: Σ (new − old) · ln(new / old) over bins. Below 0.1 little has changed, above 0.25 much
    /// (Siddiqi 2006). NaN when nothing is stored to compare with.
    pub psi: f64,
    /// The Kolmogorov–Smirnov distance: the largest difference of the cumulative shares, at the bounds of the bins. NaN for
    /// categories, which have no order.
    pub ks: f64,
    /// The share of missing values among the training rows.
    pub missing_before: f64,
    /// The same now.
    pub missing_now: f64,
}

impl Drift {
    /// The index in words: `stable`, `moderate` or `large`; `unknown` when it is NaN.
    #[must_use]
    pub fn in_words(&self) -> &'static str {
        match self.psi {
            psi if psi.is_nan() => "unknown",
            psi if psi < 0.1 => "stable",
            psi if psi < 0.25 => "moderate",
            _ => "large",
        }
    }
}

/// Compares every feature of `table` with the `n_train` rows that `predictor` was trained on, the most changed first.
///
/// # Errors
/// [`ErrorKind::UndefinedColumn`](crate::ErrorKind::UndefinedColumn) for a column that the table lacks; on cancel.
pub fn drift(predictor: &Predictor, table: &Table, n_train: usize, run: &Run) -> Result<Vec<Drift>> {
    let mut drifts = Vec::new();
    for column in predictor.schema().features() {
        run.check()?;
        let now = &table.columns[table.position(&column.name)?];
        match (&column.statistics.categories, &now.values) {
            (Some(categories), _) => drifts.push(of_categories(column, categories, now)),
            (None, Values::Number(values)) => drifts.push(of_numbers(column, 0, values, n_train)),
            (None, Values::Array(elements)) => {
                let pairs = elements.iter().take(column.size).enumerate();
                drifts.extend(pairs.map(|(element, values)| of_numbers(column, element, values, n_train)));
            }
            (None, Values::Text { .. }) => {
                crate::bail!(WrongType, "column \"{}\" was trained as {}, but is text now", column.name, column.pg_type)
            }
        }
    }
    let rank = |drift: &Drift| if drift.psi.is_nan() { f64::NEG_INFINITY } else { drift.psi };
    drifts.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    Ok(drifts)
}

fn psi(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let term = |(old, new): (f64, f64)| {
        let (old, new) = (old.max(LEAST_SHARE), new.max(LEAST_SHARE));
        (new - old) * (new / old).ln()
    };
    pairs.map(term).sum()
}

fn of_numbers(column: &ColumnSchema, element: usize, values: &Floats, n_train: usize) -> Drift {
    let statistics = column.element(element);
    let n_now = values.len();
    let missing_now = values.iter().filter(|x| x.is_nan()).count() as f64 / n_now as f64;
    let missing_before = statistics.missing as f64 / n_train.max(1) as f64;
    let mut sorted: Vec<f64> = values.iter().filter(|x| !x.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    // Cumulative shares of present values, then and now, at each bound.
    let known = bounds(statistics);
    let now = |bound: f64| sorted.partition_point(|x| *x <= bound) as f64 / sorted.len().max(1) as f64;
    let (mut ks, mut last, mut pairs) = (0.0_f64, (0.0, 0.0), Vec::new());
    for (bound, before) in known.iter().copied().chain([(f64::INFINITY, 1.0)]) {
        let current = (before, now(bound));
        ks = ks.max((current.0 - current.1).abs());
        pairs.push((current.0 - last.0, current.1 - last.1));
        last = current;
    }
    let present = |(old, new): (f64, f64)| (old * (1.0 - missing_before), new * (1.0 - missing_now));
    let all = pairs.into_iter().map(present).chain([(missing_before, missing_now)]);
    let is_known = !known.is_empty() && n_now > 0;
    Drift {
        feature: column.element_name(element),
        psi: if is_known { psi(all) } else { f64::NAN },
        ks: if is_known && !sorted.is_empty() { ks } else { f64::NAN },
        missing_before,
        missing_now,
    }
}

/// Values and the share of the training rows that are at most each: the ventiles where all differ, else the histogram's
/// bounds, which are exact where values repeat.
fn bounds(statistics: &Statistics) -> Vec<(f64, f64)> {
    let ventiles = &statistics.ventiles;
    let n = ventiles.len() + 1;
    if ventiles.len() > 1 && ventiles.windows(2).all(|pair| pair[0] < pair[1]) {
        return ventiles.iter().enumerate().map(|(v, bound)| (*bound, (v + 1) as f64 / n as f64)).collect();
    }
    let total: u64 = statistics.histogram.iter().sum();
    if total == 0 || !statistics.min.is_finite() {
        return Vec::new();
    }
    let width = (statistics.max - statistics.min) / statistics.histogram.len() as f64;
    let mut below = 0;
    let bound = |(bin, count): (usize, &u64)| {
        below += count;
        // A value on a bound belongs to the bin above it.
        ((statistics.min + (bin + 1) as f64 * width).next_down(), below as f64 / total as f64)
    };
    let mut bounds: Vec<(f64, f64)> = statistics.histogram.iter().enumerate().map(bound).collect();
    bounds.pop();
    // Values below and above all of training's fall into bins of their own.
    bounds.insert(0, (statistics.min.next_down(), 0.0));
    bounds.push((statistics.max, 1.0));
    bounds
}

fn of_categories(column: &ColumnSchema, categories: &BTreeMap<String, Category>, now: &TableColumn) -> Drift {
    use crate::preprocess::{NULL_CATEGORY, category_key};
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = |key: String| *counts.entry(key).or_default() += 1;
    match &now.values {
        Values::Text { codes, dictionary } => {
            let name = |code: &u32| if *code == 0 { NULL_CATEGORY } else { dictionary[*code as usize].as_str() };
            codes.iter().for_each(|code| count(name(code).to_owned()));
        }
        Values::Number(values) => values.iter().for_each(|x| {
            count(if x.is_nan() { NULL_CATEGORY.to_owned() } else { category_key(&column.pg_type, x) });
        }),
        Values::Array(_) => {}
    }
    let before: f64 = categories.values().map(|c| c.members as f64).sum();
    let total: f64 = counts.values().map(|n| *n as f64).sum();
    let share_now = |name: &str| counts.get(name).map_or(0.0, |n| *n as f64 / total);
    let share_before = |name: &str| categories.get(name).map_or(0.0, |c| c.members as f64 / before);
    let known = categories.keys().map(|name| (share_before(name), share_now(name)));
    let unseen: f64 = counts.keys().filter(|name| !categories.contains_key(*name)).map(|name| share_now(name)).sum();
    Drift {
        feature: column.name.clone(),
        psi: if before > 0.0 && total > 0.0 { psi(known.chain([(0.0, unseen)])) } else { f64::NAN },
        ks: f64::NAN,
        missing_before: share_before(NULL_CATEGORY),
        missing_now: share_now(NULL_CATEGORY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    fn column(values: &[f64]) -> ColumnSchema {
        let mut column = Schema::plain(&["x".to_owned()]).columns.remove(0);
        column.statistics = Statistics::of(&Floats::from(values.to_vec()));
        column
    }

    fn drift_of(before: &[f64], now: &[f64]) -> Drift {
        of_numbers(&column(before), 0, &Floats::from(now.to_vec()), before.len())
    }

    fn hundred() -> Vec<f64> {
        (1..=100).map(f64::from).collect()
    }

    #[test]
    fn the_same_rows_have_not_drifted() {
        let drift = drift_of(&hundred(), &hundred());
        assert!(drift.psi.abs() < 1e-12 && drift.ks < 1e-12, "{drift:?}");
        assert_eq!(drift.in_words(), "stable");
    }

    #[test]
    fn the_index_and_the_distance_follow_their_definitions() {
        // Twenty bins of 5 %; of the new rows, half lie in the first ten bins' first, half above all of training's.
        let now: Vec<f64> = (0..100).map(|i| if i < 50 { 1.0 } else { 1000.0 }).collect();
        let drift = drift_of(&hundred(), &now);
        let term = |old: f64, new: f64| (new - old) * (new / old).ln();
        let expected = 2.0 * term(0.05, 0.5) + 18.0 * term(0.05, LEAST_SHARE);
        assert!((drift.psi - expected).abs() < 1e-9, "{drift:?} is not {expected}");
        // At the first ventile, half of the new rows against 5 % of the old; at the last, half against 95 %.
        assert!((drift.ks - 0.45).abs() < 1e-12, "{drift:?}");
        assert_eq!(drift.in_words(), "large");
    }

    #[test]
    fn few_distinct_values_are_compared_exactly() {
        let before: Vec<f64> = (0..100).map(|i| f64::from(i % 100 < 30)).collect();
        let now: Vec<f64> = (0..100).map(|i| f64::from(i % 100 < 60)).collect();
        let drift = drift_of(&before, &now);
        let term = |old: f64, new: f64| (new - old) * (new / old).ln();
        assert!((drift.psi - term(0.7, 0.4) - term(0.3, 0.6)).abs() < 1e-9, "{drift:?}");
        assert!((drift.ks - 0.3).abs() < 1e-12, "{drift:?}");
    }

    #[test]
    fn missing_values_are_a_bin_of_their_own() {
        let now: Vec<f64> = (1..=100).map(|i| if i % 2 == 0 { f64::NAN } else { f64::from(i) }).collect();
        let drift = drift_of(&hundred(), &now);
        assert_eq!((drift.missing_before, drift.missing_now, drift.in_words()), (0.0, 0.5, "large"));
        assert!(drift.ks < 0.02, "those that are there have not changed: {drift:?}");
    }

    #[test]
    fn without_stored_statistics_nothing_is_known() {
        let column = Schema::plain(&["x".to_owned()]).columns.remove(0);
        let drift = of_numbers(&column, 0, &Floats::from(hundred()), 0);
        assert!(drift.psi.is_nan() && drift.in_words() == "unknown", "{drift:?}");
    }
}
