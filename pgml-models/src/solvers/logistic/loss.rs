//! The loss of scores, which become probabilities on the way.

/// Turns scores into the probability of the second class; returns the weighted loss.
pub fn logistic(scores: &mut [f64], class: &[u32], weight: &[f64]) -> f64 {
    let mut loss = 0.0;
    for ((z, class), weight) in scores.iter_mut().zip(class).zip(weight) {
        // exp of a negative number never overflows.
        let e = (-z.abs()).exp();
        loss += weight * (e.ln_1p() + z.max(0.0) - f64::from(*class) * *z);
        *z = if *z >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
    }
    loss
}

/// Turns scores (one run of rows per class) into probabilities; returns the weighted loss.
pub fn softmax(scores: &mut [f64], class: &[u32], weight: &[f64]) -> f64 {
    let len = class.len();
    let n_scores = scores.len() / len;
    let mut loss = 0.0;
    for i in 0..len {
        let highest = (0..n_scores).map(|c| scores[c * len + i]).fold(f64::NEG_INFINITY, f64::max);
        let own = scores[class[i] as usize * len + i];
        let mut total = 0.0;
        for c in 0..n_scores {
            let e = (scores[c * len + i] - highest).exp();
            scores[c * len + i] = e;
            total += e;
        }
        (0..n_scores).for_each(|c| scores[c * len + i] /= total);
        loss += weight[i] * (total.ln() + highest - own);
    }
    loss
}
