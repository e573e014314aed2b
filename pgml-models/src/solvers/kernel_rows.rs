//! Kernel values of one row with all rows, kept while there is room.

use pgml_core::run::Reservation;
use pgml_core::{Result, Run, bail};

use super::kernel_function::Kernel;

/// Rows whose kernel values are wanted again and again; the one longest unused makes room.
pub struct KernelRows<'a> {
    kernel: Kernel,
    /// Row-major, `n × d`.
    rows: &'a [f64],
    d: usize,
    /// The kernel of each row with itself.
    diagonal: Vec<f64>,
    cached: Vec<Vec<f64>>,
    /// When each row was last wanted; 0 means that it is not cached.
    last_use: Vec<u64>,
    clock: u64,
    n_cached: usize,
    capacity: usize,
    _memory: Reservation,
}

impl<'a> KernelRows<'a> {
    /// A cache of about `bytes`, at least two rows, over row-major `rows` of `d` features.
    ///
    /// # Errors
    /// When the memory budget does not cover it, or kernel values overflow.
    pub fn new(kernel: Kernel, rows: &'a [f64], d: usize, bytes: f64, run: &Run) -> Result<Self> {
        let n = rows.len() / d;
        let capacity = ((bytes / (8.0 * n as f64)) as usize).clamp(2, n.max(2));
        let memory = run.reserve(8 * (capacity * n) as u64, "the kernel cache")?;
        let diagonal: Vec<f64> = rows.chunks_exact(d).map(|row| kernel.value(row, row)).collect();
        if diagonal.iter().any(|k| !k.is_finite()) {
            bail!(InvalidData, "the kernel overflows: features are too large, scale them in preprocess");
        }
        let (cached, last_use) = (vec![Vec::new(); n], vec![0; n]);
        Ok(Self { kernel, rows, d, diagonal, cached, last_use, clock: 0, n_cached: 0, capacity, _memory: memory })
    }

    /// How many rows there are.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.diagonal.len()
    }

    /// The kernel of each row with itself.
    #[must_use]
    pub fn diagonal(&self) -> &[f64] {
        &self.diagonal
    }

    /// Makes sure that row `i` is cached. The row loaded before it stays.
    ///
    /// # Errors
    /// When the run was cancelled.
    pub fn load(&mut self, i: usize, run: &Run) -> Result<()> {
        self.clock += 1;
        if self.last_use[i] == 0 {
            let mut values = if self.n_cached < self.capacity { Vec::new() } else { self.make_room() };
            values.clear();
            values.reserve_exact(self.n_rows());
            let own = &self.rows[i * self.d..(i + 1) * self.d];
            for rows in self.rows.chunks(1024 * self.d) {
                run.check()?;
                values.extend(rows.chunks_exact(self.d).map(|row| self.kernel.value(own, row)));
            }
            self.cached[i] = values;
            self.n_cached += 1;
        }
        self.last_use[i] = self.clock;
        Ok(())
    }

    fn make_room(&mut self) -> Vec<f64> {
        let cached = (0..self.n_rows()).filter(|i| self.last_use[*i] > 0);
        let Some(oldest) = cached.min_by_key(|i| self.last_use[*i]) else { return Vec::new() };
        self.last_use[oldest] = 0;
        self.n_cached -= 1;
        std::mem::take(&mut self.cached[oldest])
    }

    /// The kernel of row `i` with each row: empty unless `i` is one of the last two loaded.
    #[must_use]
    pub fn get(&self, i: usize) -> &[f64] {
        &self.cached[i]
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel_function::Form;
    use super::*;

    #[test]
    fn a_small_cache_keeps_the_last_two_rows_and_gives_the_same_values() {
        let rows: Vec<f64> = (0..20).map(|i| f64::from(i * i % 7)).collect();
        let kernel = Kernel { form: Form::Rbf, gamma: 0.3, coef0: 0.0, degree: 3 };
        let run = Run::new();
        let mut cache = KernelRows::new(kernel, &rows, 2, 1.0, &run).expect("no limit");
        for (i, j) in [(0, 1), (5, 0), (5, 9), (3, 3), (9, 5), (0, 9)] {
            cache.load(i, &run).expect("not cancelled");
            cache.load(j, &run).expect("not cancelled");
            for (at, other) in [(i, j), (j, i)] {
                let value = kernel.value(&rows[at * 2..at * 2 + 2], &rows[other * 2..other * 2 + 2]);
                assert_eq!(cache.get(at)[other], value, "{at}, {other}");
            }
            assert!(cache.n_cached <= 2);
        }
    }
}
