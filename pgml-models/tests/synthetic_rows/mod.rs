//! Rows with numbers and categories, made as `tests/golden/catboost_models.py` makes them.

use pgml_core::{Dataset, Feature};
use serde_json::Value;

/// As `uniforms` in the script: SplitMix64 from state `stream`.
fn uniforms(n: usize, stream: u64) -> Vec<f64> {
    let number = |i: u64| {
        let mut z = stream.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 2.0_f64.powi(53)
    };
    (1..=n as u64).map(number).collect()
}

/// As `synthetic` in the script.
pub fn dataset(data: &Value) -> Dataset {
    let count = |key: &str| data[key].as_u64().expect("a count");
    let (n, n_numbers, stream) = (count("rows") as usize, count("numbers") as usize, count("stream"));
    let sizes: Vec<u64> = data["categories"].as_array().expect("sizes").iter().filter_map(Value::as_u64).collect();
    let x: Vec<f64> = uniforms(n * n_numbers, stream).iter().map(|u| f64::from((u * 2.0 - 1.0) as f32)).collect();
    let code = |(j, size): (usize, &u64)| -> Vec<f64> {
        uniforms(n, stream + 1 + j as u64).iter().map(|u| (u * u * *size as f64).floor()).collect()
    };
    let codes: Vec<Vec<f64>> = sizes.iter().enumerate().map(code).collect();
    let noise = uniforms(n, stream + 100);
    let target = |i: usize| {
        let row = &x[i * n_numbers..][..n_numbers];
        let effects: Vec<f64> = codes.iter().enumerate().map(|(j, c)| (1.7 * c[i] + j as f64).sin()).collect();
        let mut y = row[0] + row[1] * row[2 % n_numbers] + (noise[i] - 0.5);
        effects.iter().for_each(|effect| y += effect);
        if let [first, second, ..] = effects.as_slice() {
            y += first * second;
        }
        y
    };
    let y: Vec<f64> = (0..n).map(target).collect();
    let missing = uniforms(n, stream + 200);
    let is_missing = |j: usize, i: usize| data["missing"] == true && j == 0 && missing[i] < 0.1;
    let number = |j: usize| -> Vec<f64> {
        (0..n).map(|i| if is_missing(j, i) { f64::NAN } else { x[i * n_numbers + j] }).collect()
    };
    let mut features: Vec<Feature> = (0..n_numbers).map(|j| Feature::new(format!("x{j}"), number(j))).collect();
    for (j, (codes, size)) in codes.into_iter().zip(&sizes).enumerate() {
        features.push(Feature { categories: Some(*size as u32), ..Feature::new(format!("c{j}"), codes) });
    }
    let data_set = Dataset::new(features).expect("columns of one length");
    match count("classes") as usize {
        0 => data_set.with_target(y),
        classes => data_set.with_classes(classed(&y, classes), classes),
    }
    .expect("a target per row")
}

/// How many of the quantiles that part the target into equal classes are below it.
fn classed(y: &[f64], classes: usize) -> Vec<f64> {
    let mut sorted = y.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let at = share * (sorted.len() - 1) as f64;
        let (below, above) = (sorted[at as usize], sorted[(at as usize + 1).min(sorted.len() - 1)]);
        below + (above - below) * at.fract()
    };
    let borders: Vec<f64> = (1..classes).map(|i| quantile(i as f64 / classes as f64)).collect();
    y.iter().map(|y| borders.iter().filter(|border| **border < *y).count() as f64).collect()
}
