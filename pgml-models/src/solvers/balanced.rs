//! Tables whose rows and columns are brought to the same weight, as biclusterings need them.

use pgml_core::{Result, Run};

use super::kernels::sum;

/// A table of non-negative numbers divided by the roots of its rows' and columns' sums.
#[derive(Debug, Clone)]
pub struct Balanced {
    /// The table, row-major.
    pub cells: Vec<f64>,
    /// What each row was multiplied by; 0 for a row of zeros.
    pub rows: Vec<f64>,
    /// What each column was multiplied by; 0 for a column of zeros.
    pub columns: Vec<f64>,
}

/// Raises all cells equally so that none is below `least`.
pub fn raise(cells: &mut [f64], least: f64) {
    let lowest = cells.iter().copied().fold(f64::INFINITY, f64::min);
    if lowest < least {
        cells.iter_mut().for_each(|x| *x += least - lowest);
    }
}

/// Divides each cell of the row-major table of `d` columns by the roots of the sums of its row and its column.
///
/// # Errors
/// When the run was cancelled.
pub fn balance(mut cells: Vec<f64>, d: usize, run: &Run) -> Result<Balanced> {
    let root = |sum: f64| if sum > 0.0 { sum.sqrt().recip() } else { 0.0 };
    let mut rows = Vec::with_capacity(cells.len() / d);
    let mut totals = vec![0.0; d];
    for block in cells.chunks(1024 * d) {
        run.check()?;
        for row in block.chunks_exact(d) {
            rows.push(root(sum(row)));
            totals.iter_mut().zip(row).for_each(|(total, x)| *total += x);
        }
    }
    let columns: Vec<f64> = totals.into_iter().map(root).collect();
    for (block, weights) in cells.chunks_mut(1024 * d).zip(rows.chunks(1024)) {
        run.check()?;
        for (row, weight) in block.chunks_exact_mut(d).zip(weights) {
            row.iter_mut().zip(&columns).for_each(|(x, column)| *x *= weight * column);
        }
    }
    Ok(Balanced { cells, rows, columns })
}

/// Balances again and again until all rows have one sum and all columns another (Sinkhorn, Knopp 1967).
///
/// # Errors
/// When the run was cancelled.
pub fn bistochastic(mut cells: Vec<f64>, d: usize, run: &Run) -> Result<Vec<f64>> {
    for _ in 0..1000 {
        let next = balance(cells.clone(), d, run)?.cells;
        let change: f64 = next.iter().zip(&cells).map(|(a, b)| (a - b) * (a - b)).sum();
        cells = next;
        if change.sqrt() < 1e-5 {
            break;
        }
    }
    Ok(cells)
}

/// Logarithms less the means of their rows and columns: what rows and columns do together (Kluger, Basri, Chang,
/// Gerstein 2003).
///
/// # Errors
/// When the run was cancelled.
pub fn log_interactions(mut cells: Vec<f64>, d: usize, run: &Run) -> Result<Vec<f64>> {
    let n = cells.len() / d;
    let mut columns = vec![0.0; d];
    for block in cells.chunks_mut(1024 * d) {
        run.check()?;
        for row in block.chunks_exact_mut(d) {
            row.iter_mut().for_each(|x| *x = x.ln());
            let mean = sum(row) / d as f64;
            row.iter_mut().zip(&mut columns).for_each(|(x, column)| {
                *column += *x / n as f64;
                *x -= mean;
            });
        }
    }
    let mean = sum(&columns) / d as f64;
    cells.chunks_exact_mut(d).for_each(|row| row.iter_mut().zip(&columns).for_each(|(x, column)| *x += mean - column));
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_for_long_all_rows_have_one_sum_and_all_columns_another() {
        let cells = bistochastic(vec![1.0, 2.0, 3.0, 4.0, 5.0, 7.0], 3, &Run::new()).expect("not cancelled");
        let rows: Vec<f64> = cells.chunks(3).map(sum).collect();
        assert!((rows[0] - rows[1]).abs() < 1e-4, "{rows:?}");
        let column = |j: usize| cells[j] + cells[3 + j];
        assert!((column(0) - column(2)).abs() < 1e-4);
    }

    #[test]
    fn interactions_have_no_mean_along_rows_and_columns() {
        let cells = log_interactions(vec![1.0, 2.0, 3.0, 4.0, 5.0, 7.0], 3, &Run::new()).expect("not cancelled");
        assert!(cells.chunks(3).all(|row| sum(row).abs() < 1e-14) && (cells[1] + cells[4]).abs() < 1e-14);
    }
}
