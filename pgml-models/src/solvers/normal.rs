//! Normally distributed random numbers.

use fastrand::Rng;

/// Fills `out` with independent standard normal numbers, by the polar method (Marsaglia, Bray 1964).
pub fn fill(out: &mut [f64], rng: &mut Rng) {
    for pair in out.chunks_mut(2) {
        let (x, y, square) = loop {
            let (x, y) = (2.0 * rng.f64() - 1.0, 2.0 * rng.f64() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                break (x, y, square);
            }
        };
        let scale = (-2.0 * square.ln() / square).sqrt();
        pair.iter_mut().zip([x, y]).for_each(|(out, x)| *out = scale * x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_variance_and_kurtosis_are_those_of_the_normal_distribution() {
        let mut values = vec![0.0; 100_001];
        fill(&mut values, &mut Rng::with_seed(3));
        let moment = |power: i32| values.iter().map(|x| x.powi(power)).sum::<f64>() / values.len() as f64;
        assert!(moment(1).abs() < 0.01 && (moment(2) - 1.0).abs() < 0.02 && (moment(4) - 3.0).abs() < 0.1);
    }
}
