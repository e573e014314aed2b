//! What iterative methods minimise is no more than where scikit-learn 1.9.1 stops, both at their default tolerance
//! (`tests/golden/objectives.py`).

mod golden_cases;

use golden_cases::{Case, all_predictions, assert_no_worse, cases, every, fit, numbers};
use pgml_core::{Model, Parts};
use serde_json::Value;

/// Two solvers that both stop near the optimum differ by this share of it.
const SLACK: f64 = 1e-6;
/// Machines stop where no pair of multipliers breaks the conditions of the optimum by a thousandth.
const SLACK_OF_MACHINES: f64 = 1e-5;

fn no_worse(algorithms: &[&str], objective: impl Fn(&Case, &dyn Model) -> f64) {
    let wanted = cases("objectives").into_iter().filter(|case| algorithms.contains(&case.algorithm.as_str()));
    every(wanted, |case| {
        let ours = objective(case, fit(case).as_ref());
        let slack = if case.algorithm.contains("svm") { SLACK_OF_MACHINES } else { SLACK };
        assert_no_worse(&case.name, ours, numbers(&case.expected["objective"])[0], slack);
    });
}

/// A hyperparameter of the case, or its default.
fn given(case: &Case, name: &str, default: f64) -> f64 {
    case.params.get(name).and_then(Value::as_f64).unwrap_or(default)
}

fn stored(model: &dyn Model, name: &str) -> Vec<f64> {
    parts(model).array::<f64>(name).expect("stored").to_vec()
}

fn parts(model: &dyn Model) -> Parts {
    model.encode().expect("encodes")
}

/// The weight of each row.
fn weights(case: &Case) -> Vec<f64> {
    case.data.weight().map_or_else(|| vec![1.0; case.data.n_rows()], <[f64]>::to_vec)
}

/// The weighted sum of what `of_row` says of target and prediction.
fn total(case: &Case, predicted: &[f64], of_row: impl Fn(f64, f64) -> f64) -> f64 {
    let pairs = case.data.target().expect("a target").iter().zip(predicted);
    pairs.zip(weights(case)).map(|((y, p), w)| w * of_row(*y, *p)).sum()
}

fn penalty(coef: &[f64], l1: f64, l2: f64) -> f64 {
    l1 * coef.iter().map(|w| w.abs()).sum::<f64>() + 0.5 * l2 * coef.iter().map(|w| w * w).sum::<f64>()
}

#[test]
fn logistic_regressions_are_no_worse() {
    no_worse(&["linear"], |case, model| {
        let (coef, intercept) = (stored(model, "coef"), stored(model, "intercept"));
        let (d, rows) = (case.data.n_features(), case.data.to_rows());
        let loss = |(row, y): (&[f64], &f64)| {
            let of_class = coef.chunks_exact(d).zip(&intercept);
            let scores: Vec<f64> =
                of_class.map(|(w, b)| b + row.iter().zip(w).map(|(x, w)| x * w).sum::<f64>()).collect();
            let scores = if let [only] = scores[..] { vec![0.0, only] } else { scores };
            let most = scores.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
            most + scores.iter().map(|s| (s - most).exp()).sum::<f64>().ln() - scores[*y as usize]
        };
        let pairs = rows.chunks_exact(d).zip(case.data.target().expect("classes"));
        let losses: f64 = pairs.map(loss).zip(weights(case)).map(|(loss, w)| w * loss).sum();
        let l1 = given(case, "l1_ratio", 0.0);
        given(case, "C", 1.0) * losses + penalty(&coef, l1, 1.0 - l1)
    });
}

#[test]
fn lasso_and_elastic_net_are_no_worse() {
    no_worse(&["lasso", "elastic_net"], |case, model| {
        let squares = total(case, &all_predictions(model, &case.data), |y, p| (y - p).powi(2));
        let (alpha, l1) = (given(case, "alpha", 1.0), if case.algorithm == "lasso" { 1.0 } else { 0.5 });
        squares / (2.0 * weights(case).iter().sum::<f64>())
            + penalty(&stored(model, "coef"), alpha * l1, alpha * (1.0 - l1))
    });
}

/// At the best scale for the coefficients.
#[test]
fn huber_is_no_worse() {
    no_worse(&["huber"], |case, model| {
        let predicted = all_predictions(model, &case.data);
        let epsilon = given(case, "epsilon", 1.35);
        let slope = |scale: f64| total(case, &predicted, |y, p| 1.0 - ((y - p).abs() / scale).min(epsilon).powi(2));
        let (mut low, mut high) = (1e-12, 1e6);
        for _ in 0..200 {
            let scale = 0.5 * (low + high);
            if slope(scale) < 0.0 { low = scale } else { high = scale }
        }
        let scale = 0.5 * (low + high);
        let loss = |y: f64, p: f64| {
            let r = (y - p).abs();
            scale + if r <= epsilon * scale { r * r / scale } else { 2.0 * epsilon * r - scale * epsilon * epsilon }
        };
        total(case, &predicted, loss) + penalty(&stored(model, "coef"), 0.0, 2.0 * given(case, "alpha", 1e-4))
    });
}

#[test]
fn generalised_linear_models_are_no_worse() {
    no_worse(&["poisson", "gamma", "tweedie"], |case, model| {
        let power = match case.algorithm.as_str() {
            "poisson" => 1.0,
            "gamma" => 2.0,
            _ => given(case, "power", 0.0),
        };
        let half = |y: f64, mu: f64| match power {
            0.0 => 0.5 * (y - mu).powi(2),
            1.0 => mu - y + if y > 0.0 { y * (y / mu).ln() } else { 0.0 },
            2.0 => (mu / y).ln() + y / mu - 1.0,
            p => {
                let (one, two) = (1.0 - p, 2.0 - p);
                y.max(0.0).powf(two) / (one * two) - y * mu.powf(one) / one + mu.powf(two) / two
            }
        };
        let deviance = total(case, &all_predictions(model, &case.data), half) / weights(case).iter().sum::<f64>();
        deviance + penalty(&stored(model, "coef"), 0.0, given(case, "alpha", 1.0))
    });
}

/// Of machines with one row of multipliers: of two classes, of values, or of one class.
#[test]
fn duals_of_support_vector_machines_are_no_worse() {
    no_worse(&["svm", "nu_svm", "one_class_svm"], |case, model| {
        let (b, vectors) = (stored(model, "dual_coef"), stored(model, "support_vectors"));
        let d = case.data.n_features();
        let gamma = given(case, "gamma", f64::NAN);
        let kernel = |p: &[f64], q: &[f64]| match case.params["kernel"].as_str() {
            Some("linear") => p.iter().zip(q).map(|(a, b)| a * b).sum(),
            _ => (-gamma * p.iter().zip(q).map(|(a, b)| (a - b).powi(2)).sum::<f64>()).exp(),
        };
        let pull = |p: &[f64]| vectors.chunks_exact(d).zip(&b).map(|(q, b)| b * kernel(p, q)).sum::<f64>();
        let curve = 0.5 * vectors.chunks_exact(d).zip(&b).map(|(p, b)| b * pull(p)).sum::<f64>();
        let size: f64 = b.iter().map(|b| b.abs()).sum();
        let n = case.data.n_rows() as f64;
        match (case.algorithm.as_str(), case.data.n_classes() > 0) {
            ("svm", true) => curve - size,
            // Multipliers are stored as shares of what makes them sum to nu per row.
            ("nu_svm", true) => curve * (given(case, "nu", 0.5) * n / size).powi(2),
            ("one_class_svm", _) => curve,
            (name, _) => {
                let epsilon = if name == "svm" { given(case, "epsilon", 0.1) } else { 0.0 };
                let (rows, y) = (case.data.to_rows(), case.data.target().expect("a target"));
                let of_vector = |vector: &[f64]| {
                    let row = rows.chunks_exact(d).position(|row| row == vector).expect("a training row");
                    y[row]
                };
                let goal: f64 = vectors.chunks_exact(d).zip(&b).map(|(vector, b)| b * of_vector(vector)).sum();
                curve - goal + epsilon * size
            }
        }
    });
}

#[test]
fn clusters_and_factors_are_no_worse() {
    // What each tells of itself first: inertia and error are to be small, likelihoods large.
    no_worse(&["kmeans", "nmf"], |_, model| model.own_metrics()[0].1);
    no_worse(&["factor_analysis", "gaussian_mixture"], |_, model| -model.own_metrics()[0].1);
}
