//! What features add to predictions, against XGBoost 3.2.0 and LightGBM 4.7.0 themselves (`tests/golden/contributions.py`).

use pgml_core::Run;
use serde_json::Value;

/// XGBoost sums contributions in 32-bit floats.
const RELATIVE: f64 = 1e-5;

fn numbers(json: &Value) -> Vec<f64> {
    json.as_array().expect("a list").iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

#[test]
fn contributions_are_those_of_the_libraries() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../tests/golden/contributions.json")).expect("JSON");
    assert_eq!(cases.len(), 6);
    for case in &cases {
        let name = case["name"].as_str().expect("a name");
        let algorithm = pgml_models::algorithm(case["algorithm"].as_str().expect("a name")).expect("registered");
        let model = algorithm.import(case["model"].as_str().expect("a text").as_bytes()).expect("reads").model;
        let explainer = model.explainer().expect("trees explain themselves");
        let rows = case["rows"].as_array().expect("rows").iter().map(numbers);
        for (row, by_class) in rows.zip(case["contributions"].as_array().expect("rows")) {
            let by_class: Vec<Vec<f64>> = by_class.as_array().expect("classes").iter().map(numbers).collect();
            for (class, expected) in by_class.iter().enumerate() {
                // The one score of two classes is that of the second.
                let output = if by_class.len() == 1 && model.classifier().is_some() { 1 } else { class };
                let mut ours = vec![0.0; row.len()];
                let base = explainer.explain_row(&row, &row, output, &mut ours, &Run::new()).expect("explains");
                ours.push(base);
                let largest = expected.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
                for (a, b) in ours.iter().zip(expected) {
                    assert!((a - b).abs() <= RELATIVE * largest, "{name}: {a} is not {b}");
                }
            }
        }
    }
}
