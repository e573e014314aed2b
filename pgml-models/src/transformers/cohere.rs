//! Command R (Cohere 2024) and Aya 23 (Aryabumi et al. 2024).

use pgml_core::Result;
use serde::Deserialize;
use serde_json::Value;

use super::decoder::{Decoder, IGNORED};
use super::parallel::ParallelLayer;
use super::{Encoder, PreNormLayer, Stack, TextEncoder, read, rope};
use crate::nn::linear::Piece;
use crate::nn::{Embedding, LayerNorm, Linear, Rope, Source};

/// Command R.
pub static COHERE: Encoder = Encoder { model_types: &["cohere"], prefix: "model", ignored: IGNORED, load, head: None };

#[derive(Deserialize)]
struct Own {
    layer_norm_eps: f64,
    /// Whether each head of queries and keys has a norm of its own (Command R+).
    #[serde(default)]
    use_qk_norm: bool,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let (fields, own) = (Decoder::read(config)?, read::<Own>(config)?);
    let width = fields.hidden_size;
    let rope = rope(config, fields.head_dim(), "full_attention", ("rope_theta", 500_000.0))?;
    let layers = (0..fields.num_hidden_layers).map(|i| layer(&source.at("layers").at(i), &fields, &own, &rope, i));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(LayerNorm::load(&source.at("norm"), width, own.layer_norm_eps)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

fn layer(source: &Source<'_>, fields: &Decoder, own: &Own, rope: &Rope, i: usize) -> Result<ParallelLayer> {
    let (width, head_dim, tensors) = (fields.hidden_size, fields.head_dim(), source.at("self_attn"));
    let attention = fields.attention(i, None);
    let piece = |name, n_heads| Piece { source: tensors.at(name), outputs: n_heads * head_dim };
    let (n_heads, n_kv_heads) = (attention.n_heads, attention.n_kv_heads);
    let head_norm = |name, n_heads| head_norm(&tensors.at(name), [n_heads, head_dim], own.layer_norm_eps);
    let head_norms = own.use_qk_norm.then(|| Ok([head_norm("q_norm", n_heads)?, head_norm("k_norm", n_kv_heads)?]));
    let pieces = [piece("q_proj", n_heads), piece("k_proj", n_kv_heads), piece("v_proj", n_kv_heads)];
    Ok(ParallelLayer(PreNormLayer {
        // Both halves read the same norm.
        attention_norm: None,
        query_key_value: Linear::joined_by_pairs(&pieces, width, head_dim, head_dim)?,
        query_key_norms: head_norms.transpose()?,
        rope: Some(rope.clone()),
        attention,
        attention_output: fields.attention_output(&tensors)?,
        output_norms: None,
        feed_forward_norm: Some(LayerNorm::load(&source.at("input_layernorm"), width, own.layer_norm_eps)?),
        feed_forward: fields.feed_forward(&source.at("mlp"), fields.activation()?)?.into(),
    }))
}

/// The norm of heads whose dimensions are in the order that [`Linear::joined_by_pairs`] brings them into.
fn head_norm(source: &Source<'_>, [n_heads, head_dim]: [usize; 2], eps: f64) -> Result<LayerNorm> {
    let weight = source.weights.floats("weight", &[n_heads, head_dim])?;
    let half = (head_dim / 2).max(1);
    let own = |head: &[f32]| (0..head_dim).map(|i| head[2 * (i % half) + i / half]).collect::<Vec<f32>>();
    Ok(LayerNorm::of_heads(weight.chunks_exact(head_dim).flat_map(own).collect(), head_dim, eps))
}
