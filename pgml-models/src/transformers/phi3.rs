//! Phi-3 and Phi-4 (Abdin et al. 2024), with queries, keys and values in one matrix, and gates with what they open.

use pgml_core::Result;
use serde_json::Value;

use super::decoder::{Decoder, IGNORED};
use super::rope_config::partial_rope;
use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder};
use crate::nn::{Embedding, GatedMlp, LayerNorm, Linear, Rope, Source};

/// Phi-3.
pub static PHI3: Encoder =
    Encoder { model_types: &["phi3"], prefix: "model", ignored: IGNORED, load, head: Some(Heads::SCORES) };

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields = Decoder::read(config)?;
    let width = fields.hidden_size;
    let theta = ("rope_theta", 10_000.0);
    let rope = partial_rope(config, fields.head_dim(), theta, ("partial_rotary_factor", 1.0))?;
    let layers = (0..fields.num_hidden_layers).map(|i| layer(&source.at("layers").at(i), &fields, &rope, i));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(norm(&source.at("norm"), &fields)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

fn norm(source: &Source<'_>, fields: &Decoder) -> Result<LayerNorm> {
    LayerNorm::load_rms(source, fields.hidden_size, fields.rms_norm_eps, 0.0)
}

fn layer(source: &Source<'_>, fields: &Decoder, rope: &Rope, i: usize) -> Result<PreNormLayer> {
    let (width, own) = (fields.hidden_size, source.at("self_attn"));
    let attention = fields.attention(i, fields.window(i, fields.slides_everywhere(i))?);
    let (both, down) = (source.at("mlp.gate_up_proj"), source.at("mlp.down_proj"));
    let shape = [width, fields.intermediate_size];
    Ok(PreNormLayer {
        attention_norm: Some(norm(&source.at("input_layernorm"), fields)?),
        query_key_value: Linear::load(&own.at("qkv_proj"), width, attention.qkv_width())?,
        query_key_norms: None,
        rope: Some(rope.clone()),
        attention,
        attention_output: fields.attention_output(&own)?,
        output_norms: None,
        feed_forward_norm: Some(norm(&source.at("post_attention_layernorm"), fields)?),
        feed_forward: GatedMlp::load_joined(&both, &down, shape, true, fields.activation()?)?.into(),
    })
}
