//! Embedders that began as decoders: LLaMA (Touvron et al. 2023) and its kin Mistral (Jiang et al. 2023; e5-mistral), Qwen 2
//! (Yang et al. 2024) and Qwen 3 (Yang et al. 2025; Qwen3-Embedding).

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::rope_config::partial_rope;
use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, activation, read, rope};
use crate::kernels::Activation;
use crate::nn::linear::Piece;
use crate::nn::{Attention, AttentionBias, Embedding, FeedForward, GatedMlp, LayerNorm, Linear, Source};

pub(super) const IGNORED: &[&str] = &["lm_head.", "score.", "qa_outputs.", "inv_freq"];

/// LLaMA.
pub static LLAMA: Encoder = Encoder {
    model_types: &["llama"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| load(config, source, &PLAIN),
    head: Some(Heads::DECODER),
};

/// Mistral, whose layers all slide where a window is given.
pub static MISTRAL: Encoder = Encoder {
    model_types: &["mistral"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| load(config, source, &Kind { slides: Decoder::slides_everywhere, ..PLAIN }),
    head: Some(Heads::DECODER),
};

/// Qwen 2.
pub static QWEN2: Encoder = Encoder {
    model_types: &["qwen2"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| load(config, source, &Kind { slides: Decoder::slides_in_qwen, ..PLAIN }),
    head: Some(Heads::DECODER),
};

/// Qwen 3.
pub static QWEN3: Encoder = Encoder {
    model_types: &["qwen3"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| {
        load(config, source, &Kind { has_head_norms: true, slides: Decoder::slides_in_qwen, ..PLAIN })
    },
    head: Some(Heads::DECODER),
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
    /// Where an architecture normalises otherwise, its own name for it counts.
    #[serde(default = "default_eps")]
    pub rms_norm_eps: f64,
    pub sliding_window: Option<usize>,
    pub use_sliding_window: Option<bool>,
    pub max_window_layers: Option<usize>,
    pub layer_types: Option<Vec<String>>,
    pub is_causal: Option<bool>,
    /// What queries, keys and values are clipped to (OLMo).
    pub clip_qkv: Option<f32>,
}

/// As in transformers.
fn default_eps() -> f64 {
    1e-6
}

/// Where a decoder differs from LLaMA.
pub(super) struct Kind {
    /// Whether each head of queries and keys has a norm.
    pub has_head_norms: bool,
    /// Whether a layer slides, where `layer_types` does not say so.
    pub slides: fn(&Decoder, usize) -> bool,
    /// The base of rotary positions where `config.json` gives none.
    pub theta: f64,
    /// Where a part of each head is turned: what says which, and the default.
    pub turned: Option<(&'static str, f64)>,
    /// Whether positions turn the queries and keys of a layer.
    pub turns: fn(&Value, usize) -> Result<bool>,
    /// Reads a norm as wide as the model.
    pub norm: fn(&Value, &Decoder, &Source<'_>) -> Result<LayerNorm>,
    /// Reads what comes after attention in a layer.
    pub feed_forward: fn(&Value, &Decoder, &Source<'_>, usize) -> Result<FeedForward>,
}

/// LLaMA itself.
pub(super) const PLAIN: Kind = Kind {
    has_head_norms: false,
    slides: |_, _| false,
    theta: 10_000.0,
    turned: None,
    turns: |_, _| Ok(true),
    norm: |_, fields, source| LayerNorm::load_rms(source, fields.hidden_size, fields.rms_norm_eps, 0.0),
    feed_forward: |_, fields, source, _| Ok(fields.feed_forward(&source.at("mlp"), fields.activation()?)?.into()),
};

/// Reads a decoder of this kind.
///
/// # Errors
/// Those of the blocks that it is made of.
pub(super) fn load(config: &Value, source: &Source<'_>, kind: &Kind) -> Result<Box<dyn TextEncoder>> {
    let fields = Decoder::read(config)?;
    let width = fields.hidden_size;
    let (head_dim, theta) = (fields.head_dim(), ("rope_theta", kind.theta));
    let rope = match kind.turned {
        Some(turned) => partial_rope(config, head_dim, theta, turned)?,
        None => rope(config, head_dim, "full_attention", theta)?,
    };
    let layer = |i: usize| -> Result<PreNormLayer> {
        let source = source.at("layers").at(i);
        let norm = |name| (kind.norm)(config, &fields, &source.at(name));
        let head_norm = |name| LayerNorm::load_rms(&source.at(name), fields.head_dim(), fields.rms_norm_eps, 0.0);
        let head_norms = || Ok([head_norm("self_attn.q_norm")?, head_norm("self_attn.k_norm")?]);
        let window = fields.window(i, (kind.slides)(&fields, i))?;
        Ok(PreNormLayer {
            attention_norm: Some(norm("input_layernorm")?),
            query_key_value: fields.query_key_value(&source.at("self_attn"))?,
            query_key_norms: kind.has_head_norms.then(head_norms).transpose()?,
            rope: (kind.turns)(config, i)?.then(|| rope.clone()),
            attention: fields.attention(i, window),
            attention_output: fields.attention_output(&source.at("self_attn"))?,
            output_norms: None,
            feed_forward_norm: Some(norm("post_attention_layernorm")?),
            feed_forward: (kind.feed_forward)(config, &fields, &source, i)?,
        })
    };
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers: (0..fields.num_hidden_layers).map(layer).collect::<Result<_>>()?,
        final_norm: Some((kind.norm)(config, &fields, &source.at("norm"))?),
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

    pub(super) fn slides_everywhere(&self, _: usize) -> bool {
        self.sliding_window.is_some()
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
            softcap: None,
            bias: AttentionBias::None,
            layer,
        }
    }

    /// What the gate of the layers after attention applies.
    pub(super) fn activation(&self) -> Result<Activation> {
        activation(self.hidden_act.as_deref().unwrap_or("silu"))
    }

    pub(super) fn query_key_value(&self, source: &Source<'_>) -> Result<Linear> {
        let piece = |name, n_heads| Piece { source: source.at(name), outputs: n_heads * self.head_dim() };
        let (n_heads, n_kv_heads) = (self.num_attention_heads, self.n_kv_heads());
        let pieces = [piece("q_proj", n_heads), piece("k_proj", n_kv_heads), piece("v_proj", n_kv_heads)];
        Ok(Linear::joined(&pieces, self.hidden_size)?.clipped(self.clip_qkv))
    }

    pub(super) fn attention_output(&self, source: &Source<'_>) -> Result<Linear> {
        Linear::load(&source.at("o_proj"), self.num_attention_heads * self.head_dim(), self.hidden_size)
    }

    pub(super) fn feed_forward(&self, source: &Source<'_>, act: Activation) -> Result<GatedMlp> {
        let (gate, up, down) = (source.at("gate_proj"), source.at("up_proj"), source.at("down_proj"));
        GatedMlp::load([&gate, &up, &down], [self.hidden_size, self.intermediate_size], act)
    }
}
