//! Clusterings without randomness against scikit-learn 1.9.1 (`tests/golden/clusterings.py`): every training row gets
//! the reference's label, up to the numbering of the clusters.

mod golden_cases;

use std::collections::HashMap;

use golden_cases::{Case, cases, fit, numbers};
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
    mean_shift,
}
