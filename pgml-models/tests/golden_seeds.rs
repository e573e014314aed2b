//! Random methods against scikit-learn 1.9.1 over ten seeds (`tests/golden/seeds.py`); those of other goldens stand there.

mod golden_cases;

use golden_cases::seeds::{Mean, assert_same_mean, fit_seeded, over_seeds, scores_agree};
use golden_cases::{Case, cases_of, every, numbers};
use pgml_core::MatrixRef;

#[test]
fn random_samples_agree_as_well_as_scikit_learns() {
    every(cases_of("seeds", "ransac"), |case| scores_agree(case, "scores"));
}

#[test]
fn medians_of_random_lines_score_as_scikit_learns() {
    every(cases_of("seeds", "theil_sen"), |case| scores_agree(case, "scores"));
}

#[test]
fn independent_components_are_as_far_from_normal_as_scikit_learns() {
    every(cases_of("seeds", "fast_ica"), |case| {
        let ours = over_seeds(|seed| contrast(case, seed));
        assert_same_mean(&case.name, &ours, Mean::of(&numbers(&case.expected["scores"])));
    });
}

/// The mean over components of |mean of log cosh − that of a normal variable|.
fn contrast(case: &Case, seed: u64) -> f64 {
    let model = fit_seeded(case, seed);
    let transformer = model.transformer().expect("has components");
    let rows = case.data.to_rows();
    let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
    let (n, k) = (rows.n_rows(), transformer.n_components());
    let mut all = vec![0.0; n * k];
    transformer.transform_into(rows, &mut all).expect("transforms");
    let of_component = |j: usize| {
        let values = || all.iter().skip(j).step_by(k);
        let mean = values().sum::<f64>() / n as f64;
        let deviation = (values().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
        (values().map(|x| (x / deviation).cosh().ln()).sum::<f64>() / n as f64 - 0.374_567_207_491_43).abs()
    };
    (0..k).map(of_component).sum::<f64>() / k as f64
}
