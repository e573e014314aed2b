//! Kernel values of one row with all rows, kept while there is room.

use pgml_core::run::Reservation;
use pgml_core::{Result, Run, bail};

use super::kernel_function::Kernel;
use super::packets::{LANES, pack};

/// Rows that are computed between two looks at the run.
const BLOCK: usize = 128 * LANES;

/// Rows whose kernel values are wanted again and again; the one longest unused makes room.
pub struct KernelRows<'a> {
    kernel: Kernel,
    /// Row-major, `n × d`.
    rows: &'a [f64],
    d: usize,
    /// The same rows in packets.
    packets: Vec<f64>,
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
        let memory = run.reserve(8 * (capacity * n + rows.len()) as u64, "the kernel cache")?;
        let diagonal: Vec<f64> = rows.chunks_exact(d).map(|row| kernel.own(row)).collect();
        if diagonal.iter().any(|k| !k.is_finite()) {
            bail!(InvalidData, "the kernel overflows: features are too large, scale them in preprocess");
        }
        let (cached, last_use) = (vec![Vec::new(); n], vec![0; n]);
        let mut packets = Vec::with_capacity(rows.len() + LANES * d);
        pack(rows, d, &mut packets);
        Ok(Self {
            kernel,
            rows,
            d,
            packets,
            diagonal,
            cached,
            last_use,
            clock: 0,
            n_cached: 0,
            capacity,
            _memory: memory,
        })
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
            values.resize(self.packets.len() / self.d, 0.0);
            let own = &self.rows[i * self.d..(i + 1) * self.d];
            let blocks = self.packets.chunks(BLOCK * self.d).zip(values.chunks_mut(BLOCK));
            for (packets, values) in blocks {
                run.check()?;
                self.kernel.fill(packets, own, values);
            }
            values.truncate(self.n_rows());
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
                let squares = (0..2).map(|j| (rows[at * 2 + j] - rows[other * 2 + j]).powi(2));
                let value = (-0.3 * squares.sum::<f64>()).exp();
                assert!((cache.get(at)[other] - value).abs() < 1e-15, "{at}, {other}");
            }
            assert!(cache.n_cached <= 2);
        }
    }
}
