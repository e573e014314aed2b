//! Rows of the matrix of distances between data rows, each made when it is asked for: memory is linear in the rows.

use std::ops::Range;

use pgml_core::run::Reservation;
use pgml_core::{Dataset, Error, ErrorKind, Result, Run};

use super::blocks::{copy_column, copy_columns, ranges};
use super::kernels::for_each_cpu;
use super::nearest::squared_distances;
use super::neighbours::Metric;

/// Rows per block: the distances of one block stay in the first-level cache.
const BLOCK: usize = 256;
/// Rows that are copied at once where they are to be columns.
const ROWS: usize = 128;

/// Data rows in blocks that lie column after column, so that one row's distances to a block run in vector lanes. Each
/// sum runs over the features in their order, which is what reference libraries do: equal distances stay equal.
pub struct DistanceRows {
    columns: Vec<f64>,
    n: usize,
    d: usize,
    metric: Metric,
    _memory: Reservation,
}

impl DistanceRows {
    /// Copies the rows of `data`.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn new(data: &Dataset, metric: Metric, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_rows(), data.n_features());
        let memory = run.reserve(8 * (n * d) as u64, "the matrix of features")?;
        let mut columns = vec![0.0; n * d];
        for rows in ranges(n, BLOCK) {
            run.check()?;
            let block = &mut columns[rows.start * d..rows.end * d];
            copy_columns(data, &rows, block);
            if metric == Metric::Cosine {
                to_unit_length(block, rows.len());
            }
        }
        Ok(Self { columns, n, d, metric, _memory: memory })
    }

    /// Copies the features of `data` in the place of rows: each has a number per row.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn of_features(data: &Dataset, metric: Metric, run: &Run) -> Result<Self> {
        let (n, d) = (data.n_features(), data.n_rows());
        let memory = run.reserve(8 * (n * d) as u64, "the features as rows")?;
        let mut columns = vec![0.0; n * d];
        for (features, block) in data.features().chunks(BLOCK).zip(columns.chunks_mut(BLOCK * d)) {
            // A few rows at a time, which stay in the cache until they have all their features.
            for (few, rows) in block.chunks_mut(ROWS * features.len()).zip(ranges(d, ROWS)) {
                run.check()?;
                let mut values = vec![0.0; rows.len()];
                for (i, feature) in features.iter().enumerate() {
                    copy_column(&feature.values, &rows, &mut values);
                    few.iter_mut().skip(i).step_by(features.len()).zip(&values).for_each(|(cell, x)| *cell = *x);
                }
            }
            if metric == Metric::Cosine {
                to_unit_length(block, features.len());
            }
        }
        Ok(Self { columns, n, d, metric, _memory: memory })
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Row `i`, at unit length for the cosine.
    #[must_use]
    pub fn row(&self, i: usize) -> Vec<f64> {
        let first = i / BLOCK * BLOCK;
        let len = BLOCK.min(self.n - first);
        (0..self.d).map(|j| self.columns[first * self.d + j * len + i - first]).collect()
    }

    /// Keeps the rows `kept` (ascending) and forgets the others.
    pub fn keep(&mut self, kept: &[u32]) {
        let (n, d) = (self.n, self.d);
        for (to, rows) in ranges(kept.len(), BLOCK).enumerate() {
            // A block is written where blocks before the rows it is read from lay, but may overlap those rows.
            let mut block = vec![0.0; rows.len() * d];
            for (i, from) in kept[rows.clone()].iter().map(|row| *row as usize).enumerate() {
                let first = from / BLOCK * BLOCK;
                let len = BLOCK.min(n - first);
                for j in 0..d {
                    block[j * rows.len() + i] = self.columns[first * d + j * len + from - first];
                }
            }
            self.columns[to * BLOCK * d..][..block.len()].copy_from_slice(&block);
        }
        self.n = kept.len();
    }

    /// Writes the distances of `point` to the rows `first..first + out.len()`.
    pub fn distances_into(&self, point: &[f64], first: usize, out: &mut [f64]) {
        let rows = first..first + out.len();
        let mut scratch = [0.0; BLOCK];
        for block in (first / BLOCK * BLOCK..rows.end).step_by(BLOCK) {
            let all = block..(block + BLOCK).min(self.n);
            let wanted = all.start.max(rows.start)..all.end.min(rows.end);
            let whole = wanted == all;
            let to = &mut out[wanted.start - first..wanted.end - first];
            if whole {
                self.to_block(point, all, to);
            } else {
                let scratch = &mut scratch[..all.len()];
                self.to_block(point, all.clone(), scratch);
                to.copy_from_slice(&scratch[wanted.start - all.start..wanted.end - all.start]);
            }
        }
    }

    fn to_block(&self, point: &[f64], rows: Range<usize>, out: &mut [f64]) {
        let columns = &self.columns[rows.start * self.d..rows.end * self.d];
        match self.metric {
            Metric::Euclidean => {
                squared_distances(columns, point, out);
                take_roots(out);
            }
            Metric::Manhattan => manhattan(columns, point, out),
            Metric::Chebyshev => chebyshev(columns, point, out),
            Metric::Cosine => cosine(columns, point, out),
            Metric::Minkowski(p) => minkowski(columns, point, p, out),
        }
    }
}

/// The error of clusterings that look at all pairs of rows when distances overflow.
#[must_use]
pub fn too_large() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        "the distances between rows overflow: features are too large, scale them in preprocess",
    )
}

fn to_unit_length(block: &mut [f64], len: usize) {
    let mut squares = vec![0.0; len];
    for column in block.chunks_exact(len) {
        squares.iter_mut().zip(column).for_each(|(s, x)| *s += x * x);
    }
    for column in block.chunks_exact_mut(len) {
        column.iter_mut().zip(&squares).filter(|(_, s)| **s > 0.0).for_each(|(x, s)| *x /= s.sqrt());
    }
}

for_each_cpu! {
    fn take_roots(values: &mut [f64]) {
        for value in values {
            *value = value.sqrt();
        }
    }
}

for_each_cpu! {
    fn manhattan(columns: &[f64], point: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (p, column) in point.iter().zip(columns.chunks_exact(out.len())) {
            for (out, x) in out.iter_mut().zip(column) {
                *out += (x - p).abs();
            }
        }
    }
}

for_each_cpu! {
    fn chebyshev(columns: &[f64], point: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (p, column) in point.iter().zip(columns.chunks_exact(out.len())) {
            for (out, x) in out.iter_mut().zip(column) {
                let difference = (x - p).abs();
                *out = if difference > *out { difference } else { *out };
            }
        }
    }
}

for_each_cpu! {
    fn cosine(columns: &[f64], point: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (p, column) in point.iter().zip(columns.chunks_exact(out.len())) {
            for (out, x) in out.iter_mut().zip(column) {
                *out += x * p;
            }
        }
        for out in out {
            let distance = 1.0 - *out;
            *out = if distance > 0.0 { distance } else { 0.0 };
        }
    }
}

fn minkowski(columns: &[f64], point: &[f64], p: f64, out: &mut [f64]) {
    out.fill(0.0);
    for (x0, column) in point.iter().zip(columns.chunks_exact(out.len())) {
        out.iter_mut().zip(column).for_each(|(out, x)| *out += (x - x0).abs().powf(p));
    }
    out.iter_mut().for_each(|out| *out = out.powf(1.0 / p));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(metric: Metric, a: &[f64], b: &[f64]) -> f64 {
        let gaps = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        match metric {
            Metric::Euclidean => gaps.map(|x| x * x).sum::<f64>().sqrt(),
            Metric::Manhattan => gaps.sum(),
            Metric::Chebyshev => gaps.fold(0.0, f64::max),
            Metric::Minkowski(p) => gaps.map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p),
            Metric::Cosine => 1.0 - product(a, b) / (product(a, a) * product(b, b)).sqrt(),
        }
    }

    #[test]
    fn rows_of_every_metric_equal_single_distances() {
        let (n, d) = (700, 7);
        let mut rng = fastrand::Rng::with_seed(1);
        let rows: Vec<f64> = (0..n * d).map(|_| rng.f64() - 0.5).collect();
        let data = Dataset::from_rows(&rows, d).expect("whole rows");
        let run = Run::new();
        for metric in [Metric::Euclidean, Metric::Manhattan, Metric::Chebyshev, Metric::Minkowski(3.0), Metric::Cosine]
        {
            let mut points = DistanceRows::new(&data, metric, &run).expect("memory");
            let kept: Vec<u32> = (0..n as u32).filter(|i| i % 3 > 0).collect();
            for keep in [false, true] {
                if keep {
                    points.keep(&kept);
                }
                let original = |i: usize| if keep { kept[i] as usize } else { i };
                let first = 100;
                let mut out = vec![0.0; points.len() - first];
                points.distances_into(&points.row(5), first, &mut out);
                for (i, out) in out.iter().enumerate() {
                    let row = |i: usize| &rows[original(i) * d..][..d];
                    let expected = distance(metric, row(5), row(first + i));
                    assert!((out - expected).abs() < 1e-12, "{metric:?}, row {i}: {out} is not {expected}");
                }
            }
        }
    }
}
