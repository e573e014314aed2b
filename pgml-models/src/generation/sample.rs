//! One token of a row: the best, or one drawn by its probability.

use crate::kernels::Team;

use super::candidates::Candidates;
use super::softmax::largest;

/// The first of the tokens with the greatest score; none when all are −∞.
pub(super) fn best(row: &[f32]) -> Option<u32> {
    let most = largest(row);
    if most == f32::NEG_INFINITY {
        return None;
    }
    let part = row.chunks(256).position(|part| largest(part) == most)?;
    let place = row[part * 256..].iter().position(|x| *x == most)?;
    u32::try_from(part * 256 + place).ok()
}

/// A token drawn from `candidates` by their probabilities; none when there is none.
pub(super) fn draw(team: &Team, candidates: &mut Candidates, rng: &mut fastrand::Rng) -> Option<u32> {
    let probabilities = candidates.probabilities(team);
    let total: f64 = probabilities.iter().map(|p| f64::from(*p)).sum();
    let mut left = rng.f64() * total;
    let mut chosen = None;
    for (place, p) in probabilities.iter().enumerate() {
        if *p > 0.0 {
            chosen = Some(place);
            left -= f64::from(*p);
            if left < 0.0 {
                break;
            }
        }
    }
    chosen.map(|place| candidates.ids[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_is_the_best() {
        for n in [3, 256, 257, 1000] {
            let mut row = vec![-1.0; n];
            row[n - 2] = 3.0;
            row[n - 1] = 3.0;
            assert_eq!(best(&row), Some(n as u32 - 2));
        }
        assert_eq!(best(&[f32::NEG_INFINITY; 5]), None);
        assert_eq!(best(&[]), None);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let team = Team::new(1);
        let row: Vec<f32> = (0..20).map(|i| (i as f32 * 0.7).sin() * 2.0).collect();
        let mut candidates = Candidates::default();
        candidates.fill(&row);
        let probabilities = candidates.probabilities(&team).to_vec();
        let mut rng = fastrand::Rng::with_seed(3);
        let (mut counts, draws) = ([0_u32; 20], 200_000);
        for _ in 0..draws {
            counts[draw(&team, &mut candidates, &mut rng).expect("candidates") as usize] += 1;
        }
        let chi_squared: f64 = counts.iter().zip(&probabilities).fold(0.0, |total, (count, p)| {
            let expected = f64::from(*p) * f64::from(draws);
            total + (f64::from(*count) - expected).powi(2) / expected
        });
        // The 99.9th percentile with 19 degrees of freedom.
        assert!(chi_squared < 43.8, "{chi_squared}");
    }
}
