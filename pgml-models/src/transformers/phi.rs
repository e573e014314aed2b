//! Phi-1 (Gunasekar et al. 2023), Phi-1.5 and Phi-2 (Javaheripi, Bubeck 2023).

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::parallel::ParallelLayer;
use super::rope_config::partial_rope;
use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, activation, check_heads, read};
use crate::nn::linear::Piece;
use crate::nn::{Attention, Embedding, LayerNorm, Linear, Mlp, Rope, Source};

/// Phi-1 to Phi-2.
pub static PHI: Encoder = Encoder {
    model_types: &["phi"],
    prefix: "model",
    ignored: &["lm_head.", "inv_freq", "score."],
    load,
    head: Some(Heads::SCORES),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    max_position_embeddings: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    qk_layernorm: Option<bool>,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields: Config = read(config)?;
    let (width, n_heads) = (fields.hidden_size, fields.num_attention_heads);
    check_heads(width, n_heads)?;
    let n_kv_heads = fields.num_key_value_heads.unwrap_or(n_heads);
    if n_kv_heads == 0 || !n_heads.is_multiple_of(n_kv_heads) {
        bail!(Corrupted, "{n_heads} heads of queries cannot share {n_kv_heads} of keys");
    }
    let attention = Attention { causal: true, n_kv_heads, ..Attention::full(width, n_heads) };
    let theta = ("rope_theta", 10_000.0);
    let rope = partial_rope(config, attention.head_dim, theta, ("partial_rotary_factor", 0.5))?;
    let layers = (0..fields.num_hidden_layers)
        .map(|i| layer(&source.at("layers").at(i), &fields, &rope, Attention { layer: i, ..attention.clone() }));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(LayerNorm::load(&source.at("final_layernorm"), width, fields.layer_norm_eps)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

fn layer(source: &Source<'_>, fields: &Config, rope: &Rope, attention: Attention) -> Result<ParallelLayer> {
    let (width, eps, own) = (fields.hidden_size, fields.layer_norm_eps, source.at("self_attn"));
    let piece = |name, n_heads| Piece { source: own.at(name), outputs: n_heads * attention.head_dim };
    let (query, n_kv_heads) = (piece("q_proj", attention.n_heads), attention.n_kv_heads);
    let head_norm = |name| LayerNorm::load(&own.at(name), attention.head_dim, eps);
    let (up, down) = (source.at("mlp.fc1"), source.at("mlp.fc2"));
    Ok(ParallelLayer(PreNormLayer {
        // Both halves read the same norm.
        attention_norm: None,
        query_key_value: Linear::joined(&[query, piece("k_proj", n_kv_heads), piece("v_proj", n_kv_heads)], width)?,
        query_key_norms: match fields.qk_layernorm {
            Some(true) => Some([head_norm("q_layernorm")?, head_norm("k_layernorm")?]),
            _ => None,
        },
        rope: Some(rope.clone()),
        attention_output: Linear::load(&own.at("dense"), width, width)?,
        attention,
        output_norms: None,
        feed_forward_norm: Some(LayerNorm::load(&source.at("input_layernorm"), width, eps)?),
        feed_forward: Mlp::load(&up, &down, [width, fields.intermediate_size], activation(&fields.hidden_act)?)?.into(),
    }))
}
