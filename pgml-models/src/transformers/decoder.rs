//! Embedders that began as decoders: LLaMA (Touvron et al. 2023) and its kin Mistral (Jiang et al. 2023; e5-mistral), Qwen 2
//! (Yang et al. 2024) and Qwen 3 (Yang et al. 2025; Qwen3-Embedding).

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::head::{qa_outputs, score, score_of_tokens};
use super::{Encoder, Heads, PreNormEncoder, PreNormLayer, TextEncoder, activation, read, rope};
use crate::nn::linear::Piece;
use crate::nn::{Attention, AttentionBias, Embedding, GatedMlp, LayerNorm, Linear, Source};

pub(super) const IGNORED: &[&str] = &["lm_head.", "score.", "qa_outputs.", "inv_freq"];

/// What decoders have on top for tasks.
pub(super) const HEADS: Heads =
    Heads { sequence: Some(score), tokens: Some(score_of_tokens), spans: Some(qa_outputs), ..Heads::NONE };

/// LLaMA.
pub static LLAMA: Encoder = Encoder {
    model_types: &["llama"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| load(config, source, false, |_, _| false),
    head: Some(HEADS),
};

/// Mistral, whose layers all slide where a window is given.
pub static MISTRAL: Encoder = Encoder {
    model_types: &["mistral"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| load(config, source, false, |fields, _| fields.sliding_window.is_some()),
    head: Some(HEADS),
};

/// Qwen 2.
pub static QWEN2: Encoder = Encoder {
    model_types: &["qwen2"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| load(config, source, false, Decoder::slides_in_qwen),
    head: Some(HEADS),
};

/// Qwen 3.
pub static QWEN3: Encoder = Encoder {
    model_types: &["qwen3"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| load(config, source, true, Decoder::slides_in_qwen),
    head: Some(HEADS),
};

/// The fields that decoders have in common.
#[derive(Deserialize)]
pub(super) struct Decoder {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: Option<usize>,
    pub head_dim: Option<usize>,
    pub hidden_act: Option<String>,
    pub max_position_embeddings: usize,
    pub rms_norm_eps: f64,
    pub sliding_window: Option<usize>,
    pub use_sliding_window: Option<bool>,
    pub max_window_layers: Option<usize>,
    pub layer_types: Option<Vec<String>>,
    pub is_causal: Option<bool>,
}

fn load(
    config: &Value,
    source: &Source<'_>,
    has_head_norms: bool,
    slides: fn(&Decoder, usize) -> bool,
) -> Result<Box<dyn TextEncoder>> {
    let fields = Decoder::read(config)?;
    let (width, eps) = (fields.hidden_size, fields.rms_norm_eps);
    let rope = rope(config, fields.head_dim(), "full_attention", ("rope_theta", 10_000.0))?;
    let act = activation(fields.hidden_act.as_deref().unwrap_or("silu"))?;
    let layer = |i: usize| -> Result<PreNormLayer> {
        let source = source.at("layers").at(i);
        let norm = |name, width| LayerNorm::load_rms(&source.at(name), width, eps, 0.0);
        let head_norms =
            || Ok([norm("self_attn.q_norm", fields.head_dim())?, norm("self_attn.k_norm", fields.head_dim())?]);
        let window = fields.window(i, slides(&fields, i))?;
        Ok(PreNormLayer {
            attention_norm: Some(norm("input_layernorm", width)?),
            query_key_value: fields.query_key_value(&source.at("self_attn"))?,
            query_key_norms: has_head_norms.then(head_norms).transpose()?,
            rope: Some(rope.clone()),
            attention: fields.attention(i, window),
            attention_output: fields.attention_output(&source.at("self_attn"))?,
            output_norms: None,
            feed_forward_norm: norm("post_attention_layernorm", width)?,
            feed_forward: fields.feed_forward(&source.at("mlp"), act)?.into(),
        })
    };
    Ok(Box::new(PreNormEncoder {
        embeddings: Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers: (0..fields.num_hidden_layers).map(layer).collect::<Result<_>>()?,
        final_norm: LayerNorm::load_rms(&source.at("norm"), width, eps, 0.0)?,
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

impl Decoder {
    /// Reads and checks them.
    pub(super) fn read(config: &Value) -> Result<Self> {
        let fields: Self = read(config)?;
        let (n_heads, n_kv_heads) = (fields.num_attention_heads, fields.n_kv_heads());
        if n_kv_heads == 0 || n_heads == 0 || !n_heads.is_multiple_of(n_kv_heads) {
            bail!(Corrupted, "{n_heads} heads of queries cannot share {n_kv_heads} of keys");
        }
        Ok(fields)
    }

    fn n_kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    pub(super) fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    fn slides_in_qwen(&self, layer: usize) -> bool {
        self.use_sliding_window == Some(true) && layer >= self.max_window_layers.unwrap_or(28)
    }

    /// The window of layer `i`: as `layer_types` says, or as the architecture does by default.
    pub(super) fn window(&self, i: usize, slides: bool) -> Result<Option<usize>> {
        let slides = match self.layer_types.as_ref().map(|types| types.get(i).map(String::as_str)) {
            None => slides,
            Some(Some("full_attention")) => false,
            Some(Some("sliding_attention")) => true,
            Some(other) => {
                bail!(NotSupported, "layer_types has {other:?} for layer {i}; known: full_attention, sliding_attention")
            }
        };
        match self.sliding_window {
            _ if !slides => Ok(None),
            Some(window) => Ok(Some(window)),
            None => bail!(Corrupted, "layer {i} has sliding attention, but sliding_window is not given"),
        }
    }

    /// Attention of a layer within `window`: a causal one counts the token itself, one to both sides does not.
    pub(super) fn attention(&self, layer: usize, window: Option<usize>) -> Attention {
        let causal = self.is_causal != Some(false);
        Attention {
            n_heads: self.num_attention_heads,
            n_kv_heads: self.n_kv_heads(),
            head_dim: self.head_dim(),
            scale: 1.0 / (self.head_dim() as f32).sqrt(),
            causal,
            window: window.map(|n| n.saturating_sub(usize::from(causal))),
            bias: AttentionBias::None,
            layer,
        }
    }

    pub(super) fn query_key_value(&self, source: &Source<'_>) -> Result<Linear> {
        let piece = |name, n_heads| Piece { source: source.at(name), outputs: n_heads * self.head_dim() };
        let (n_heads, n_kv_heads) = (self.num_attention_heads, self.n_kv_heads());
        let pieces = [piece("q_proj", n_heads), piece("k_proj", n_kv_heads), piece("v_proj", n_kv_heads)];
        Linear::joined(&pieces, self.hidden_size)
    }

    pub(super) fn attention_output(&self, source: &Source<'_>) -> Result<Linear> {
        Linear::load(&source.at("o_proj"), self.num_attention_heads * self.head_dim(), self.hidden_size)
    }

    pub(super) fn feed_forward(&self, source: &Source<'_>, act: crate::kernels::Activation) -> Result<GatedMlp> {
        let (gate, up, down) = (source.at("gate_proj"), source.at("up_proj"), source.at("down_proj"));
        GatedMlp::load([&gate, &up, &down], [self.hidden_size, self.intermediate_size], act)
    }
}
