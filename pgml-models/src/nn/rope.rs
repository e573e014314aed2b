//! Rotary position embeddings (Su et al. 2021): queries and keys turned by an angle that grows with the position.

use burn::tensor::{Tensor, TensorData};

use super::{Hidden, PackedBatch};

/// Turns each half-split pair of dimensions (i, i + n/2) of a head, n of its dimensions being turned.
#[derive(Debug, Clone)]
pub struct Rope {
    /// Radians per position, n / 2 of them.
    frequencies: Vec<f32>,
    /// Those of sequences with more tokens than that.
    long: Option<(usize, Vec<f32>)>,
    /// Dimensions of a head: those behind the first n stay as they are.
    head_dim: usize,
    /// What cosines and sines are multiplied with; 1 but for scaled variants.
    factor: f32,
}

impl Rope {
    /// Angles `position · theta^(−2i/head_dim)`.
    #[must_use]
    pub fn new(head_dim: usize, theta: f64) -> Self {
        let frequency = |i| (1.0 / theta.powf(2.0 * i as f64 / head_dim as f64)) as f32;
        Self { frequencies: (0..head_dim / 2).map(frequency).collect(), long: None, head_dim, factor: 1.0 }
    }

    /// The same for the first dimensions of heads of `head_dim` dimensions, which are no fewer.
    #[must_use]
    pub fn within(self, head_dim: usize) -> Self {
        Self { head_dim, ..self }
    }

    /// The same with the angles of `long` for sequences of more than `n_tokens` tokens (LongRoPE: Ding et al. 2024).
    #[must_use]
    pub fn beyond(self, n_tokens: usize, long: Self) -> Self {
        Self { long: Some((n_tokens, long.frequencies)), ..self }
    }

    /// How many tokens a sequence may have before it has other angles.
    #[must_use]
    pub fn long_after(&self) -> Option<usize> {
        self.long.as_ref().map(|(n_tokens, _)| *n_tokens)
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
                    let heads = row[..n_heads * self.head_dim].chunks_exact_mut(self.head_dim);
                    heads.for_each(|head| turn(&mut head[..2 * half], cos, sin));
                }
                Hidden::Host(matrix)
            }
            Hidden::Device(x) => Hidden::Device(self.on_device(x, n_heads, cos, sin)),
        }
    }

    /// Cosines and sines, n_tokens × n / 2.
    fn angles(&self, batch: &PackedBatch) -> (Vec<f32>, Vec<f32>) {
        let positions = batch.positions(0);
        let mut angles = Vec::with_capacity(positions.len() * self.frequencies.len());
        for (rows, extent) in batch.sequences().zip(batch.extents()) {
            let frequencies = self.frequencies_of(*extent);
            for position in &positions[rows] {
                angles.extend(frequencies.iter().map(|frequency| *position as f32 * frequency));
            }
        }
        angles.into_iter().map(|angle| (angle.cos() * self.factor, angle.sin() * self.factor)).unzip()
    }

    fn frequencies_of(&self, n_tokens: usize) -> &[f32] {
        match &self.long {
            Some((limit, long)) if n_tokens > *limit => long,
            _ => &self.frequencies,
        }
    }

    fn on_device(&self, x: Tensor<2>, n_heads: usize, cos: Vec<f32>, sin: Vec<f32>) -> Tensor<2> {
        let ([n_tokens, width], half, device) = (x.dims(), self.frequencies.len(), x.device());
        let turned = n_heads * self.head_dim;
        let table = |values| -> Tensor<4> {
            Tensor::<2>::from_data(TensorData::new(values, [n_tokens, half]), &device).reshape([n_tokens, 1, 1, half])
        };
        let (cos, sin) = (table(cos), table(sin));
        let all = x.clone().slice_dim(1, 0..turned).reshape([n_tokens, n_heads, self.head_dim]);
        let heads = all.clone().slice_dim(2, 0..2 * half).reshape([n_tokens, n_heads, 2, half]);
        let (first, second) = (heads.clone().slice_dim(2, 0..1), heads.slice_dim(2, 1..2));
        let new_first = first.clone() * cos.clone() - second.clone() * sin.clone();
        let new_second = second * cos + first * sin;
        let mut heads = Tensor::cat(vec![new_first, new_second], 2).reshape([n_tokens, n_heads, 2 * half]);
        if 2 * half < self.head_dim {
            heads = Tensor::cat(vec![heads, all.slice_dim(2, 2 * half..self.head_dim)], 2);
        }
        let heads = heads.reshape([n_tokens, turned]);
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
    #[test]
    fn a_part_of_each_head_is_turned_alike_in_both_forms_and_the_rest_is_left_alone() {
        let tokens = Tokens { ids: vec![1; 5], ..Tokens::default() };
        let team = Arc::new(Team::new(1));
        let batch = PackedBatch::new(&[&tokens, &tokens], &team);
        let matrix = Matrix::new((0..10 * 24).map(|i| (i % 13) as f32 - 6.0).collect(), 24, &team);
        let rope = Rope::new(4, 10_000.0).within(8);
        let host = rope.forward(Hidden::Host(matrix.clone()), 2, &batch).into_matrix(&team).expect("values");
        let tensor = Hidden::Host(matrix.clone()).into_tensor(&Device::flex());
        let device = rope.forward(Hidden::Device(tensor), 2, &batch).into_matrix(&team).expect("values");
        for (i, (a, b)) in host.values().iter().zip(device.values()).enumerate() {
            assert!((a - b).abs() < 1e-6, "value {i}: {a} and {b}");
            assert!(i % 8 < 4 || *a == matrix.values()[i], "value {i} is behind the part that is turned");
        }
        assert_ne!(host.row(3)[8..12], matrix.row(3)[8..12]);
    }

    #[test]
    fn sequences_beyond_a_length_are_turned_by_other_angles() {
        let team = Arc::new(Team::new(1));
        let rope = Rope::new(4, 100.0).beyond(3, Rope::new(4, 100.0).scaled_linearly(2.0));
        let turned = |n: usize, rope: &Rope| {
            let tokens = Tokens { ids: vec![1; n], ..Tokens::default() };
            let matrix = Matrix::new(vec![1.0; n * 4], 4, &team);
            let batch = PackedBatch::new(&[&tokens], &team);
            rope.forward(Hidden::Host(matrix), 1, &batch).into_matrix(&team).expect("values").values().to_vec()
        };
        assert_eq!(turned(3, &rope), turned(3, &Rope::new(4, 100.0)));
        assert_eq!(turned(4, &rope), turned(4, &Rope::new(4, 100.0).scaled_linearly(2.0)));
        assert_eq!(rope.long_after(), Some(3));
    }
}
