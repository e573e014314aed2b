//! Whether rows are closer to their own cluster than to the next (Rousseeuw 1987).

use super::confusion::distinct;
use crate::{MatrixRef, Result, Run, bail};

/// Above this many rows the score is that of a sample: its cost grows with the square of the rows.
pub const SAMPLE_ROWS: usize = 10_000;

/// How many numbers are subtracted between two looks at the run.
const VALUES_PER_CHECK: usize = 1 << 18;

/// The stream of the sample's generator: nothing else of a training draws from it.
const SAMPLE_STREAM: u64 = 0x5117_0e77_e000;

/// The mean silhouette coefficient, from -1 to 1, by Euclidean distance.
///
/// `labels` holds one cluster per row. Rows alone in their cluster count 0. Exact up to [`SAMPLE_ROWS`] rows, beyond
/// that of as many rows drawn with the run's seed. NaN when there are fewer than two clusters, or as many as rows.
///
/// # Errors
/// [`ErrorKind::WrongDimension`](crate::ErrorKind::WrongDimension) when the labels are not one per row, and
/// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
pub fn silhouette(rows: MatrixRef<'_>, labels: &[f64], run: &Run) -> Result<f64> {
    if rows.n_rows() != labels.len() {
        bail!(WrongDimension, "{} cluster labels do not fit {} rows", labels.len(), rows.n_rows());
    }
    if labels.len() <= SAMPLE_ROWS {
        return of_all(rows, labels, run);
    }
    let picked = sample(labels.len(), run);
    let labels: Vec<f64> = picked.iter().map(|row| labels[*row]).collect();
    let all = rows.as_slice();
    let width = rows.n_features();
    let rows: Vec<f64> = picked.iter().flat_map(|row| &all[row * width..(row + 1) * width]).copied().collect();
    of_all(MatrixRef::new(&rows, width)?, &labels, run)
}

/// [`SAMPLE_ROWS`] of `n` rows, in order: the first steps of a Fisher-Yates shuffle.
fn sample(n: usize, run: &Run) -> Vec<usize> {
    let mut rng = run.rng(SAMPLE_STREAM);
    let mut order: Vec<usize> = (0..n).collect();
    for i in 0..SAMPLE_ROWS {
        order.swap(i, rng.usize(i..n));
    }
    order.truncate(SAMPLE_ROWS);
    order.sort_unstable();
    order
}

fn of_all(rows: MatrixRef<'_>, labels: &[f64], run: &Run) -> Result<f64> {
    let distinct = distinct(labels.iter().copied());
    let n = labels.len();
    if distinct.len() < 2 || distinct.len() >= n {
        return Ok(f64::NAN);
    }
    let clusters: Vec<usize> = labels.iter().map(|l| distinct.partition_point(|known| known < l)).collect();
    let mut sizes = vec![0_usize; distinct.len()];
    clusters.iter().for_each(|cluster| sizes[*cluster] += 1);
    let mut sums = vec![0.0; distinct.len()];
    let mut total = 0.0;
    for (row, own) in rows.rows().zip(&clusters) {
        sums.fill(0.0);
        distances_into(row, rows, &clusters, &mut sums, run)?;
        total += coefficient(*own, &sums, &sizes);
    }
    Ok(total / n as f64)
}

/// Adds the distance from `row` to every row to the sum of that row's cluster.
fn distances_into(row: &[f64], rows: MatrixRef<'_>, clusters: &[usize], sums: &mut [f64], run: &Run) -> Result<()> {
    let width = rows.n_features();
    let rows_per_check = (VALUES_PER_CHECK / width).max(1);
    let blocks = rows.as_slice().chunks(rows_per_check * width);
    for (block, clusters) in blocks.zip(clusters.chunks(rows_per_check)) {
        run.check()?;
        for (other, cluster) in block.chunks_exact(width).zip(clusters) {
            sums[*cluster] += row.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        }
    }
    Ok(())
}

/// `(b - a) / max(a, b)`: `a` is the mean distance to the other rows of its cluster, `b` that to the nearest cluster.
fn coefficient(own: usize, sums: &[f64], sizes: &[usize]) -> f64 {
    if sizes[own] == 1 {
        return 0.0;
    }
    let a = sums[own] / (sizes[own] - 1) as f64;
    let others = sums.iter().zip(sizes).enumerate().filter(|(cluster, _)| *cluster != own);
    let b = others.map(|(_, (sum, size))| sum / *size as f64).fold(f64::INFINITY, f64::min);
    // Where all rows coincide both are 0, and the coefficient counts 0 as in scikit-learn.
    if a == b { 0.0 } else { (b - a) / a.max(b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn line(n: usize) -> (Vec<f64>, Vec<f64>) {
        let rows: Vec<f64> = (0..n).map(|i| (i % 7) as f64 + 100.0 * (i % 2) as f64).collect();
        let labels = (0..n).map(|i| (i % 2) as f64).collect();
        (rows, labels)
    }

    #[test]
    fn one_cluster_or_one_per_row_leaves_it_undefined() {
        let rows = [1.0, 2.0, 3.0];
        let matrix = MatrixRef::new(&rows, 1).expect("three rows");
        for labels in [[0.0, 0.0, 0.0], [0.0, 1.0, 2.0]] {
            assert!(silhouette(matrix, &labels, &Run::new()).expect("one label per row").is_nan());
        }
    }

    #[test]
    fn many_rows_are_sampled_by_seed_and_close_to_the_whole() {
        let (rows, labels) = line(12_000);
        let matrix = MatrixRef::new(&rows, 1).expect("one feature");
        let score = |seed| silhouette(matrix, &labels, &Run::new().with_seed(seed)).expect("two clusters");
        let exact = of_all(matrix, &labels, &Run::new()).expect("two clusters");
        assert_eq!(score(1), score(1));
        assert_ne!(score(1), score(2));
        assert!((score(1) - exact).abs() < 1e-3, "{} and {exact}", score(1));
    }

    #[test]
    fn a_cancelled_run_stops_it() {
        let (rows, labels) = line(100);
        let run = Run::new();
        run.cancel();
        let error = silhouette(MatrixRef::new(&rows, 1).expect("one feature"), &labels, &run).expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn labels_that_do_not_fit_the_rows_are_refused() {
        let error = silhouette(MatrixRef::new(&[1.0, 2.0], 1).expect("two rows"), &[0.0], &Run::new());
        assert_eq!(error.map_err(|e| e.kind()), Err(ErrorKind::WrongDimension));
    }
}
