//! Gemma (Gemma Team 2024).

use pgml_core::Result;
use serde_json::{Value, json};

use super::decoder::{Decoder, IGNORED};
use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, activation, only, rope};
use crate::nn::{Embedding, LayerNorm, Source};

/// Gemma.
pub static GEMMA: Encoder =
    Encoder { model_types: &["gemma"], prefix: "model", ignored: IGNORED, load, head: Some(Heads::SCORES) };

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "use_bidirectional_attention", &[json!(false)])?;
    let fields = Decoder::read(config)?;
    let rope = rope(config, fields.head_dim(), "full_attention", ("rope_theta", 10_000.0))?;
    // The first checkpoints say "gelu" where the approximation was trained with.
    let act = match (config.get("hidden_activation").and_then(Value::as_str), fields.hidden_act.as_deref()) {
        (Some(name), _) => activation(name)?,
        (None, Some("gelu") | None) => activation("gelu_pytorch_tanh")?,
        (None, Some(name)) => activation(name)?,
    };
    let layer = |i: usize| -> Result<PreNormLayer> {
        let source = source.at("layers").at(i);
        Ok(PreNormLayer {
            attention_norm: Some(norm(&source.at("input_layernorm"), &fields)?),
            query_key_value: fields.query_key_value(&source.at("self_attn"))?,
            query_key_norms: None,
            rope: Some(rope.clone()),
            attention: fields.attention(i, None),
            attention_output: fields.attention_output(&source.at("self_attn"))?,
            output_norms: None,
            feed_forward_norm: Some(norm(&source.at("post_attention_layernorm"), &fields)?),
            feed_forward: fields.feed_forward(&source.at("mlp"), act)?.into(),
        })
    };
    encoder(source, &fields, (0..fields.num_hidden_layers).map(layer).collect::<Result<_>>()?)
}

/// A norm as wide as the model, whose weights are stored as their distance from 1.
pub(super) fn norm(source: &Source<'_>, fields: &Decoder) -> Result<LayerNorm> {
    LayerNorm::load_rms(source, fields.hidden_size, fields.rms_norm_eps, 1.0)
}

/// `layers` over vectors of tokens that are as long as the model's width asks for.
pub(super) fn encoder(
    source: &Source<'_>,
    fields: &Decoder,
    layers: Vec<PreNormLayer>,
) -> Result<Box<dyn TextEncoder>> {
    let width = fields.hidden_size;
    let embeddings = Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?;
    Ok(Box::new(Stack {
        embeddings: embeddings.scaled((width as f32).sqrt()),
        positions: None,
        embeddings_norm: None,
        layers,
        final_norm: Some(norm(&source.at("norm"), fields)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}
