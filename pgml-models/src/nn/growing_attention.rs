//! Attention of sequences that grow: new tokens look at the keys and values that earlier ones left behind, and leave theirs.

use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use super::cache::{KvCache, SharedCache, lock};
use super::{Attention, Matrix, PackedBatch};
use crate::kernels::{Paged, Tokens};

impl Attention {
    pub(super) fn on_host_growing(&self, qkv: &Matrix, batch: &PackedBatch, caches: &[SharedCache]) -> Matrix {
        let [k_start, v_start] = self.ends();
        let mut caches: Vec<_> = caches.iter().map(lock).collect();
        for (cache, rows) in caches.iter_mut().zip(batch.sequences()) {
            cache.write(self.layer, qkv, rows, [k_start, v_start]);
        }
        let kept = caches.iter().zip(batch.sequences());
        let sequences: Vec<Paged<'_>> = kept.map(|(cache, rows)| cache.paged(self.layer, rows.len())).collect();
        let by_distance = self.bias.by_distance(self.n_heads, batch.reach());
        let queries = Tokens { data: qkv.values(), stride: qkv.width() };
        let mut out = qkv.unfilled(k_start);
        let kernel = self.kernel(by_distance.as_deref());
        kernel.apply_paged(qkv.team(), queries, batch.offsets(), &sequences, out.values_mut());
        out
    }

    pub(super) fn on_device_growing(&self, qkv: &Tensor<2>, batch: &PackedBatch, caches: &[SharedCache]) -> Tensor<2> {
        let sequences = caches.iter().zip(batch.sequences());
        Tensor::cat(sequences.map(|(cache, rows)| self.one(qkv, rows, &mut lock(cache))).collect(), 0)
    }

    /// What the tokens in `rows` gather, which go on with the sequence of `cache`.
    fn one(&self, qkv: &Tensor<2>, rows: Range<usize>, cache: &mut KvCache) -> Tensor<2> {
        let ([q_end, k_end], first) = (self.ends(), cache.len());
        let columns = |range: Range<usize>| qkv.clone().slice_dim(0, rows.clone()).slice_dim(1, range);
        let keys_values = cache.extend(self.layer, [columns(q_end..k_end), columns(k_end..self.qkv_width())]);
        self.gather(columns(0..q_end), keys_values, first)
    }

    /// What the queries of one sequence gather, the first of which stands at the position `first` among the keys.
    ///
    /// # Shapes
    /// - queries and result: n_queries × (n_heads · head_dim)
    /// - keys and values: n_keys × (n_kv_heads · head_dim)
    pub(super) fn gather(&self, queries: Tensor<2>, [keys, values]: [Tensor<2>; 2], first: usize) -> Tensor<2> {
        let ([n, q_end], [n_keys, _], device) = (queries.dims(), keys.dims(), queries.device());
        let heads = |x: Tensor<2>, n_heads: usize| -> Tensor<4> {
            let [n, _] = x.dims();
            x.reshape([1, n, n_heads, self.head_dim]).swap_dims(1, 2)
        };
        let q = heads(queries, self.n_heads);
        let (k, v) = (self.repeat(heads(keys, self.n_kv_heads)), self.repeat(heads(values, self.n_kv_heads)));
        let mut scores = self.scores(q, k);
        if let Some(bias) = self.bias_block(first..first + n, n_keys, &device) {
            scores = scores + bias.unsqueeze_dim::<4>(0);
        }
        let hidden = self.out_of_sight(first..first + n, n_keys, &device).reshape([1, 1, n, n_keys]);
        let weights = softmax(scores.mask_fill(hidden.expand([1, self.n_heads, n, n_keys]), f32::MIN), 3);
        weights.matmul(v).swap_dims(1, 2).reshape([n, q_end])
    }
}
