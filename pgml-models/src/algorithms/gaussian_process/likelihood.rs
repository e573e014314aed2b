//! Matrices of covariances of the training rows, and of their derivatives.

use pgml_core::run::Reservation;
use pgml_core::{Result, Run, Shared};

use super::Kernel;
use super::covariance::{Room, Row};
use crate::solvers::kernel_matrix::symmetric;
use crate::solvers::packets::{LANES, pack};

/// Training rows.
#[derive(Clone)]
pub(super) struct Points {
    /// Row-major, `n × d`.
    pub rows: Shared<f64>,
    pub d: usize,
    packets: Vec<f64>,
}

impl Points {
    pub fn new(rows: impl Into<Shared<f64>>, d: usize) -> Self {
        let rows = rows.into();
        let mut packets = Vec::with_capacity(rows.len() + LANES * d);
        pack(&rows, d, &mut packets);
        Self { rows, d, packets }
    }

    pub fn n_rows(&self) -> usize {
        self.rows.len() / self.d
    }

    /// How long a vector with a number per row must be.
    pub fn padded(&self) -> usize {
        self.n_rows().next_multiple_of(LANES)
    }

    pub fn bytes(&self) -> usize {
        self.rows.private_bytes() + 8 * self.packets.len()
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.d..(i + 1) * self.d]
    }

    /// The covariances of `row` with all rows.
    pub fn covariances(&self, kernel: &Kernel, values: &[f64], row: &[f64], out: &mut [f64], room: &mut Room) {
        let at = Row { packets: &self.packets, row, own: None, hypers: values };
        kernel.covariance.fill(&at, out, None, room);
    }

    /// The row-major matrix of covariances of all rows.
    pub fn matrix(&self, kernel: &Kernel, values: &[f64], run: &Run) -> Result<(Vec<f64>, Reservation)> {
        let (mut out, mut room) = (vec![0.0; self.padded()], Room::default());
        symmetric(self.n_rows(), "the covariances of all rows", run, |i, cells| {
            let len = (i + 1).next_multiple_of(LANES);
            let packets = &self.packets[..len * self.d];
            let at = Row { packets, row: self.row(i), own: Some(i), hypers: values };
            kernel.covariance.fill(&at, &mut out[..len], None, &mut room);
            cells.copy_from_slice(&out[..=i]);
        })
    }

    /// Calls `each(i, slopes)` for every row with the derivatives of its covariances with the rows up to itself, by the
    /// logarithm of each number of the kernel.
    pub fn each_slope(
        &self,
        kernel: &Kernel,
        values: &[f64],
        run: &Run,
        mut each: impl FnMut(usize, &[Vec<f64>]),
    ) -> Result<()> {
        let (mut out, mut room) = (vec![0.0; self.padded()], Room::default());
        let mut slopes = vec![Vec::new(); kernel.hypers.len()];
        for i in 0..self.n_rows() {
            run.check()?;
            let len = (i + 1).next_multiple_of(LANES);
            slopes.iter_mut().for_each(|slope| slope.resize(len, 0.0));
            let packets = &self.packets[..len * self.d];
            let at = Row { packets, row: self.row(i), own: Some(i), hypers: values };
            kernel.covariance.fill(&at, &mut out[..len], Some(&mut slopes), &mut room);
            each(i, &slopes);
        }
        Ok(())
    }
}
