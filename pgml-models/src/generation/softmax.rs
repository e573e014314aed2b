//! Probabilities and log-probabilities of one row of scores, and its largest.

use crate::kernels::{Activation, Team};

/// Lanes of the plain loops below, which compilers turn into vectors of any width.
const LANES: usize = 16;

/// The largest number; −∞ of none. NaN is passed over.
pub(super) fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for part in whole {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane = if *x > *lane { *x } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |most, x| if *x > most { *x } else { most })
}

/// Whether a number is NaN or +∞, which no model means.
pub(super) fn has_invalid(row: &[f32]) -> bool {
    // Without branches, so that the loop is one of vectors.
    let invalid = |x: &f32| u32::from(x.is_nan() | (*x == f32::INFINITY));
    row.chunks(1024).any(|part| part.iter().map(invalid).sum::<u32>() > 0)
}

/// The sum, added up in lanes and in double precision at the end.
pub(super) fn sum(row: &[f32]) -> f64 {
    let mut total = 0.0;
    for part in row.chunks(64 * LANES) {
        let mut lanes = [0.0_f32; LANES];
        let (whole, rest) = part.as_chunks::<LANES>();
        for part in whole {
            lanes.iter_mut().zip(part).for_each(|(lane, x)| *lane += x);
        }
        total += lanes.iter().chain(rest).map(|x| f64::from(*x)).sum::<f64>();
    }
    total
}

/// Makes `out` the exponentials of `scores` less the largest of them; returns that and the sum.
///
/// At least one score must be finite.
fn exponentials(team: &Team, scores: &[f32], out: &mut Vec<f32>) -> (f32, f64) {
    let most = largest(scores);
    out.clear();
    out.extend(scores.iter().map(|x| x - most));
    Activation::Exp.apply(team, out);
    (most, sum(out))
}

/// What is subtracted from scores, in this order, to make them log-probabilities.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Normaliser {
    largest: f32,
    log_sum: f32,
}

impl Normaliser {
    /// The log-probability of a score.
    pub fn log_probability(self, score: f32) -> f32 {
        score - self.largest - self.log_sum
    }
}

/// Makes `out` the probabilities that `scores` are the unnormalised logarithms of.
pub(super) fn softmax(team: &Team, scores: &[f32], out: &mut Vec<f32>) -> Normaliser {
    let (largest, sum) = exponentials(team, scores, out);
    let divisor = sum as f32;
    out.iter_mut().for_each(|x| *x /= divisor);
    Normaliser { largest, log_sum: sum.ln() as f32 }
}

/// Subtracts from `scores` the logarithm of the sum of their exponentials; a row of −∞ alone stays one.
pub(super) fn log_softmax(team: &Team, scores: &mut [f32], scratch: &mut Vec<f32>) {
    if largest(scores) == f32::NEG_INFINITY {
        return;
    }
    let (largest, sum) = exponentials(team, scores, scratch);
    let normaliser = Normaliser { largest, log_sum: sum.ln() as f32 };
    scores.iter_mut().for_each(|x| *x = normaliser.log_probability(*x));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_length_give_the_plain_sums() {
        let team = Team::new(1);
        for n in [1, 15, 16, 17, 1023, 5000] {
            let row: Vec<f32> = (0..n).map(|i| ((i * 37) % 101) as f32 / 10.0 - 5.0).collect();
            let wanted: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
            let mut scores = row.clone();
            log_softmax(&team, &mut scores, &mut Vec::new());
            for (score, x) in scores.iter().zip(&row) {
                assert!((f64::from(*score) - (f64::from(*x) - wanted.ln())).abs() < 2e-6, "{n}");
            }
            let mut p = Vec::new();
            softmax(&team, &row, &mut p);
            assert!((sum(&p) - 1.0).abs() < 1e-6, "{n}");
            assert_eq!(largest(&row), row.iter().copied().fold(f32::MIN, f32::max));
        }
    }

    #[test]
    fn what_no_model_means_is_found_anywhere() {
        for n in [1, 1500] {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut row = vec![f32::NEG_INFINITY; n];
                assert!(!has_invalid(&row));
                row[n - 1] = bad;
                assert!(has_invalid(&row));
            }
        }
    }
}
