//! Kernels between any rows and a fixed set of rows, many at a time.

use pgml_core::{Result, Run, bail};

use super::exponential::{exp_in_place, tanh_in_place};
use super::kernels::{dot, norm};
use super::product::{Left, Panels, add_product_of_first};
use super::symmetric_half::SymmetricHalf;

/// A kernel as scikit-learn's `pairwise_kernels` defines it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PairKernel {
    /// `a·b`.
    Linear,
    /// `(γ a·b + c)ᵈ`.
    Poly {
        /// Scale of products.
        gamma: f64,
        /// What is added to them.
        coef0: f64,
        /// The power.
        degree: f64,
    },
    /// `exp(−γ |a − b|²)`.
    Rbf {
        /// Scale of squared distances.
        gamma: f64,
    },
    /// `tanh(γ a·b + c)`.
    Sigmoid {
        /// Scale of products.
        gamma: f64,
        /// What is added to them.
        coef0: f64,
    },
    /// The cosine of the angle between `a` and `b`; 0 for a row of zeros.
    Cosine,
}

/// Rows that kernels are computed with.
#[derive(Debug, Clone)]
pub struct KernelBasis {
    kernel: PairKernel,
    d: usize,
    n: usize,
    panels: Panels,
    /// Subtracted from every row: differences do not change, but products keep more of their digits.
    shift: Vec<f64>,
    /// Squared length of each shifted row, for distances.
    squares: Vec<f64>,
}

impl KernelBasis {
    /// Takes row-major `rows` of `d` features.
    #[must_use]
    pub fn new(kernel: PairKernel, rows: &[f64], d: usize) -> Self {
        let n = rows.len() / d;
        let mut shift = vec![0.0; d];
        if matches!(kernel, PairKernel::Rbf { .. }) {
            for row in rows.chunks_exact(d) {
                shift.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / n as f64);
            }
        }
        let mut basis = Self { kernel, d, n, panels: Panels::pack(&[], 0), shift, squares: Vec::new() };
        let mut prepared = rows.to_vec();
        basis.prepare(&mut prepared);
        basis.squares = prepared.chunks_exact(d).map(|row| dot(row, row)).collect();
        basis.panels = Panels::pack_transposed(&prepared, d);
        basis
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

    /// Bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.panels.bytes() + 8 * (self.d + self.n)
    }

    fn prepare(&self, rows: &mut [f64]) {
        match self.kernel {
            PairKernel::Rbf { .. } => {
                for row in rows.chunks_exact_mut(self.d) {
                    row.iter_mut().zip(&self.shift).for_each(|(x, shift)| *x -= shift);
                }
            }
            PairKernel::Cosine => {
                for row in rows.chunks_exact_mut(self.d) {
                    let length = norm(row);
                    if length > 0.0 {
                        row.iter_mut().for_each(|x| *x /= length);
                    }
                }
            }
            _ => {}
        }
    }

    /// The kernels of all pairs of the basis' own rows, `len × len`; `rows` are those it was made of. The caller reserves
    /// the memory; it is taken as kernels come, so that a cancelled run has not touched it all.
    ///
    /// # Errors
    /// When kernels overflow, the memory is not there or the run was cancelled.
    pub fn square(&self, rows: &[f64], run: &Run) -> Result<Vec<f64>> {
        let n = self.n;
        let mut matrix: Vec<f64> = Vec::new();
        // Pieces of a few rows end soon even when the basis is large.
        for piece in rows.chunks(4 * self.d) {
            run.check()?;
            let begin = matrix.len();
            run.progress("training", (begin / n) as u64, n as u64);
            let len = piece.len() / self.d * n;
            if matrix.try_reserve(len).is_err() {
                bail!(OutOfMemory, "the matrix of kernels of {n} rows does not fit into memory");
            }
            matrix.resize(begin + len, 0.0);
            self.kernels_into(&mut piece.to_vec(), &mut matrix[begin..])?;
        }
        Ok(matrix)
    }

    /// The kernels that [`square`](Self::square) has, those on and below the diagonal.
    ///
    /// # Errors
    /// As there.
    pub fn half(&self, rows: &[f64], run: &Run) -> Result<SymmetricHalf> {
        SymmetricHalf::fill(self.n, run, |range, out| {
            let mut piece = rows[range.start * self.d..range.end * self.d].to_vec();
            self.with_first(range.end, &mut piece, out)
        })
    }

    /// Writes the kernels of `rows` (row-major; used as scratch) with all rows of the basis: `n_rows × len`.
    ///
    /// # Errors
    /// When kernels overflow.
    pub fn kernels_into(&self, rows: &mut [f64], out: &mut [f64]) -> Result<()> {
        self.with_first(self.n, rows, out)
    }

    /// As [`kernels_into`](Self::kernels_into), with the first `n` rows of the basis alone.
    fn with_first(&self, n: usize, rows: &mut [f64], out: &mut [f64]) -> Result<()> {
        self.prepare(rows);
        out.fill(0.0);
        add_product_of_first(Left::rows(rows, self.d), &self.panels, n, out);
        match self.kernel {
            PairKernel::Linear | PairKernel::Cosine => {}
            PairKernel::Poly { gamma, coef0, degree } if degree.fract() == 0.0 && degree.abs() < 1e6 => {
                let power = degree as i32;
                out.iter_mut().for_each(|x| *x = (gamma * *x + coef0).powi(power));
            }
            PairKernel::Poly { gamma, coef0, degree } => {
                out.iter_mut().for_each(|x| *x = (gamma * *x + coef0).powf(degree));
            }
            PairKernel::Sigmoid { gamma, coef0 } => {
                out.iter_mut().for_each(|x| *x = gamma * *x + coef0);
                tanh_in_place(out);
            }
            PairKernel::Rbf { gamma } => {
                for (row, out) in rows.chunks_exact(self.d).zip(out.chunks_exact_mut(n.max(1))) {
                    let own = dot(row, row);
                    for (x, square) in out.iter_mut().zip(&self.squares) {
                        *x = -gamma * (own + square - 2.0 * *x).max(0.0);
                    }
                }
                exp_in_place(out);
            }
        }
        if out.iter().any(|x| !x.is_finite()) {
            bail!(InvalidData, "the kernel overflows: features are too large, scale them in preprocess");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_of_pairs_are_those_of_their_formulas() {
        let rows = [100.0, 2.0, 100.5, 1.0, 99.0, 0.0];
        let of = |kernel| {
            let mut out = [0.0; 3];
            KernelBasis::new(kernel, &rows, 2).kernels_into(&mut [101.0, 2.0], &mut out).expect("finite");
            out
        };
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-13 * b.abs(), "{a} is not {b}");
        close(of(PairKernel::Linear)[1], 101.0 * 100.5 + 2.0);
        close(of(PairKernel::Rbf { gamma: 0.5 })[2], f64::exp(-0.5 * 8.0));
        close(of(PairKernel::Poly { gamma: 0.1, coef0: 1.0, degree: 2.0 })[2], (0.1 * 101.0 * 99.0 + 1.0_f64).powi(2));
        close(
            of(PairKernel::Poly { gamma: 0.1, coef0: 1.0, degree: 2.5 })[2],
            (0.1 * 101.0 * 99.0 + 1.0_f64).powf(2.5),
        );
        close(of(PairKernel::Sigmoid { gamma: 1e-4, coef0: 0.0 })[2], (1e-4 * 101.0 * 99.0_f64).tanh());
        close(of(PairKernel::Cosine)[2], 101.0 / (101.0_f64 * 101.0 + 4.0).sqrt());
    }

    #[test]
    fn half_of_the_kernels_are_those_of_the_whole_square() {
        let (d, run) = (3, Run::new());
        let rows: Vec<f64> = (0..33 * d).map(|i| f64::from((i * i % 17) as u32)).collect();
        for kernel in [PairKernel::Rbf { gamma: 0.01 }, PairKernel::Cosine] {
            let basis = KernelBasis::new(kernel, &rows, d);
            let half = basis.half(&rows, &run).expect("finite");
            assert_eq!(half.to_square(&run), basis.square(&rows, &run), "{kernel:?}");
        }
    }
}
