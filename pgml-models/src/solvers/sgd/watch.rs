//! The score of rows that descent does not learn from.

use super::Problem;
use super::pass::State;

/// How well rows are predicted: 1 is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The share of rows whose score has the sign of their target.
    Accuracy,
    /// The explained share of the targets' variance.
    R2,
}

/// Rows that are watched, not learnt from.
pub struct Watched<'a> {
    /// All rows.
    pub problem: &'a Problem<'a>,
    /// Which of them to watch.
    pub watch: &'a [u32],
    /// A weight per row of `problem`, without those of the classes.
    pub weight: Option<&'a [f64]>,
    /// What is better.
    pub measure: Measure,
}

impl Watched<'_> {
    pub(super) fn score(&self, state: &State) -> f64 {
        let rows = || {
            self.watch.iter().map(|row| {
                let i = *row as usize;
                let p = state.weights.dot(self.problem.rows.row(i)) + state.intercept;
                (self.problem.y[i], p, self.weight.map_or(1.0, |w| w[i]))
            })
        };
        let total: f64 = rows().map(|(_, _, w)| w).sum();
        match self.measure {
            Measure::Accuracy => {
                rows().map(|(y, p, w)| if (p > 0.0) == (y > 0.0) { w } else { 0.0 }).sum::<f64>() / total
            }
            Measure::R2 => {
                let mean = rows().map(|(y, _, w)| w * y).sum::<f64>() / total;
                let unexplained: f64 = rows().map(|(y, p, w)| w * (y - p).powi(2)).sum();
                let all: f64 = rows().map(|(y, _, w)| w * (y - mean).powi(2)).sum();
                if all > 0.0 { 1.0 - unexplained / all } else { 0.0 }
            }
        }
    }
}
