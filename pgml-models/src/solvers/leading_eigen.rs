//! The largest eigenvalues of a large symmetric matrix that is known by its products with vectors: a block Lanczos
//! method with thick restarts (Wu, Simon 2000), in the form that grows its space by residuals (Davidson 1975).

use pgml_core::{Result, Run, bail};

use super::kernels::{axpy, dot, norm};
use super::normal;
use super::product::{product, product_transposed};
use super::symmetric_eigen::{Eigen, symmetric_eigen};
use super::triangular::{backward_block, forward_block};

/// Vectors multiplied at once: one panel of the product, for which the matrix is read from memory once. Eigenvalues
/// that are as many times equal are found at once.
const BLOCK: usize = 8;
/// Rounds after which the method gives up: it restarts every few of them.
const ROUNDS: usize = 3000;

/// A symmetric matrix.
pub trait Symmetric {
    /// Rows and columns.
    fn n(&self) -> usize;
    /// The product with each row of `vectors`, of length `n` each.
    ///
    /// # Errors
    /// When the run was cancelled.
    fn times(&self, vectors: &[f64], run: &Run) -> Result<Vec<f64>>;
}

/// The inverse of a positive definite matrix, by its factor `L Lᵀ`: its leading eigenvectors are those of the smallest
/// eigenvalues, far apart from each other even where those are close together.
#[derive(Debug, Clone, Copy)]
pub struct Inverse<'a> {
    /// `L`, row-major; what lies above the diagonal is not read.
    pub lower: &'a [f64],
    /// Rows and columns.
    pub n: usize,
}

impl Symmetric for Inverse<'_> {
    fn n(&self) -> usize {
        self.n
    }

    fn times(&self, vectors: &[f64], run: &Run) -> Result<Vec<f64>> {
        let width = vectors.len() / self.n;
        let mut columns = transposed(vectors, width, self.n);
        forward_block(self.lower, self.n, &mut columns, width, run)?;
        backward_block(self.lower, self.n, &mut columns, width, run)?;
        Ok(transposed(&columns, self.n, width))
    }
}

fn transposed(a: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|j| (0..rows).map(move |i| a[i * columns + j])).collect()
}

/// The `k` largest eigenvalues, descending, with a unit row each. Residuals shrink to `tol` times the largest size of
/// an eigenvalue; where they do not for long, the best found so far is returned with a warning.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn leading_eigen(matrix: &impl Symmetric, k: usize, tol: f64, run: &Run) -> Result<Eigen> {
    let n = matrix.n();
    let k = k.min(n);
    // Small spaces are searched whole.
    let most = (2 * k + 6 * BLOCK).max(k + 40);
    if n <= most + 2 * BLOCK {
        return whole(matrix, k, run);
    }
    let _memory = run.reserve(8 * (n * (2 * most + 4 * BLOCK + 2 * k)) as u64, "the space of eigenvectors")?;
    let mut rng = Run::new().rng(1);
    let mut space = Space { n, basis: Vec::new(), images: Vec::new() };
    let mut first = vec![0.0; BLOCK * n];
    normal::fill(&mut first, &mut rng);
    space.grow(first, matrix, &mut rng, run)?;
    for round in 0..=ROUNDS {
        run.check()?;
        let m = space.len();
        let projected = symmetrised(product_transposed(&space.images, &space.basis, n, run)?, m);
        let Eigen { values, vectors: turns } = symmetric_eigen(projected, m, run)?;
        let wanted = k.min(m);
        let vectors = product(&turns[..wanted * m], &space.basis, m, n, run)?;
        let mut residuals = product(&turns[..wanted * m], &space.images, m, n, run)?;
        let scale = values.iter().fold(f64::MIN_POSITIVE, |a, b| a.max(b.abs()));
        let mut open = Vec::new();
        for (i, (residual, vector)) in residuals.chunks_exact_mut(n).zip(vectors.chunks_exact(n)).enumerate() {
            axpy(-values[i], vector, residual);
            let length = norm(residual);
            if length > tol * scale {
                open.push((length, i));
            }
        }
        if (open.is_empty() && wanted == k) || round == ROUNDS {
            if round == ROUNDS {
                run.warn("eigenvectors did not converge to the last digits");
            }
            return Ok(Eigen { values: values[..wanted].to_vec(), vectors });
        }
        if m + BLOCK > most {
            space.shrink(&turns, (k + 2 * BLOCK).min(m), run)?;
        }
        open.truncate(BLOCK);
        let mut next: Vec<f64> = open.iter().flat_map(|(_, i)| residuals[i * n..(i + 1) * n].iter().copied()).collect();
        if next.is_empty() {
            next = vec![0.0; n];
        }
        space.grow(next, matrix, &mut rng, run)?;
    }
    bail!(Internal, "the search for eigenvectors made no round")
}

/// All eigenvalues at once.
fn whole(matrix: &impl Symmetric, k: usize, run: &Run) -> Result<Eigen> {
    let n = matrix.n();
    let mut unit = vec![0.0; n * n];
    (0..n).for_each(|i| unit[i * n + i] = 1.0);
    let Eigen { mut values, mut vectors } = symmetric_eigen(symmetrised(matrix.times(&unit, run)?, n), n, run)?;
    values.truncate(k);
    vectors.truncate(k * n);
    Ok(Eigen { values, vectors })
}

fn symmetrised(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    for i in 0..n {
        for j in 0..i {
            let mean = 0.5 * (a[i * n + j] + a[j * n + i]);
            (a[i * n + j], a[j * n + i]) = (mean, mean);
        }
    }
    a
}

/// Orthonormal vectors, one row each, and what the matrix makes of them.
struct Space {
    n: usize,
    basis: Vec<f64>,
    images: Vec<f64>,
}

impl Space {
    fn len(&self) -> usize {
        self.basis.len() / self.n
    }

    /// Adds the directions of `vectors` that are new; random ones where they are not.
    fn grow(
        &mut self,
        mut vectors: Vec<f64>,
        matrix: &impl Symmetric,
        rng: &mut fastrand::Rng,
        run: &Run,
    ) -> Result<()> {
        let n = self.n;
        for vector in vectors.chunks_exact_mut(n) {
            let length = norm(vector);
            vector.iter_mut().for_each(|x| *x /= length.max(f64::MIN_POSITIVE));
        }
        // Once leaves what rounding adds, twice does not.
        for _ in 0..2 {
            self.project_out(&mut vectors, run)?;
        }
        let first = self.basis.len();
        for vector in vectors.chunks_exact_mut(n) {
            let mut tries = 0;
            while !self.push_orthogonal(vector, first) && tries < 3 {
                normal::fill(vector, rng);
                self.project_out(vector, run)?;
                self.project_out(vector, run)?;
                tries += 1;
            }
        }
        let images = matrix.times(&self.basis[first..], run)?;
        self.images.extend(images);
        Ok(())
    }

    /// Subtracts from each vector its part in the space.
    fn project_out(&self, vectors: &mut [f64], run: &Run) -> Result<()> {
        if self.basis.is_empty() {
            return Ok(());
        }
        let parts = product_transposed(vectors, &self.basis, self.n, run)?;
        let inside = product(&parts, &self.basis, self.len(), self.n, run)?;
        axpy(-1.0, &inside, vectors);
        Ok(())
    }

    /// Makes `vector` orthogonal to the basis from `first` on and adds it, unless nothing of it is left.
    fn push_orthogonal(&mut self, vector: &mut [f64], first: usize) -> bool {
        let before = norm(vector);
        for _ in 0..2 {
            for other in self.basis[first..].chunks_exact(self.n) {
                let overlap = dot(other, vector);
                axpy(-overlap, other, vector);
            }
        }
        let length = norm(vector);
        if length.is_nan() || length <= 1e-8 * before.max(1e-4) {
            return false;
        }
        vector.iter_mut().for_each(|x| *x /= length);
        self.basis.extend_from_slice(vector);
        true
    }

    /// Keeps the first `kept` of the vectors that the rows of `turns` make of the basis.
    fn shrink(&mut self, turns: &[f64], kept: usize, run: &Run) -> Result<()> {
        let m = self.len();
        self.basis = product(&turns[..kept * m], &self.basis, m, self.n, run)?;
        self.images = product(&turns[..kept * m], &self.images, m, self.n, run)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::product::transposed_product;
    use super::super::symmetric_half::SymmetricHalf;
    use super::*;

    #[test]
    fn leading_values_equal_those_of_the_whole_decomposition_even_when_repeated() {
        let (n, k) = (200, 6);
        let mut rng = fastrand::Rng::with_seed(8);
        let mut directions = vec![0.0; n * n];
        normal::fill(&mut directions, &mut rng);
        let run = Run::new();
        let gram = product_transposed(&directions, &directions, n, &run).expect("not cancelled");
        let Eigen { vectors, .. } = symmetric_eigen(gram, n, &run).expect("not cancelled");
        // Values 5, 5, 5, then a slow decay down to negative ones.
        let value = |i: usize| if i < 3 { 5.0 } else { 4.0 - 0.025 * i as f64 };
        let mut scaled = vectors.clone();
        scaled.chunks_exact_mut(n).enumerate().for_each(|(i, row)| row.iter_mut().for_each(|x| *x *= value(i)));
        let matrix = transposed_product(&vectors, n, &scaled, n, &run).expect("not cancelled");
        let half = SymmetricHalf::fill(n, &run, |rows, cells| {
            let whole = matrix[rows.start * n..].chunks_exact(n);
            cells
                .chunks_exact_mut(rows.end)
                .zip(whole)
                .for_each(|(cells, row)| cells.copy_from_slice(&row[..rows.end]));
            Ok(())
        })
        .expect("not cancelled");
        let found = leading_eigen(&half, k, 1e-12, &run).expect("not cancelled");
        for (i, (found_value, vector)) in found.values.iter().zip(found.vectors.chunks_exact(n)).enumerate() {
            assert!((found_value - value(i)).abs() < 1e-10, "{i}: {found_value}");
            let mut image = product_transposed(vector, &matrix, n, &run).expect("not cancelled");
            axpy(-found_value, vector, &mut image);
            assert!(norm(&image) < 1e-10, "{i}");
        }
    }
}
