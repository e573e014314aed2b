//! Granite 3 (Granite Team, IBM 2024): LLaMA with a factor at each of four places.

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::decoder::{Decoder, IGNORED};
use super::{Encoder, PreNormLayer, Stack, TextEncoder, only, read, rope};
use crate::nn::{Attention, Embedding, FeedForward, GatedMlp, LayerNorm, Linear, Rope, Source};

/// Granite 3.
pub static GRANITE: Encoder =
    Encoder { model_types: &["granite"], prefix: "model", ignored: IGNORED, load, head: None };

/// The fourth, `logits_scaling`, divides scores of tokens.
#[derive(Deserialize)]
struct Factors {
    embedding_multiplier: f32,
    attention_multiplier: f32,
    /// Of what blocks add.
    residual_multiplier: f32,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "mlp_bias", &[json!(false)])?;
    let (fields, factors) = (Decoder::read(config)?, read::<Factors>(config)?);
    if config.get("logits_scaling").and_then(Value::as_f64).is_none_or(|factor| factor <= 0.0) {
        bail!(Corrupted, "config.json of the model has no logits_scaling above zero");
    }
    let width = fields.hidden_size;
    let rope = rope(config, fields.head_dim(), "full_attention", ("rope_theta", 10_000.0))?;
    let layers = (0..fields.num_hidden_layers).map(|i| layer(&source.at("layers").at(i), &fields, &factors, &rope, i));
    let embeddings = Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?;
    Ok(Box::new(Stack {
        embeddings: embeddings.scaled(factors.embedding_multiplier),
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(LayerNorm::load_rms(&source.at("norm"), width, fields.rms_norm_eps, 0.0)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

fn layer(source: &Source<'_>, fields: &Decoder, factors: &Factors, rope: &Rope, i: usize) -> Result<PreNormLayer> {
    let own = source.at("self_attn");
    let norm = |name| LayerNorm::load_rms(&source.at(name), fields.hidden_size, fields.rms_norm_eps, 0.0);
    let attention = Attention { scale: factors.attention_multiplier, ..fields.attention(i, None) };
    let [gathered, _] = attention.ends();
    let residual = factors.residual_multiplier;
    Ok(PreNormLayer {
        attention_norm: Some(norm("input_layernorm")?),
        query_key_value: fields.query_key_value(&own)?,
        query_key_norms: None,
        rope: Some(rope.clone()),
        attention,
        attention_output: Linear::load(&own.at("o_proj"), gathered, fields.hidden_size)?.scaled(residual),
        output_norms: None,
        feed_forward_norm: Some(norm("post_attention_layernorm")?),
        feed_forward: feed_forward(&source.at("mlp"), fields, residual)?,
    })
}

fn feed_forward(source: &Source<'_>, fields: &Decoder, residual: f32) -> Result<FeedForward> {
    let (width, inner) = (fields.hidden_size, fields.intermediate_size);
    let matrix = |name| source.at(name).weights.rows("weight", [inner, width]);
    let down = Linear::load(&source.at("down_proj"), inner, width)?.scaled(residual);
    let (gate, up) = (matrix("gate_proj")?, matrix("up_proj")?);
    Ok(GatedMlp::new(&gate, &up, width, down, fields.activation()?, source.placement).into())
}
