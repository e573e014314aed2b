//! Distances in units of how far a distribution extends in each direction (Mahalanobis 1936).

use super::kernels::{dot, for_each_cpu};

/// A centre and a matrix `W` with `|x − centre|² = |W (x − centre)|²` in those units.
#[derive(Debug, Clone, PartialEq)]
pub struct Whitening {
    /// The centre, of `d`.
    pub centre: Vec<f64>,
    /// `W`, column after column: `d × d`.
    pub columns: Vec<f64>,
}

impl Whitening {
    /// Of a distribution that extends by `variances` along `directions` (one row of `d` each), which must be all there
    /// are.
    #[must_use]
    pub fn new(centre: Vec<f64>, directions: &[f64], variances: &[f64]) -> Self {
        let (d, n) = (centre.len(), variances.len());
        let mut columns = vec![0.0; d * n];
        for (k, (direction, variance)) in directions.chunks_exact(d).zip(variances).enumerate() {
            for (j, x) in direction.iter().enumerate() {
                columns[j * n + k] = if *variance > 0.0 { x / variance.sqrt() } else { 0.0 };
            }
        }
        Self { centre, columns }
    }

    /// The squared distance of `row`; `room` has a number per feature.
    #[must_use]
    pub fn squared_distance(&self, row: &[f64], room: &mut [f64]) -> f64 {
        whiten(row, &self.centre, &self.columns, room);
        dot(room, room)
    }

    /// Whether every number is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.centre.iter().chain(&self.columns).all(|x| x.is_finite())
    }
}

for_each_cpu! {
    /// `out ← Σ (rowⱼ − centreⱼ) columnⱼ`.
    fn whiten(row: &[f64], centre: &[f64], columns: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for ((x, c), column) in row.iter().zip(centre).zip(columns.chunks_exact(out.len())) {
            let gap = x - c;
            for (out, w) in out.iter_mut().zip(column) {
                *out += gap * w;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_in_deviations() {
        let (c, s) = (0.6, 0.8);
        let whitening = Whitening::new(vec![1.0, 1.0], &[c, s, -s, c], &[4.0, 0.25]);
        let mut room = [0.0; 2];
        // Two deviations along the first direction, one along the second.
        let row = [1.0 + 4.0 * c - 0.5 * s, 1.0 + 4.0 * s + 0.5 * c];
        assert!((whitening.squared_distance(&row, &mut room) - 5.0).abs() < 1e-12);
    }
}
