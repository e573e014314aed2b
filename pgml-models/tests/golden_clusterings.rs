//! Clusterings without randomness against scikit-learn 1.9.1 (`tests/golden/clusterings.py`): every training row gets
//! the reference's label, up to the numbering of the clusters.

mod golden_cases;

use std::collections::HashMap;

use golden_cases::{Case, assert_close, cases, fit, numbers, sample};
use pgml_core::MatrixRef;

fn labels(case: &Case) -> Vec<f64> {
    let model = fit(case);
    let rows = case.data.to_rows();
    let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows()];
    model.predict_into(rows, &mut out).expect("predicts");
    out
}

/// Complains unless both call the same rows noise and part the others in the same way.
fn compare(ours: &[f64], reference: &[f64]) -> Result<(), String> {
    let (mut to, mut from) = (HashMap::new(), HashMap::new());
    let wrong = ours.iter().zip(reference).enumerate().filter(|(_, (a, b))| {
        let pair = (**a as i32, **b as i32);
        (pair.0 < 0) != (pair.1 < 0)
            || *to.entry(pair.0).or_insert(pair.1) != pair.1
            || *from.entry(pair.1).or_insert(pair.0) != pair.0
    });
    let wrong: Vec<usize> = wrong.map(|(row, _)| row).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} rows differ: {wrong:?}", wrong.len())) }
}

fn equals_scikit_learn(file: &str) {
    let complaint = |case: &Case| {
        let found = compare(&labels(case), &numbers(&case.expected["labels"]));
        found.err().map(|what| format!("{}: {what}", case.name))
    };
    let complaints: Vec<String> = cases(file).iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

macro_rules! same_clusters {
    ($($file:ident),+ $(,)?) => {
        mod clusters_equal_scikit_learns {
            $(
                #[test]
                fn $file() {
                    super::equals_scikit_learn(stringify!($file));
                }
            )+
        }
    };
}

same_clusters! {
    affinity_propagation,
    agglomerative,
    birch,
    dbscan,
    hdbscan,
    mean_shift,
    optics,
}

#[test]
fn pooled_features_equal_scikit_learns() {
    for case in cases("feature_agglomeration") {
        let model = fit(&case);
        let transformer = model.transformer().expect("has components");
        let rows = sample(&case.data);
        let rows = MatrixRef::new(&rows, case.data.n_features()).expect("whole rows");
        let mut out = vec![0.0; rows.n_rows() * transformer.n_components()];
        transformer.transform_into(rows, &mut out).expect("transforms");
        assert_close(&case.name, &out, &numbers(&case.expected["components"]), 1e-12, 1e-3);
    }
}

/// Two pairs of groups of five: the pairs are 3 apart, within a pair 1, within a group 0.1.
#[test]
fn an_epsilon_keeps_hdbscan_from_parting_what_is_nearer() {
    let rows: Vec<f64> =
        [0.0, 1.5, 6.0, 7.5].iter().flat_map(|group| (0..5).map(move |i| group + 0.1 * f64::from(i))).collect();
    let data = pgml_core::Dataset::from_rows(&rows, 1).expect("twenty rows");
    let hdbscan = pgml_models::algorithm("hdbscan").expect("registered");
    for (epsilon, method, n_clusters) in
        [(0.0, "eom", 4.0), (0.5, "eom", 4.0), (2.0, "eom", 2.0), (2.0, "leaf", 2.0), (0.0, "leaf", 4.0)]
    {
        let params = serde_json::json!({
            "min_cluster_size": 4, "min_samples": 2, "cluster_selection_epsilon": epsilon, "cluster_selection_method": method,
        });
        let params = params.as_object().expect("an object");
        let model = hdbscan.fit(params, &data, pgml_core::Task::Clustering, &pgml_core::Run::new()).expect("fits");
        assert_eq!(model.own_metrics(), [("n_clusters", n_clusters), ("n_noise", 0.0)], "{epsilon} {method}");
    }
}
