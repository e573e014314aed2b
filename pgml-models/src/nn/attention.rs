//! Multi-head attention within each sequence (Vaswani et al. 2017), with grouped keys and values (Ainslie et al. 2023).

use std::ops::Range;

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::padding::{Padding, indices};
use super::{Hidden, Matrix, PackedBatch};
use crate::kernels::{self, Bias, Offsets, Tokens, Window};

pub use super::distance_bias::AttentionBias;

/// Attention over queries, keys and values that were computed already.
#[derive(Debug, Clone)]
pub struct Attention {
    /// Heads of the queries.
    pub n_heads: usize,
    /// Heads of keys and values; each serves `n_heads / n_kv_heads` heads of the queries.
    pub n_kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// What scores are multiplied with, usually 1/√head_dim.
    pub scale: f32,
    /// Whether a token sees only itself and what is before it.
    pub causal: bool,
    /// How far a token sees to each side, itself not counted; everything when absent.
    pub window: Option<usize>,
    /// What scaled scores are pressed below by a hyperbolic tangent, before anything is added (Gemma 2).
    pub softcap: Option<f32>,
    /// What is added to the scores.
    pub bias: AttentionBias,
    /// Which of the model's layers it is in: where a growing sequence keeps its keys and values.
    pub layer: usize,
}

impl Attention {
    /// Attention in which every token sees its whole sequence.
    ///
    /// # Panics
    /// When `width` is no multiple of `n_heads`: the configuration is checked before.
    #[must_use]
    pub fn full(width: usize, n_heads: usize) -> Self {
        assert!(n_heads > 0 && width.is_multiple_of(n_heads), "{width} is divided into {n_heads} heads");
        let head_dim = width / n_heads;
        Self {
            n_heads,
            n_kv_heads: n_heads,
            head_dim,
            scale: 1.0 / (head_dim as f32).sqrt(),
            causal: false,
            window: None,
            softcap: None,
            bias: AttentionBias::None,
            layer: 0,
        }
    }

    /// Columns of the queries, keys and values side by side.
    #[must_use]
    pub fn qkv_width(&self) -> usize {
        (self.n_heads + 2 * self.n_kv_heads) * self.head_dim
    }

    /// What each token gathers from its sequence.
    ///
    /// # Shapes
    /// - qkv: n_tokens × ((n_heads + 2 · n_kv_heads) · head_dim), queries, then keys, then values
    /// - result: n_tokens × (n_heads · head_dim)
    #[must_use]
    pub fn forward(&self, qkv: Hidden, batch: &PackedBatch) -> Hidden {
        match (qkv, batch.caches()) {
            (Hidden::Host(qkv), None) => Hidden::Host(self.on_host(&qkv, batch)),
            (Hidden::Host(qkv), Some(caches)) => Hidden::Host(self.on_host_growing(&qkv, batch, caches)),
            (Hidden::Device(qkv), None) => Hidden::Device(self.on_device(qkv, batch)),
            (Hidden::Device(qkv), Some(caches)) => Hidden::Device(self.on_device_growing(&qkv, batch, caches)),
        }
    }

    /// Columns where the queries end, and the keys.
    pub(crate) fn ends(&self) -> [usize; 2] {
        [self.n_heads * self.head_dim, (self.n_heads + self.n_kv_heads) * self.head_dim]
    }

    fn on_host(&self, qkv: &Matrix, batch: &PackedBatch) -> Matrix {
        let by_distance = self.bias.by_distance(self.n_heads, batch.longest());
        let kernel = self.kernel(by_distance.as_deref());
        let [k_start, v_start] = self.ends();
        let tokens = |start: usize| Tokens { data: qkv.values().get(start..).unwrap_or_default(), stride: qkv.width() };
        let offsets = Offsets { queries: batch.offsets(), keys: batch.offsets() };
        let mut out = qkv.unfilled(k_start);
        kernel.apply(qkv.team(), tokens(0), tokens(k_start), tokens(v_start), offsets, out.values_mut());
        out
    }

    /// The fused form; `by_distance` is that of the bias, for the longest sequence.
    pub(super) fn kernel<'a>(&'a self, by_distance: Option<&'a [f32]>) -> kernels::Attention<'a> {
        let bias = match (&self.bias, by_distance) {
            (AttentionBias::Alibi(slopes), _) => Bias::Alibi(slopes),
            (_, Some(by_distance)) => Bias::Relative { by_distance, farthest: by_distance.len() / self.n_heads / 2 },
            (_, None) => Bias::None,
        };
        kernels::Attention {
            heads: self.n_heads,
            kv_heads: self.n_kv_heads,
            head_dim: self.head_dim,
            scale: self.scale,
            window: Window {
                before: self.window.unwrap_or(usize::MAX),
                after: if self.causal { 0 } else { self.window.unwrap_or(usize::MAX) },
            },
            softcap: self.softcap,
            bias,
        }
    }

    fn on_device(&self, qkv: Tensor<2>, batch: &PackedBatch) -> Tensor<2> {
        let device = qkv.device();
        let padding = Padding::new(batch, &device);
        let [q_end, k_end] = self.ends();
        let block = padding.pad(qkv);
        let columns = |range: Range<usize>| block.clone().slice_dim(2, range);
        let q = self.heads(columns(0..q_end), self.n_heads);
        let k = self.repeat(self.heads(columns(q_end..k_end), self.n_kv_heads));
        let v = self.repeat(self.heads(columns(k_end..self.qkv_width()), self.n_kv_heads));
        let mut scores = self.scores(q, k);
        if let Some(bias) = self.bias_block(0..batch.longest(), batch.longest(), &device) {
            scores = scores + bias.unsqueeze_dim::<4>(0);
        }
        let weights = softmax(scores.mask_fill(self.hidden_places(batch, &padding, &device), f32::MIN), 3);
        let [n_sequences, _, longest, _] = weights.dims();
        let gathered = weights.matmul(v).swap_dims(1, 2);
        padding.pack(gathered.reshape([n_sequences, longest, q_end]))
    }

    /// Scaled and, where that is asked for, capped: sequences × heads × queries × keys.
    pub(super) fn scores(&self, q: Tensor<4>, k: Tensor<4>) -> Tensor<4> {
        let scaled = q.matmul(k.swap_dims(2, 3)).mul_scalar(self.scale);
        match self.softcap {
            Some(cap) => scaled.div_scalar(cap).tanh().mul_scalar(cap),
            None => scaled,
        }
    }

    /// n_sequences × heads × longest × head_dim.
    fn heads(&self, block: Tensor<3>, n_heads: usize) -> Tensor<4> {
        let [n_sequences, longest, _] = block.dims();
        block.reshape([n_sequences, longest, n_heads, self.head_dim]).swap_dims(1, 2)
    }

    /// Each head of keys or values as often as heads of the queries use it.
    pub(super) fn repeat(&self, heads: Tensor<4>) -> Tensor<4> {
        let times = self.n_heads / self.n_kv_heads;
        if times == 1 {
            return heads;
        }
        let [n_sequences, _, longest, head_dim] = heads.dims();
        heads.unsqueeze_dim::<5>(2).repeat_dim(2, times).reshape([n_sequences, self.n_heads, longest, head_dim])
    }

    /// What is added to the scores of the queries at these positions and the first `n_keys` keys: heads × queries × keys.
    pub(super) fn bias_block(&self, queries: Range<usize>, n_keys: usize, device: &Device) -> Option<Tensor<3>> {
        let by_distance = self.bias.by_distance(self.n_heads, n_keys)?;
        let span = 2 * n_keys - 1;
        let table: Tensor<2> = Tensor::from_data(TensorData::new(by_distance, [self.n_heads, span]), device);
        let place = |query: usize| (0..n_keys).map(move |key| (query + n_keys - 1 - key) as i64);
        let places = queries.clone().flat_map(place).collect();
        Some(table.select(1, indices(places, device)).reshape([self.n_heads, queries.len(), n_keys]))
    }

    /// True where a query must not look, n_sequences × heads × longest × longest.
    fn hidden_places(&self, batch: &PackedBatch, padding: &Padding, device: &Device) -> Tensor<4, Bool> {
        let (n, longest) = (batch.n_sequences(), batch.longest());
        let shape = [n, self.n_heads, longest, longest];
        let padded = padding.mask().reshape([n, 1, 1, longest]).expand(shape);
        if !self.causal && self.window.is_none() {
            return padded;
        }
        let out_of_sight = self.out_of_sight(0..longest, longest, device);
        padded.bool_or(out_of_sight.reshape([1, 1, longest, longest]).expand(shape))
    }

    /// True where a query at one of these positions must not look, queries × keys.
    pub(super) fn out_of_sight(&self, queries: Range<usize>, n_keys: usize, device: &Device) -> Tensor<2, Bool> {
        let hidden: Vec<bool> =
            queries.clone().flat_map(|query| (0..n_keys).map(move |key| !self.sees(query, key))).collect();
        Tensor::from_data(TensorData::new(hidden, [queries.len(), n_keys]), device)
    }

    fn sees(&self, query: usize, key: usize) -> bool {
        !(self.causal && key > query) && self.window.is_none_or(|window| query.abs_diff(key) <= window)
    }
}
