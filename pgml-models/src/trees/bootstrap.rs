//! Which rows a tree learns from, and how often each was drawn.

use fastrand::Rng;

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
}
