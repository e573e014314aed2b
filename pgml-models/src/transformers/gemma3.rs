//! Gemma 3 (Gemma Team 2025) and EmbeddingGemma (Vera et al. 2025), which looks to both sides.

use pgml_core::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::decoder::{Decoder, IGNORED};
use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, activation, only, read, rope};
use crate::nn::{Attention, Embedding, LayerNorm, Source};

/// Gemma 3, its text part.
pub static GEMMA3: Encoder =
    Encoder { model_types: &["gemma3_text"], prefix: "model", ignored: IGNORED, load, head: Some(Heads::SCORE) };

#[derive(Deserialize)]
struct Own {
    hidden_activation: String,
    query_pre_attn_scalar: f32,
    use_bidirectional_attention: Option<bool>,
    sliding_window_pattern: Option<usize>,
    _sliding_window_pattern: Option<usize>,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "attn_logit_softcapping", &[])?;
    only(config, "use_bidirectional_attention", &[json!(true), json!(false)])?;
    let (fields, own) = (Decoder::read(config)?, read::<Own>(config)?);
    let width = fields.hidden_size;
    let layers = (0..fields.num_hidden_layers).map(|i| layer(&source.at("layers").at(i), config, &fields, &own, i));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?
            .scaled((width as f32).sqrt()),
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(norm(&source.at("norm"), width, &fields)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

/// Weights are stored as their distance from 1.
fn norm(source: &Source<'_>, width: usize, fields: &Decoder) -> Result<LayerNorm> {
    LayerNorm::load_rms(source, width, fields.rms_norm_eps, 1.0)
}

fn layer(source: &Source<'_>, config: &Value, fields: &Decoder, own: &Own, i: usize) -> Result<PreNormLayer> {
    let norm = |name, width| norm(&source.at(name), width, fields);
    let (width, head_dim, own_attention) = (fields.hidden_size, fields.head_dim(), source.at("self_attn"));
    let slides = !(i + 1).is_multiple_of(own.sliding_window_pattern.or(own._sliding_window_pattern).unwrap_or(6));
    let window = fields.window(i, slides)?;
    let (layer_type, theta) = match window {
        Some(_) => ("sliding_attention", ("rope_local_base_freq", 10_000.0)),
        None => ("full_attention", ("rope_theta", 1_000_000.0)),
    };
    Ok(PreNormLayer {
        attention_norm: Some(norm("input_layernorm", width)?),
        query_key_value: fields.query_key_value(&own_attention)?,
        query_key_norms: Some([norm("self_attn.q_norm", head_dim)?, norm("self_attn.k_norm", head_dim)?]),
        rope: Some(rope(config, head_dim, layer_type, theta)?),
        attention: attention(fields, own, i, window),
        attention_output: fields.attention_output(&own_attention)?,
        output_norms: Some([norm("post_attention_layernorm", width)?, norm("post_feedforward_layernorm", width)?]),
        feed_forward_norm: Some(norm("pre_feedforward_layernorm", width)?),
        feed_forward: fields.feed_forward(&source.at("mlp"), activation(&own.hidden_activation)?)?.into(),
    })
}

fn attention(fields: &Decoder, own: &Own, i: usize, window: Option<usize>) -> Attention {
    let attention = Attention { scale: 1.0 / own.query_pre_attn_scalar.sqrt(), ..fields.attention(i, window) };
    match own.use_bidirectional_attention {
        // Half of the window lies on each side.
        Some(true) => Attention { causal: false, window: window.map(|n| n / 2), ..attention },
        _ => attention,
    }
}
