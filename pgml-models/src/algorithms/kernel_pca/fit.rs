//! Eigenvectors of the centred kernel matrix.

use pgml_core::{Dataset, Result, Run, bail};

use super::KernelPcaParams;
use super::model::{KernelPcaModel, Support};
use crate::projection::fix_sign;
use crate::solvers::blocks::{copy_columns, ranges};
use crate::solvers::kernel_basis::{KernelBasis, PairKernel};
use crate::solvers::leading_eigen::leading_eigen;
use crate::solvers::product::product;
use crate::solvers::row_space::RowSpace;
use crate::solvers::symmetric_eigen::{Eigen, symmetric_eigen};
use crate::solvers::symmetric_half::SymmetricHalf;

/// Smaller shares of the largest eigenvalue are zeros but for rounding; scikit-learn's bound.
const NOTHING: f64 = 1e-12;

/// Components of the linear kernel: those of the rows themselves, without any matrix of kernels.
pub fn linear(params: &KernelPcaParams, data: &Dataset, run: &Run) -> Result<KernelPcaModel> {
    let d = data.n_features();
    let RowSpace { mean, s, mut vectors, .. } = RowSpace::of(data, true, run)?;
    let largest = s.first().copied().unwrap_or(0.0);
    // Eigenvalues of the kernel matrix are the squares.
    let rank = s.iter().take_while(|s| **s > 0.0 && **s * **s >= NOTHING * largest * largest).count();
    let k = kept(params, data.n_rows(), rank)?;
    vectors.truncate(rank.min(k) * d);
    flip_by_rows(&mut vectors, &mean, data, run)?;
    vectors.resize(k * d, 0.0);
    let mut values: Vec<f64> = s.iter().take(rank.min(k)).map(|s| s * s).collect();
    values.resize(k, 0.0);
    KernelPcaModel::linear(mean, vectors, values)
}

/// How many components there are to be if `rank` have a variance.
fn kept(params: &KernelPcaParams, n: usize, rank: usize) -> Result<usize> {
    let k = match params.n_components {
        Some(k) if params.remove_zero_eig => (k as usize).min(rank),
        Some(k) => (k as usize).min(n),
        None => rank,
    };
    if k == 0 {
        bail!(InvalidData, "kernel_pca finds no components: all rows are the same to the kernel");
    }
    Ok(k)
}

/// Turns each vector so that the row farthest along it, of equals the first, lies on its positive side.
fn flip_by_rows(vectors: &mut [f64], mean: &[f64], data: &Dataset, run: &Run) -> Result<()> {
    let (n, d) = (data.n_rows(), data.n_features());
    let mut farthest = vec![0.0_f64; vectors.len() / d];
    for rows in ranges(n, 256) {
        run.check()?;
        let mut columns = vec![0.0; rows.len() * d];
        copy_columns(data, &rows, &mut columns);
        for (column, mean) in columns.chunks_exact_mut(rows.len()).zip(mean) {
            column.iter_mut().for_each(|x| *x -= mean);
        }
        let along = product(vectors, &columns, d, rows.len(), run)?;
        for (farthest, along) in farthest.iter_mut().zip(along.chunks_exact(rows.len())) {
            *farthest = along.iter().fold(*farthest, |a, b| if b.abs() > a.abs() { *b } else { a });
        }
    }
    for (vector, farthest) in vectors.chunks_exact_mut(d).zip(farthest) {
        if farthest < 0.0 {
            vector.iter_mut().for_each(|x| *x = -*x);
        }
    }
    Ok(())
}

/// Components of any other kernel.
pub fn by_kernel(params: &KernelPcaParams, kernel: PairKernel, data: &Dataset, run: &Run) -> Result<KernelPcaModel> {
    let (n, d) = (data.n_rows(), data.n_features());
    let wanted = params.n_components.map_or(n, |k| (k as usize).min(n));
    let few = n > 200 && wanted * 10 <= n;
    let dense = match params.eigen_solver.as_str() {
        "dense" => true,
        "auto" => !few,
        // As scikit-learn refuses to look for all by an iteration.
        _ => wanted == n,
    };
    let whole = if dense { (24 * n as u64).saturating_mul(n as u64) } else { 0 };
    let _memory = run.reserve(SymmetricHalf::bytes(n).saturating_add(whole), "the matrix of kernels")?;
    let rows = data.to_rows();
    let basis = KernelBasis::new(kernel, &rows, d);
    let mut matrix = basis.half(&rows, run)?;
    let means = matrix.centre(run)?;
    let Eigen { mut values, mut vectors } = if dense {
        symmetric_eigen(matrix.to_square(run)?, n, run)?
    } else {
        leading_eigen(&matrix, wanted, 1e-13, run)?
    };
    values.truncate(wanted);
    vectors.truncate(wanted * n);
    clean(&mut values)?;
    let k = kept(params, n, values.iter().take_while(|v| **v > 0.0).count())?;
    values.truncate(k);
    vectors.truncate(k * n);
    vectors.chunks_exact_mut(n).for_each(fix_sign);
    KernelPcaModel::by_kernel(Support { kernel, rows, d, means }, vectors, values)
}

/// Tiny eigenvalues become 0; negative ones of a size that rounding does not explain are refused.
fn clean(values: &mut [f64]) -> Result<()> {
    let largest = values.first().copied().unwrap_or(0.0);
    let least = values.last().copied().unwrap_or(0.0);
    if largest < 0.0 || (least < -1e-5 * largest && least < -1e-10) {
        bail!(
            InvalidData,
            "the kernel is no scalar product for these rows: an eigenvalue is {least}, the largest {largest}; ask for \
             fewer components or choose another kernel"
        );
    }
    values.iter_mut().filter(|v| **v < NOTHING * largest).for_each(|v| *v = 0.0);
    Ok(())
}
