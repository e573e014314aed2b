//! Packed rows as a padded block and back, for devices that compute on equal lengths.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::PackedBatch;

/// Where each token of a packed batch stands in a block of n_sequences × longest.
pub(super) struct Padding {
    /// For each place of the block, the row of its token; padding repeats row 0.
    gather: Tensor<1, Int>,
    /// For each token, its place in the block.
    scatter: Tensor<1, Int>,
    /// True where there is padding, n_sequences × longest.
    mask: Tensor<2, Bool>,
    n_sequences: usize,
    longest: usize,
}

impl Padding {
    pub(super) fn new(batch: &PackedBatch, device: &Device) -> Self {
        let (n_sequences, longest) = (batch.n_sequences(), batch.longest());
        let mut gather = vec![0_i64; n_sequences * longest];
        let mut mask = vec![true; n_sequences * longest];
        let mut scatter = Vec::with_capacity(batch.n_tokens());
        for (i, rows) in batch.sequences().enumerate() {
            for (j, row) in rows.enumerate() {
                let place = i * longest + j;
                gather[place] = row as i64;
                mask[place] = false;
                scatter.push(place as i64);
            }
        }
        Self {
            gather: indices(gather, device),
            scatter: indices(scatter, device),
            mask: Tensor::from_data(TensorData::new(mask, [n_sequences, longest]), device),
            n_sequences,
            longest,
        }
    }

    /// True where there is padding, n_sequences × longest.
    pub(super) fn mask(&self) -> Tensor<2, Bool> {
        self.mask.clone()
    }

    /// n_tokens × width as n_sequences × longest × width.
    pub(super) fn pad(&self, packed: Tensor<2>) -> Tensor<3> {
        let [_, width] = packed.dims();
        packed.select(0, self.gather.clone()).reshape([self.n_sequences, self.longest, width])
    }

    /// The way back.
    pub(super) fn pack(&self, padded: Tensor<3>) -> Tensor<2> {
        let [_, _, width] = padded.dims();
        padded.reshape([self.n_sequences * self.longest, width]).select(0, self.scatter.clone())
    }
}

/// Indices as a tensor.
pub(super) fn indices(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
