//! Random weights of rows for each tree.

use pgml_core::Run;

use super::settings::Bootstrap;

/// Rows whose sampling probabilities are found together.
const MVS_BLOCK: usize = 8192;

/// The weight of each row for one tree. `gradients` are `dims` per row; `last_leaves` the last tree's values, for MVS.
pub(super) fn weights(
    bootstrap: Bootstrap,
    gradients: &[f64],
    dims: usize,
    last_leaves: Option<&[f64]>,
    stream: u64,
    run: &Run,
) -> Option<Vec<f32>> {
    let n = gradients.len() / dims;
    let mut rng = run.rng(stream);
    match bootstrap {
        Bootstrap::No => None,
        Bootstrap::Bayesian { temperature: 0.0 } => None,
        Bootstrap::Bayesian { temperature } => {
            let weight = |rng: &mut fastrand::Rng| -(rng.f64() + 1e-100).ln();
            Some((0..n).map(|_| weight(&mut rng).powf(temperature) as f32).collect())
        }
        Bootstrap::Bernoulli { share } if share >= 1.0 => None,
        Bootstrap::Bernoulli { share } => Some((0..n).map(|_| f32::from(u8::from(rng.f64() < share))).collect()),
        Bootstrap::Mvs { share, .. } if share >= 1.0 => None,
        Bootstrap::Mvs { share, regularisation } => {
            let lambda = regularisation.unwrap_or_else(|| mean_norm(last_leaves.unwrap_or(gradients), dims).powi(2));
            let mut weights = Vec::with_capacity(n);
            for block in gradients.chunks(MVS_BLOCK * dims) {
                let norms: Vec<f64> =
                    block.chunks_exact(dims).map(|g| (lambda + g.iter().map(|g| g * g).sum::<f64>()).sqrt()).collect();
                let threshold = threshold(&norms, share * norms.len() as f64);
                weights.extend(norms.iter().map(|norm| {
                    let probability = if *norm > threshold { 1.0 } else { norm / threshold };
                    if probability > f64::EPSILON && rng.f64() < probability { (1.0 / probability) as f32 } else { 0.0 }
                }));
            }
            Some(weights)
        }
    }
}

/// The mean length of vectors.
fn mean_norm(vectors: &[f64], dims: usize) -> f64 {
    let norms = vectors.chunks_exact(dims).map(|v| v.iter().map(|x| x * x).sum::<f64>().sqrt());
    norms.sum::<f64>() / (vectors.len() / dims).max(1) as f64
}

/// The threshold for which `Σ min(1, norm / threshold)` is `size`.
fn threshold(norms: &[f64], size: f64) -> f64 {
    let mut sorted = norms.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut small: f64 = sorted.iter().sum();
    // From above: as long as the greatest of the small ones is still above the threshold that they would have, it is large.
    for (large, norm) in sorted.iter().rev().enumerate() {
        let left = size - large as f64;
        if left <= 0.0 {
            return *norm;
        }
        if *norm <= small / left {
            return (small / left).max(f64::MIN_POSITIVE);
        }
        small -= norm;
    }
    f64::MIN_POSITIVE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_gives_the_wanted_number_of_rows() {
        let norms: Vec<f64> = (1..=1000).map(|i| f64::from(i * i)).collect();
        for size in [100.0, 500.0, 800.0] {
            let threshold = threshold(&norms, size);
            let expected: f64 = norms.iter().map(|norm| (norm / threshold).min(1.0)).sum();
            assert!((expected - size).abs() < 1e-6, "{expected} for {size}");
        }
    }

    #[test]
    fn sampling_keeps_the_sum_of_gradients() {
        let gradients: Vec<f64> = (0..20_000).map(|i| f64::from(i % 100) / 10.0).collect();
        let bootstrap = Bootstrap::Mvs { share: 0.5, regularisation: None };
        let weights = weights(bootstrap, &gradients, 1, None, 1, &Run::new()).expect("a share");
        let sum: f64 = gradients.iter().zip(&weights).map(|(g, w)| g * f64::from(*w)).sum();
        let all: f64 = gradients.iter().sum();
        assert!((sum / all - 1.0).abs() < 0.02, "{sum} of {all}");
    }
}
