//! A convolution along each sequence.

use burn::tensor::{Tensor, TensorData};
use pgml_core::{Result, bail};

use super::padding::indices;
use super::{Hidden, Linear, Matrix, PackedBatch, Source};
use crate::kernels::Activation;

/// `activation(Σ W_i · x[t + i])` over a token's neighbours; there are zeros beyond the ends of a sequence.
#[derive(Debug, Clone)]
pub struct Convolution {
    /// The neighbours side by side go in.
    layer: Linear,
    kernel_size: usize,
}

impl Convolution {
    /// Reads `weight`, width × width × kernel_size, and `bias`.
    ///
    /// # Errors
    /// Those of [`Weights::floats`](crate::checkpoint::Weights::floats);
    /// [`ErrorKind::NotSupported`](pgml_core::ErrorKind::NotSupported) for a kernel without a middle.
    pub fn load(source: &Source<'_>, width: usize, kernel_size: usize, activation: Activation) -> Result<Self> {
        if kernel_size.is_multiple_of(2) {
            bail!(NotSupported, "a convolution over {kernel_size} tokens has no middle; odd sizes are supported");
        }
        let stored = source.weights.floats("weight", &[width, width, kernel_size])?;
        let mut weight = Vec::with_capacity(stored.len());
        for of_output in stored.chunks_exact(width * kernel_size) {
            for i in 0..kernel_size {
                weight.extend(of_output.iter().skip(i).step_by(kernel_size));
            }
        }
        let bias = source.weights.floats("bias", &[width])?.into_owned();
        let layer = Linear::new(&[&weight], Some(bias), kernel_size * width, source.placement);
        Ok(Self { layer: layer.with_activation(activation), kernel_size })
    }

    /// The convolution of `x` plus `residual`.
    ///
    /// # Shapes
    /// x, residual and result: n_tokens × width
    #[must_use]
    pub fn forward_add(&self, x: &Hidden, batch: &PackedBatch, residual: &Hidden) -> Hidden {
        let neighbours = match x {
            Hidden::Host(x) => Hidden::Host(self.on_host(x, batch)),
            Hidden::Device(x) => Hidden::Device(self.on_device(x, batch)),
        };
        self.layer.forward_add(&neighbours, residual)
    }

    /// For each token and each place of the kernel, the row of the neighbour there.
    fn neighbours(&self, batch: &PackedBatch) -> Vec<Option<usize>> {
        let reach = self.kernel_size / 2;
        let mut rows = Vec::with_capacity(batch.n_tokens() * self.kernel_size);
        for sequence in batch.sequences() {
            for row in sequence.clone() {
                rows.extend(
                    (0..self.kernel_size).map(|i| (row + i).checked_sub(reach).filter(|at| sequence.contains(at))),
                );
            }
        }
        rows
    }

    fn on_host(&self, x: &Matrix, batch: &PackedBatch) -> Matrix {
        let mut side_by_side = x.unfilled(self.kernel_size * x.width());
        let places = side_by_side.values_mut().chunks_exact_mut(x.width());
        for (place, neighbour) in places.zip(self.neighbours(batch)) {
            match neighbour {
                Some(row) => place.copy_from_slice(x.row(row)),
                None => place.fill(0.0),
            }
        }
        side_by_side
    }

    fn on_device(&self, x: &Tensor<2>, batch: &PackedBatch) -> Tensor<2> {
        let ([n_tokens, width], device) = (x.dims(), x.device());
        let zeros = Tensor::from_data(TensorData::new(vec![0.0_f32; width], [1, width]), &device);
        let rows = self.neighbours(batch).into_iter().map(|row| row.unwrap_or(n_tokens) as i64).collect();
        let gathered = Tensor::cat(vec![x.clone(), zeros], 0).select(0, indices(rows, &device));
        gathered.reshape([n_tokens, self.kernel_size * width])
    }
}
