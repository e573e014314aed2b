//! What the rows of each cluster add up to.

/// Weighted sums of the rows of each cluster.
#[derive(Clone)]
pub(super) struct Sums {
    pub(super) totals: Vec<f64>,
    pub(super) weights: Vec<f64>,
    rows: Vec<i64>,
}

impl Sums {
    pub(super) fn new(k: usize, d: usize) -> Self {
        Self { totals: vec![0.0; k * d], weights: vec![0.0; k], rows: vec![0; k] }
    }

    pub(super) fn add(&mut self, columns: &[f64], labels: &[u32], weight: &[f64]) {
        let d = self.totals.len() / self.weights.len();
        for (j, column) in columns.chunks_exact(labels.len()).enumerate() {
            for ((x, label), w) in column.iter().zip(labels).zip(weight) {
                self.totals[*label as usize * d + j] += w * x;
            }
        }
        for (label, w) in labels.iter().zip(weight) {
            self.weights[*label as usize] += w;
            self.rows[*label as usize] += 1;
        }
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        self.totals.iter_mut().zip(&other.totals).for_each(|(a, b)| *a += b);
        self.weights.iter_mut().zip(&other.weights).for_each(|(a, b)| *a += b);
        self.rows.iter_mut().zip(&other.rows).for_each(|(a, b)| *a += b);
    }

    /// Lets go of the rounding that is left in clusters without rows.
    pub(super) fn clear_empty(&mut self) {
        let d = self.totals.len() / self.weights.len();
        for (k, _) in self.rows.iter().enumerate().filter(|(_, rows)| **rows == 0) {
            self.totals[k * d..(k + 1) * d].fill(0.0);
            self.weights[k] = 0.0;
        }
    }

    /// Moves row `at` of a block from the sums of one cluster to another's.
    pub(super) fn transfer(&mut self, columns: &[f64], len: usize, at: usize, weight: f64, from: u32, to: u32) {
        let d = self.totals.len() / self.weights.len();
        let (from, to) = (from as usize, to as usize);
        for (j, x) in columns.iter().skip(at).step_by(len).enumerate() {
            self.totals[from * d + j] -= weight * x;
            self.totals[to * d + j] += weight * x;
        }
        self.weights[from] -= weight;
        self.weights[to] += weight;
        self.rows[from] -= 1;
        self.rows[to] += 1;
    }

    /// Replaces each centre that has rows by their mean; returns the sum of squared movements.
    pub(super) fn average_into(&self, centres: &mut [f64]) -> f64 {
        let d = self.totals.len() / self.weights.len();
        let mut moved = 0.0;
        for ((centre, total), weight) in centres.chunks_exact_mut(d).zip(self.totals.chunks_exact(d)).zip(&self.weights)
        {
            if *weight > 0.0 {
                for (c, t) in centre.iter_mut().zip(total) {
                    let mean = t / weight;
                    moved += (mean - *c) * (mean - *c);
                    *c = mean;
                }
            }
        }
        moved
    }
}
