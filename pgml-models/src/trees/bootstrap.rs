//! Which rows a tree learns from, and how often each was drawn.

use fastrand::Rng;
use pgml_core::{Result, bail};

use super::amount::Amount;

/// Draws rows with replacement.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    n_rows: usize,
    n_draws: usize,
    /// Cumulative weights, where rows are weighted: a row is drawn as often as its share of the weight says.
    cumulative: Option<Vec<f64>>,
}

impl Bootstrap {
    /// Draws `n_draws` of `n_rows` rows, with probabilities proportional to `weight`.
    #[must_use]
    pub fn new(n_rows: usize, n_draws: usize, weight: Option<&[f64]>) -> Self {
        let cumulative = weight.map(|weight| {
            let mut sum = 0.0;
            weight.iter().map(|w| (sum += w, sum).1).collect()
        });
        Self { n_rows, n_draws, cumulative }
    }

    /// How often each row was drawn.
    #[must_use]
    pub fn counts(&self, rng: &mut Rng) -> Vec<u32> {
        let mut counts = vec![0; self.n_rows];
        match &self.cumulative {
            None => (0..self.n_draws).for_each(|_| counts[rng.usize(0..self.n_rows)] += 1),
            Some(cumulative) => {
                let total = cumulative.last().copied().unwrap_or(0.0);
                for _ in 0..self.n_draws {
                    let mark = rng.f64() * total;
                    // Rounding can carry the mark to the very end; rows of weight 0 are never the first beyond it.
                    let row = cumulative.partition_point(|sum| *sum <= mark);
                    counts[row.min(self.last_weighted(cumulative))] += 1;
                }
            }
        }
        counts
    }

    fn last_weighted(&self, cumulative: &[f64]) -> usize {
        let total = cumulative[self.n_rows - 1];
        cumulative.partition_point(|sum| *sum < total)
    }
}

/// How many rows each tree draws when `max_samples` is a count, a share or null for as many as there are.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`](pgml_core::ErrorKind::InvalidParameter) when no tree can hold as many.
pub fn n_draws(algorithm: &str, max_samples: Option<Amount>, n_rows: usize, weight: Option<&[f64]>) -> Result<usize> {
    // As in scikit-learn 1.9, a share is of the weight, so that weights mean repeated rows.
    let all = weight.map_or(n_rows as f64, |weight| weight.iter().sum());
    let n_draws = match max_samples {
        None => n_rows,
        Some(Amount::Count(count)) => count,
        Some(Amount::Share(share)) => ((share * all) as usize).max(1),
    };
    if n_draws > u32::MAX as usize {
        bail!(InvalidParameter, "max_samples of {algorithm} asks for {n_draws} rows, more than fit a tree");
    }
    Ok(n_draws)
}

/// Draws `n_draws` different rows, ascending, each next one with probability proportional to the weight of those left.
#[must_use]
pub fn distinct(n_rows: usize, n_draws: usize, weight: Option<&[f64]>, rng: &mut Rng) -> Vec<u32> {
    let mut rows: Vec<u32> = match weight {
        None => {
            let mut rows: Vec<u32> = (0..n_rows as u32).collect();
            (0..n_draws).for_each(|drawn| rows.swap(drawn, rng.usize(drawn..n_rows)));
            rows.truncate(n_draws);
            rows
        }
        Some(weight) => {
            // Rows whose exponential clocks of rate `weight` ring first (Efraimidis, Spirakis 2006).
            let clock = |row: u32| (-(1.0 - rng.f64()).ln() / weight[row as usize], row);
            let mut clocks: Vec<(f64, u32)> =
                (0..n_rows as u32).filter(|row| weight[*row as usize] > 0.0).map(clock).collect();
            if n_draws < clocks.len() {
                clocks.select_nth_unstable_by(n_draws, |a, b| a.0.total_cmp(&b.0));
            }
            clocks.into_iter().take(n_draws).map(|(_, row)| row).collect()
        }
    };
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use pgml_core::Run;

    use super::*;

    #[test]
    fn about_63_percent_of_rows_are_drawn() {
        let counts = Bootstrap::new(10_000, 10_000, None).counts(&mut Run::new().rng(0));
        assert_eq!(counts.iter().sum::<u32>(), 10_000);
        let drawn = counts.iter().filter(|n| **n > 0).count() as f64 / 10_000.0;
        // 1 − 1/e = 0.632, with a standard deviation of 0.003.
        assert!((drawn - 0.632).abs() < 0.012, "{drawn}");
    }

    #[test]
    fn weights_say_how_often_a_row_is_drawn() {
        let weight = [0.0, 1.0, 3.0, 0.0];
        let counts = Bootstrap::new(4, 40_000, Some(&weight)).counts(&mut Run::new().rng(1));
        assert_eq!((counts[0], counts[3]), (0, 0));
        // The standard deviation is 87.
        assert!(counts[1].abs_diff(10_000) < 350, "{counts:?}");
    }

    #[test]
    fn different_rows_are_drawn_by_weight() {
        let mut rng = Run::new().rng(2);
        assert_eq!(distinct(5, 5, None, &mut rng), [0, 1, 2, 3, 4]);
        let mut first = 0;
        for _ in 0..4_000 {
            let drawn = distinct(4, 2, Some(&[0.0, 1.0, 1.0, 8.0]), &mut rng);
            assert!(drawn.len() == 2 && drawn[0] > 0 && drawn[0] < drawn[1]);
            first += u32::from(drawn[0] == 1 && drawn[1] == 2);
        }
        // One in ten begins with row 1, of which one in nine goes on with row 2, and the other way round: 89 are expected,
        // with a standard deviation of 9.
        assert!(first.abs_diff(89) < 40, "{first}");
    }
}
