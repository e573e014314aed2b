//! Which rows are alike, and where that places them: eigenvectors of the normalised graph Laplacian.

use pgml_core::{Dataset, MatrixRef, Result, Run, bail};

use crate::projection::fix_sign;
use crate::solvers::cholesky::factor;
use crate::solvers::kernel_basis::{KernelBasis, PairKernel};
use crate::solvers::kernels::sum;
use crate::solvers::leading_eigen::{Inverse, Symmetric, leading_eigen};
use crate::solvers::neighbours::{Metric, Neighbour, Neighbours};
use crate::solvers::sparse::Sparse;
use crate::solvers::symmetric_eigen::Eigen;

/// Eigenvectors are accurate to it.
const TOLERANCE: f64 = 1e-10;
/// How far beyond the largest eigenvalue the likeness is inverted.
const BEYOND: f64 = 1e-3;

/// Places of rows, `n × k`, that are alike by `exp(−γ distance²)`.
pub fn by_distance(data: &Dataset, gamma: f64, k: usize, run: &Run) -> Result<Vec<f64>> {
    let (n, d) = (data.n_rows(), data.n_features());
    let _memory = run.reserve((8 * n as u64).saturating_mul(n as u64), "the likeness of all pairs of rows")?;
    let rows = data.to_rows();
    let mut matrix = KernelBasis::new(PairKernel::Rbf { gamma }, &rows, d).square(&rows, run)?;
    drop(rows);
    (0..n).for_each(|i| matrix[i * n + i] = 0.0);
    let mut degrees = Vec::with_capacity(n);
    for row in matrix.chunks_exact(n) {
        run.check()?;
        degrees.push(root_degree(sum(row)));
    }
    // Rows in groups that hardly touch have many eigenvalues next to the largest, 1: inverting what is left of a little
    // more than 1 spreads them.
    for (i, (row, own)) in matrix.chunks_exact_mut(n).zip(&degrees).enumerate() {
        run.check()?;
        row.iter_mut().zip(&degrees).for_each(|(cell, other)| *cell /= -own * other);
        row[i] += 1.0 + BEYOND;
    }
    if !factor(&mut matrix, n, run)? {
        bail!(InvalidData, "the likeness of rows overflows: features are too large, scale them in preprocess");
    }
    places(&Inverse { lower: &matrix, n }, &degrees, k, run)
}

/// Places of rows, `n × k`, that are alike if one is among the `n_neighbours` nearest of the other, itself included.
pub fn by_neighbours(data: &Dataset, n_neighbours: usize, k: usize, run: &Run) -> Result<Vec<f64>> {
    let (n, d) = (data.n_rows(), data.n_features());
    if n_neighbours > n {
        bail!(InvalidData, "spectral with {n_neighbours} neighbours (n_neighbors) needs as many rows, not {n}");
    }
    let _memory = run.reserve(8 * (n * (d + 8 * n_neighbours)) as u64, "the graph of neighbours")?;
    let rows = data.to_rows();
    let search = Neighbours::new(&rows, d, Metric::Euclidean, run)?;
    let mut cells = Vec::new();
    let mut found = Vec::new();
    for (block, rows) in rows.chunks(64 * d).enumerate() {
        run.check()?;
        run.progress("training", 64 * block as u64, n as u64);
        let queries = MatrixRef::new(rows, d)?;
        found.clear();
        found.resize(queries.n_rows() * n_neighbours, Neighbour::NONE);
        search.k_nearest(queries, n_neighbours, &mut found);
        for (own, nearest) in found.chunks_exact(n_neighbours).enumerate() {
            let own = (64 * block + own) as u32;
            // Both directions count half; a row is not compared with itself.
            let others = nearest.iter().map(|neighbour| neighbour.index).filter(|other| *other != own);
            cells.extend(others.flat_map(|other| [(own, other, 0.5), (other, own, 0.5)]));
        }
    }
    let mut graph = Sparse::new(n, cells);
    let degrees: Vec<f64> = (0..n).map(|i| root_degree(graph.row(i).map(|(_, x)| x).sum())).collect();
    for i in 0..n {
        graph.row_mut(i).for_each(|(j, x)| *x /= degrees[i] * degrees[j]);
    }
    places(&graph, &degrees, k, run)
}

/// Rows that are like no other count as if they had one such.
fn root_degree(degree: f64) -> f64 {
    if degree > 0.0 { degree.sqrt() } else { 1.0 }
}

/// The smallest eigenvectors of the Laplacian are the largest of the normalised likeness, and of the inverse of what it
/// lacks to the identity.
fn places(likeness: &impl Symmetric, degrees: &[f64], k: usize, run: &Run) -> Result<Vec<f64>> {
    let n = degrees.len();
    let Eigen { mut vectors, .. } = leading_eigen(likeness, k, TOLERANCE, run)?;
    let mut places = vec![0.0; n * k];
    for (c, vector) in vectors.chunks_exact_mut(n).enumerate() {
        vector.iter_mut().zip(degrees).for_each(|(x, degree)| *x /= degree);
        fix_sign(vector);
        for (row, x) in places.chunks_exact_mut(k).zip(vector.iter()) {
            row[c] = *x;
        }
    }
    if places.iter().any(|x| !x.is_finite()) {
        bail!(InvalidData, "the likeness of rows overflows: features are too large, scale them in preprocess");
    }
    Ok(places)
}
