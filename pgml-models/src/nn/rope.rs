//! Rotary position embeddings (Su et al. 2021): queries and keys turned by an angle that grows with the position.

use burn::tensor::{Tensor, TensorData};

use super::{Hidden, PackedBatch};

/// Turns each half-split pair of dimensions (i, i + head_dim/2) of a head.
#[derive(Debug, Clone)]
pub struct Rope {
    /// Radians per position, head_dim / 2 of them.
    frequencies: Vec<f32>,
    /// What cosines and sines are multiplied with; 1 but for scaled variants.
    factor: f32,
}

impl Rope {
    /// Angles `position · theta^(−2i/head_dim)`.
    #[must_use]
    pub fn new(head_dim: usize, theta: f64) -> Self {
        let frequency = |i| (1.0 / theta.powf(2.0 * i as f64 / head_dim as f64)) as f32;
        Self { frequencies: (0..head_dim / 2).map(frequency).collect(), factor: 1.0 }
    }

    /// The same with every position divided by `scale` (linear scaling: Chen et al. 2023).
    #[must_use]
    pub fn scaled_linearly(mut self, scale: f64) -> Self {
        self.frequencies.iter_mut().for_each(|frequency| *frequency = (f64::from(*frequency) / scale) as f32);
        self
    }

    /// The same with the `i`th angle per position replaced by what `change` makes of it.
    #[must_use]
    pub fn changed(mut self, change: impl Fn(usize, f64) -> f64) -> Self {
        for (i, frequency) in self.frequencies.iter_mut().enumerate() {
            *frequency = change(i, f64::from(*frequency)) as f32;
        }
        self
    }

    /// The same with cosines and sines multiplied by `factor`.
    #[must_use]
    pub fn stretched(self, factor: f64) -> Self {
        Self { factor: factor as f32, ..self }
    }

    /// Turns the first `n_heads` heads of each row, each by its token's position in its sequence.
    ///
    /// # Shapes
    /// x and result: n_tokens × width, `n_heads · head_dim` of the columns being the heads: queries, then keys
    #[must_use]
    pub fn forward(&self, x: Hidden, n_heads: usize, batch: &PackedBatch) -> Hidden {
        let half = self.frequencies.len();
        let (cos, sin) = self.angles(batch);
        match x {
            Hidden::Host(mut matrix) => {
                let width = matrix.width();
                for (i, row) in matrix.values_mut().chunks_exact_mut(width).enumerate() {
                    let (cos, sin) = (&cos[i * half..][..half], &sin[i * half..][..half]);
                    row[..n_heads * 2 * half].chunks_exact_mut(2 * half).for_each(|head| turn(head, cos, sin));
                }
                Hidden::Host(matrix)
            }
            Hidden::Device(x) => Hidden::Device(self.on_device(x, n_heads, cos, sin)),
        }
    }

    /// Cosines and sines, n_tokens × head_dim / 2.
    fn angles(&self, batch: &PackedBatch) -> (Vec<f32>, Vec<f32>) {
        let angles = batch
            .positions(0)
            .into_iter()
            .flat_map(|position| self.frequencies.iter().map(move |frequency| position as f32 * frequency));
        angles.map(|angle| (angle.cos() * self.factor, angle.sin() * self.factor)).unzip()
    }

    fn on_device(&self, x: Tensor<2>, n_heads: usize, cos: Vec<f32>, sin: Vec<f32>) -> Tensor<2> {
        let ([n_tokens, width], half, device) = (x.dims(), self.frequencies.len(), x.device());
        let turned = n_heads * 2 * half;
        let table = |values| -> Tensor<4> {
            Tensor::<2>::from_data(TensorData::new(values, [n_tokens, half]), &device).reshape([n_tokens, 1, 1, half])
        };
        let (cos, sin) = (table(cos), table(sin));
        let heads = x.clone().slice_dim(1, 0..turned).reshape([n_tokens, n_heads, 2, half]);
        let (first, second) = (heads.clone().slice_dim(2, 0..1), heads.slice_dim(2, 1..2));
        let new_first = first.clone() * cos.clone() - second.clone() * sin.clone();
        let new_second = second * cos + first * sin;
        let heads = Tensor::cat(vec![new_first, new_second], 2).reshape([n_tokens, turned]);
        match width - turned {
            0 => heads,
            _ => Tensor::cat(vec![heads, x.slice_dim(1, turned..width)], 1),
        }
    }
}

fn turn(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (first, second) = head.split_at_mut(cos.len());
    for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Team;
    use crate::nn::Matrix;
    use burn::tensor::Device;
    use pgml_core::text::Tokens;
    use std::sync::Arc;

    #[test]
    fn both_forms_turn_alike_keep_lengths_and_leave_values_alone() {
        let tokens = Tokens { ids: vec![1; 5], ..Tokens::default() };
        let team = Arc::new(Team::new(1));
        let batch = PackedBatch::new(&[&tokens, &tokens], &team);
        let width = 3 * 8;
        let matrix = Matrix::new((0..10 * width).map(|i| (i % 13) as f32 - 6.0).collect(), width, &team);
        let rope = Rope::new(8, 10_000.0);
        let host = rope.forward(Hidden::Host(matrix.clone()), 2, &batch).into_matrix(&team).expect("values");
        let tensor = Hidden::Host(matrix.clone()).into_tensor(&Device::flex());
        let device = rope.forward(Hidden::Device(tensor), 2, &batch).into_matrix(&team).expect("values");
        for (i, (a, b)) in host.values().iter().zip(device.values()).enumerate() {
            assert!((a - b).abs() < 1e-6, "value {i}: {a} and {b}");
        }
        let length = |row: &[f32]| row[..8].iter().map(|x| x * x).sum::<f32>();
        assert!((length(host.row(3)) - length(matrix.row(3))).abs() < 1e-4);
        assert_eq!(host.row(0), matrix.row(0), "position 0 is not turned");
        assert_ne!(host.row(3)[..16], matrix.row(3)[..16]);
        assert_eq!(host.row(3)[16..], matrix.row(3)[16..], "values are not turned");
    }
}
