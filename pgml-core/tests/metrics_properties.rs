//! What holds for every input of a metric.

use pgml_core::metrics::{self, Average, ConfusionMatrix, roc_auc};
use pgml_core::{MatrixRef, Run};
use proptest::prelude::*;

/// Label, predicted label, score.
type Row = (u8, u8, i8);

/// Rows with few distinct scores, so that ties are common.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((0..3_u8, 0..3_u8, -4..5_i8), 2..60)
}

/// The rows and the same in another order.
fn shuffled() -> impl Strategy<Value = (Vec<Row>, Vec<Row>)> {
    rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
}

fn column<T: Copy>(rows: &[T], pick: impl Fn(T) -> f64) -> Vec<f64> {
    rows.iter().map(|row| pick(*row)).collect()
}

/// Equal up to the order of summation; NaN equals NaN.
fn same(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * a.abs().max(1.0)
}

fn all_metrics(rows: &[Row]) -> Vec<(&'static str, f64)> {
    let (y, yhat) = (column(rows, |r| f64::from(r.0)), column(rows, |r| f64::from(r.1)));
    let score = column(rows, |r| f64::from(r.2));
    let proba: Vec<f64> = rows
        .iter()
        .flat_map(|r| {
            let p = f64::from(r.2 + 4) / 8.0;
            [p / 2.0, p / 2.0, 1.0 - p]
        })
        .collect();
    let mut all = metrics::classification(&y, &yhat, Some(&proba), 3);
    all.extend(metrics::regression(&[&y], &score));
    let rows = MatrixRef::new(&score, 1).expect("one feature");
    all.push(("silhouette", metrics::silhouette(rows, &y, &Run::new()).expect("one label per row")));
    all
}

proptest! {
    #[test]
    fn the_order_of_rows_does_not_matter((rows, shuffled) in shuffled()) {
        for ((name, a), (_, b)) in all_metrics(&rows).into_iter().zip(all_metrics(&shuffled)) {
            prop_assert!(same(a, b), "{name}: {a} and {b}");
        }
    }

    #[test]
    fn reversed_scores_have_the_area_above_the_curve(rows in rows()) {
        let y = column(&rows, |r| f64::from(r.0));
        let forth = roc_auc(&y, &column(&rows, |r| f64::from(r.2)), 1.0);
        let back = roc_auc(&y, &column(&rows, |r| -f64::from(r.2)), 1.0);
        prop_assert!(same(forth, 1.0 - back), "{forth} and {back}");
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_the_right_order(rows in rows()) {
        let scores = |positive: bool| -> Vec<i8> {
            rows.iter().filter(|r| (r.0 == 1) == positive).map(|r| r.2).collect()
        };
        let (positives, negatives) = (scores(true), scores(false));
        let wins = |p: &i8| negatives.iter().map(|n| f64::from(1 + p.cmp(n) as i8) / 2.0).sum::<f64>();
        let share = positives.iter().map(wins).sum::<f64>() / (positives.len() * negatives.len()) as f64;
        let area = roc_auc(&column(&rows, |r| f64::from(r.0)), &column(&rows, |r| f64::from(r.2)), 1.0);
        prop_assert!(same(area, share), "{area} and {share}");
    }

    #[test]
    fn scores_keep_their_ranges(rows in rows()) {
        for (name, value) in all_metrics(&rows) {
            let range = match name {
                "mcc" | "silhouette" => -1.0..=1.0 + 1e-12,
                "f1" | "precision" | "recall" | "accuracy" | "roc_auc" => 0.0..=1.0,
                "r2" => f64::NEG_INFINITY..=1.0,
                _ => 0.0..=f64::INFINITY,
            };
            prop_assert!(value.is_nan() || range.contains(&value), "{name} is {value}");
        }
    }

    #[test]
    fn exchanging_truth_and_prediction_exchanges_precision_and_recall(rows in rows()) {
        let (y, yhat) = (column(&rows, |r| f64::from(r.0)), column(&rows, |r| f64::from(r.1)));
        let (there, back) = (ConfusionMatrix::new(&y, &yhat), ConfusionMatrix::new(&yhat, &y));
        for average in [Average::Macro, Average::Micro, Average::Binary(1.0)] {
            prop_assert_eq!(there.precision(average), back.recall(average));
        }
        prop_assert_eq!(there.mcc(), back.mcc());
    }

    #[test]
    fn any_numbers_are_survived(y in prop::collection::vec(any::<f64>(), 0..20), seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let yhat: Vec<f64> = y.iter().map(|_| f64::from_bits(rng.u64(..))).collect();
        let _ = metrics::regression(&[&y], &yhat);
        let _ = metrics::classification(&y, &yhat, None, 2);
        let _ = metrics::classification(&y, &yhat, Some(&[yhat.as_slice(), &y].concat()), 2);
        if let Ok(rows) = MatrixRef::new(&yhat, 1) {
            let _ = metrics::silhouette(rows, &y, &Run::new());
        }
    }
}
