//! Where k-means starts.

use fastrand::Rng;
use pgml_core::{Result, Run};

use super::kernels::dot;
use super::lloyd::Points;

/// Greedy k-means++ (Arthur, Vassilvitskii 2007): each next centre is the best of `2 + ln k` rows drawn in proportion
/// to their squared distance from the centres so far.
///
/// # Errors
/// When the run was cancelled.
pub fn plus_plus(points: &Points, k: usize, rng: &mut Rng, run: &Run) -> Result<Vec<f64>> {
    let trials = 2 + (k as f64).ln() as usize;
    let mut centres = points.row(draw(&points.weight, rng));
    let mut closest = points.distances(&centres, run)?;
    for _ in 1..k {
        let chances: Vec<f64> = closest.iter().zip(&points.weight).map(|(d, w)| d * w).collect();
        let mut best: Option<(f64, Vec<f64>, Vec<f64>)> = None;
        for _ in 0..trials {
            let candidate = points.row(draw(&chances, rng));
            let mut distances = points.distances(&candidate, run)?;
            distances.iter_mut().zip(&closest).for_each(|(d, c)| *d = d.min(*c));
            let potential = dot(&distances, &points.weight);
            if best.as_ref().is_none_or(|(lowest, ..)| potential < *lowest) {
                best = Some((potential, distances, candidate));
            }
        }
        if let Some((_, distances, candidate)) = best {
            closest = distances;
            centres.extend(candidate);
        }
    }
    Ok(centres)
}

/// `k` different rows, drawn in proportion to their weight.
///
/// # Errors
/// When the run was cancelled.
pub fn random_rows(points: &Points, k: usize, rng: &mut Rng, run: &Run) -> Result<Vec<f64>> {
    let mut chances = points.weight.clone();
    let mut centres = Vec::with_capacity(k * points.d);
    for _ in 0..k {
        run.check()?;
        let row = draw(&chances, rng);
        centres.extend(points.row(row));
        chances[row] = 0.0;
    }
    Ok(centres)
}

/// An index drawn in proportion to `chances`; any index when all are zero.
fn draw(chances: &[f64], rng: &mut Rng) -> usize {
    let total: f64 = chances.iter().sum();
    if total <= 0.0 {
        return rng.usize(0..chances.len());
    }
    let mut left = rng.f64() * total;
    let mut last = 0;
    for (i, chance) in chances.iter().enumerate().filter(|(_, chance)| **chance > 0.0) {
        if left < *chance {
            return i;
        }
        left -= chance;
        last = i;
    }
    // Rounding used up the total before the end.
    last
}
