//! StableLM 3B and StableLM 2 (Bellagente et al. 2024), whose largest form computes both halves of a layer from the same norm.

use pgml_core::Result;
use serde::Deserialize;
use serde_json::Value;

use super::decoder::{Decoder, IGNORED};
use super::parallel::ParallelLayer;
use super::rope_config::partial_rope;
use super::stack::Layer;
use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, read};
use crate::nn::{Embedding, LayerNorm, Rope, Source};

/// StableLM.
pub static STABLELM: Encoder =
    Encoder { model_types: &["stablelm"], prefix: "model", ignored: IGNORED, load, head: Some(Heads::SCORES) };

#[derive(Deserialize)]
struct Own {
    layer_norm_eps: f64,
    #[serde(default)]
    use_parallel_residual: bool,
    /// Whether each head of queries and keys has a norm of its own.
    #[serde(default)]
    qk_layernorm: bool,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let (fields, own) = (Decoder::read(config)?, read::<Own>(config)?);
    let rope = partial_rope(config, fields.head_dim(), ("rope_theta", 10_000.0), ("partial_rotary_factor", 0.25))?;
    let layers = (0..fields.num_hidden_layers).map(|i| layer(&source.at("layers").at(i), &fields, &own, &rope, i));
    if own.use_parallel_residual {
        stack(source, &fields, &own, layers.map(|layer| Ok(ParallelLayer(layer?))).collect::<Result<_>>()?)
    } else {
        stack(source, &fields, &own, layers.collect::<Result<_>>()?)
    }
}

fn stack<L: Layer + 'static>(
    source: &Source<'_>,
    fields: &Decoder,
    own: &Own,
    layers: Vec<L>,
) -> Result<Box<dyn TextEncoder>> {
    let width = fields.hidden_size;
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers,
        final_norm: Some(LayerNorm::load(&source.at("norm"), width, own.layer_norm_eps)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

fn layer(source: &Source<'_>, fields: &Decoder, own: &Own, rope: &Rope, i: usize) -> Result<PreNormLayer> {
    let (tensors, attention) = (source.at("self_attn"), fields.attention(i, None));
    let norm = |name| LayerNorm::load(&source.at(name), fields.hidden_size, own.layer_norm_eps);
    let head_norm = |name, n_heads| head_norm(&tensors.at(name), [n_heads, fields.head_dim()], own.layer_norm_eps);
    let (n_heads, n_kv_heads) = (attention.n_heads, attention.n_kv_heads);
    let head_norms =
        own.qk_layernorm.then(|| Ok([head_norm("q_layernorm", n_heads)?, head_norm("k_layernorm", n_kv_heads)?]));
    let (attention_norm, feed_forward_norm) = match own.use_parallel_residual {
        true => (None, norm("input_layernorm")?),
        false => (Some(norm("input_layernorm")?), norm("post_attention_layernorm")?),
    };
    Ok(PreNormLayer {
        attention_norm,
        query_key_value: fields.query_key_value(&tensors)?,
        query_key_norms: head_norms.transpose()?,
        rope: Some(rope.clone()),
        attention,
        attention_output: fields.attention_output(&tensors)?,
        output_norms: None,
        feed_forward_norm: Some(feed_forward_norm),
        feed_forward: fields.feed_forward(&source.at("mlp"), fields.activation()?)?.into(),
    })
}

fn head_norm(source: &Source<'_>, [n_heads, head_dim]: [usize; 2], eps: f64) -> Result<LayerNorm> {
    let of_head = |i: usize| source.at("norms").at(i).weights.floats("weight", &[head_dim]);
    let weights = (0..n_heads).map(of_head).collect::<Result<Vec<_>>>()?;
    Ok(LayerNorm::of_heads(weights.concat(), head_dim, eps))
}
