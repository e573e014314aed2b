//! Activations: one row per token.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use pgml_core::Result;

use super::buffers;
use crate::device::failed;
use crate::kernels::Team;

/// A batch's activations between two blocks, n_tokens × width.
#[derive(Debug, Clone)]
pub enum Hidden {
    /// In plain memory, for the fused kernels.
    Host(Matrix),
    /// On a device.
    Device(Tensor<2>),
}

/// A matrix in plain memory, row-major, and the threads that compute with it.
#[derive(Debug, Clone)]
pub struct Matrix {
    values: Vec<f32>,
    width: usize,
    team: Arc<Team>,
}

impl Matrix {
    /// A matrix of `values`, rows × width.
    #[must_use]
    pub fn new(values: Vec<f32>, width: usize, team: &Arc<Team>) -> Self {
        Self { values, width, team: Arc::clone(team) }
    }

    /// A matrix of as many rows and of any values, for a kernel to fill.
    #[must_use]
    pub fn unfilled(&self, width: usize) -> Self {
        Self::new(buffers::take(self.rows() * width), width, &self.team)
    }

    /// Its values, rows × width.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Its values, to change.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The threads that compute with it.
    #[must_use]
    pub fn team(&self) -> &Arc<Team> {
        &self.team
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// One row.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }
}

impl Drop for Matrix {
    fn drop(&mut self) {
        buffers::give_back(std::mem::take(&mut self.values));
    }
}

impl Hidden {
    /// Rows and columns.
    #[must_use]
    pub fn dims(&self) -> [usize; 2] {
        match self {
            Self::Host(matrix) => [matrix.rows(), matrix.width],
            Self::Device(tensor) => tensor.dims(),
        }
    }

    /// As a tensor on `device`.
    #[must_use]
    pub fn into_tensor(self, device: &Device) -> Tensor<2> {
        match self {
            Self::Host(mut matrix) => {
                let shape = [matrix.rows(), matrix.width];
                Tensor::from_data(TensorData::new(std::mem::take(&mut matrix.values), shape), device)
            }
            Self::Device(tensor) => tensor,
        }
    }

    /// In plain memory; `team` computes with it from there on.
    ///
    /// # Errors
    /// When the device fails.
    pub fn into_matrix(self, team: &Arc<Team>) -> Result<Matrix> {
        match self {
            Self::Host(matrix) => Ok(matrix),
            Self::Device(tensor) => {
                let [_, width] = tensor.dims();
                Ok(Matrix::new(read(tensor)?, width, team))
            }
        }
    }

    /// The sum with `other`, which has the same shape.
    ///
    /// # Panics
    /// When `other` is not where this is.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Host(mut sum), Self::Host(other)) => {
                sum.values.iter_mut().zip(&other.values).for_each(|(x, y)| *x += y);
                Self::Host(sum)
            }
            (Self::Device(x), Self::Device(y)) => Self::Device(x + y.clone()),
            _ => unreachable!("a model's activations are all in one place"),
        }
    }

    /// Every value brought to at most `limit` on either side of zero; what is no number stays none.
    #[must_use]
    pub(crate) fn clipped(self, limit: f32) -> Self {
        match self {
            Self::Host(mut matrix) => {
                // Not by `clamp`, which panics on limits that are none.
                matrix.values.iter_mut().filter(|x| x.abs() > limit).for_each(|x| *x = limit.copysign(*x));
                Self::Host(matrix)
            }
            Self::Device(tensor) => Self::Device(tensor.clamp(-limit, limit)),
        }
    }

    /// The product with a number.
    #[must_use]
    pub fn times(self, factor: f32) -> Self {
        match self {
            Self::Host(mut product) => {
                product.values.iter_mut().for_each(|x| *x *= factor);
                Self::Host(product)
            }
            Self::Device(x) => Self::Device(x * factor),
        }
    }

    /// The result of tensor operations: how a block that has no fused form works in plain memory too.
    #[must_use]
    pub(crate) fn by_tensor(self, device: &Device, work: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Self {
        match self {
            Self::Device(tensor) => Self::Device(work(tensor)),
            Self::Host(matrix) => {
                let team = Arc::clone(&matrix.team);
                let result = work(Self::Host(matrix).into_tensor(device));
                let [_, width] = result.dims();
                // The CPU back end keeps values in plain memory: reading them cannot fail.
                let values = read(result).expect("values of the CPU back end can be read");
                Self::Host(Matrix::new(values, width, &team))
            }
        }
    }
}

/// A tensor's values.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.try_into_vec_as::<f32>().map_err(|error| failed(&error.to_string()))
}
