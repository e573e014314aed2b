//! Disentangled attention (He et al. 2021): besides content with content, a score sums how the query's content goes with the
//! distance to the key, and the key's with that to the query.

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor};

use super::padding::{Padding, indices};
use super::{Hidden, PackedBatch};

/// Attention over queries, keys and values that were computed already.
#[derive(Debug, Clone)]
pub struct Disentangled {
    n_heads: usize,
    head_dim: usize,
    distances: Distances,
    /// What stands for each distance beside the keys (c2p): n_heads × head_dim × 2 · span.
    position_keys: Option<Tensor<3>>,
    /// The same beside the queries (p2c).
    position_queries: Option<Tensor<3>>,
    device: Device,
}

/// How distances are numbered.
#[derive(Debug, Clone, Copy)]
pub struct Distances {
    /// Near ones one by one, far ones in buckets on a logarithmic scale, as many to each side; each by itself when absent.
    pub buckets: Option<usize>,
    /// Farther ones count as this.
    pub max: usize,
}

impl Distances {
    /// Numbers to each side.
    #[must_use]
    pub fn span(&self) -> usize {
        self.buckets.unwrap_or(self.max)
    }

    /// The number of the distance from a key to a query, from 0 to 2 · span − 1.
    fn number(&self, query: usize, key: usize) -> i64 {
        let distance = query as i64 - key as i64;
        let span = self.span() as i64;
        self.bucket(distance).saturating_add(span).clamp(0, 2 * span - 1)
    }

    fn bucket(&self, distance: i64) -> i64 {
        let Some(buckets) = self.buckets else { return distance };
        let middle = (buckets / 2) as i64;
        if distance.abs() <= middle {
            return distance;
        }
        let share =
            (distance.abs() as f32 / middle as f32).ln() / ((self.max as f64 - 1.0) / middle as f64).ln() as f32;
        distance.signum() * ((share * (middle - 1) as f32).ceil() as i64).saturating_add(middle)
    }
}

impl Disentangled {
    /// `position_keys` and `position_queries` are what the layer makes of each distance's embedding, 2 · span × width.
    #[must_use]
    pub fn new(
        [n_heads, head_dim]: [usize; 2],
        distances: Distances,
        [position_keys, position_queries]: [Option<Hidden>; 2],
        device: &Device,
    ) -> Self {
        let columns = |rows: Hidden| {
            let rows = rows.into_tensor(device);
            let [n, _] = rows.dims();
            rows.reshape([n, n_heads, head_dim]).permute([1, 2, 0])
        };
        let (position_keys, position_queries) = (position_keys.map(columns), position_queries.map(columns));
        Self { n_heads, head_dim, distances, position_keys, position_queries, device: device.clone() }
    }

    /// What each token gathers from its sequence.
    ///
    /// # Shapes
    /// - qkv: n_tokens × (3 · width), queries, then keys, then values
    /// - result: n_tokens × width
    #[must_use]
    pub fn forward(&self, qkv: Hidden, batch: &PackedBatch) -> Hidden {
        qkv.by_tensor(&self.device, |qkv| self.on_device(qkv, batch))
    }

    fn on_device(&self, qkv: Tensor<2>, batch: &PackedBatch) -> Tensor<2> {
        let device = qkv.device();
        let padding = Padding::new(batch, &device);
        let (n, longest, width) = (batch.n_sequences(), batch.longest(), self.n_heads * self.head_dim);
        let block = padding.pad(qkv);
        let heads = |i: usize| -> Tensor<4> {
            let part = block.clone().slice_dim(2, i * width..(i + 1) * width);
            part.reshape([n, longest, self.n_heads, self.head_dim]).swap_dims(1, 2)
        };
        let (q, k, v) = (heads(0), heads(1), heads(2));
        let mut scores = q.clone().matmul(k.clone().swap_dims(2, 3));
        if let Some(keys) = &self.position_keys {
            scores = scores + self.by_distance(q, keys, |query, key| self.distances.number(query, key));
        }
        if let Some(queries) = &self.position_queries {
            let by_key = self.by_distance(k, queries, |key, query| self.distances.number(query, key));
            scores = scores + by_key.swap_dims(2, 3);
        }
        let terms = 1 + usize::from(self.position_keys.is_some()) + usize::from(self.position_queries.is_some());
        let scores = scores.div_scalar(((terms * self.head_dim) as f32).sqrt());
        let hidden = padding.mask().reshape([n, 1, 1, longest]).expand([n, self.n_heads, longest, longest]);
        let gathered = softmax(scores.mask_fill(hidden, f32::MIN), 3).matmul(v).swap_dims(1, 2);
        padding.pack(gathered.reshape([n, longest, width]))
    }

    /// How `content` at each place goes with the distance to each other place, as `number` counts it.
    ///
    /// # Shapes
    /// - content: n_sequences × heads × longest × head_dim
    /// - positions: heads × head_dim × (2 · span)
    /// - result: n_sequences × heads × longest × longest
    fn by_distance(
        &self,
        content: Tensor<4>,
        positions: &Tensor<3>,
        number: impl Fn(usize, usize) -> i64,
    ) -> Tensor<4> {
        let [n, n_heads, longest, _] = content.dims();
        let numbers: Vec<i64> =
            (0..longest).flat_map(|i| (0..longest).map(move |j| (i, j))).map(|(i, j)| number(i, j)).collect();
        // Short sequences have few of all distances.
        let first = numbers.iter().copied().min().unwrap_or(0);
        let last = numbers.iter().copied().max().unwrap_or(0);
        let used = positions.clone().slice_dim(2, first as usize..last as usize + 1);
        let scores = content.matmul(used.unsqueeze_dim::<4>(0));
        let places: Tensor<4, Int> = indices(numbers.iter().map(|number| number - first).collect(), &scores.device())
            .reshape([1, 1, longest, longest])
            .expand([n, n_heads, longest, longest]);
        scores.gather(3, places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_numbered_as_in_transformers() {
        // transformers 5.23, make_log_bucket_position(torch.arange(-40, 41), 16, 32), every tenth, plus 16, clamped.
        let distances = Distances { buckets: Some(16), max: 32 };
        let numbers: Vec<i64> = (0..=80).step_by(10).map(|i| distances.number(i, 40)).collect();
        assert_eq!(numbers, [0, 1, 3, 6, 16, 26, 29, 31, 31]);
        let plain = Distances { buckets: None, max: 8 };
        assert_eq!([plain.number(0, 20), plain.number(3, 0), plain.number(20, 0)], [0, 11, 15]);
    }
}
