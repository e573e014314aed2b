//! Symmetric matrices of all rows with each other.

use pgml_core::run::Reservation;
use pgml_core::{Error, ErrorKind, Result, Run};

use super::kernel_function::Kernel;
use super::packets::{LANES, pack};

/// Rows of the matrix for which memory is taken at once: a cancelled run has not taken all of it.
const ROWS_AT_A_TIME: usize = 64;

/// The row-major `n × n` matrix of the kernels of row-major `rows` of `d`, and the memory that it takes.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn kernel_matrix(kernel: &Kernel, rows: &[f64], d: usize, run: &Run) -> Result<(Vec<f64>, Reservation)> {
    let n = rows.len() / d;
    let mut packets = Vec::with_capacity(rows.len() + LANES * d);
    pack(rows, d, &mut packets);
    let mut values = vec![0.0; n.next_multiple_of(LANES)];
    symmetric(n, "the kernels of all rows with each other", run, |i, out| {
        let len = (i + 1).next_multiple_of(LANES);
        kernel.fill(&packets[..len * d], &rows[i * d..(i + 1) * d], &mut values[..len]);
        out.copy_from_slice(&values[..=i]);
    })
}

/// The row-major symmetric `n × n` matrix whose row `i` up to its diagonal `fill(i, out)` writes.
///
/// # Errors
/// When the run was cancelled or its memory does not suffice.
pub fn symmetric(
    n: usize,
    what: &str,
    run: &Run,
    mut fill: impl FnMut(usize, &mut [f64]),
) -> Result<(Vec<f64>, Reservation)> {
    let memory = run.reserve((n as u64).saturating_mul(8 * n as u64), what)?;
    let mut matrix: Vec<f64> = Vec::new();
    for first in (0..n).step_by(ROWS_AT_A_TIME) {
        let rows = first..(first + ROWS_AT_A_TIME).min(n);
        matrix.try_reserve_exact(rows.len() * n).map_err(|_| {
            Error::new(ErrorKind::OutOfMemory, format!("{what} are {n} × {n} numbers, more than there is memory for"))
        })?;
        for i in rows {
            run.check()?;
            matrix.resize((i + 1) * n, 0.0);
            fill(i, &mut matrix[i * n..=i * n + i]);
        }
    }
    mirror(&mut matrix, n, run)?;
    Ok((matrix, memory))
}

/// Copies the lower triangle to the upper one, block by block.
///
/// # Errors
/// When the run was cancelled.
pub fn mirror(matrix: &mut [f64], n: usize, run: &Run) -> Result<()> {
    const BLOCK: usize = 32;
    for first in (0..n).step_by(BLOCK) {
        run.check()?;
        for second in (0..=first).step_by(BLOCK) {
            for i in first..(first + BLOCK).min(n) {
                for j in second..(second + BLOCK).min(i) {
                    matrix[j * n + i] = matrix[i * n + j];
                }
            }
        }
    }
    Ok(())
}
