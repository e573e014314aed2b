//! MPT (MosaicML NLP Team 2023).

use pgml_core::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, check_heads, only, read};
use crate::kernels::Activation;
use crate::nn::{Attention, AttentionBias, Embedding, LayerNorm, Linear, Mlp, Source};

/// MPT.
pub static MPT: Encoder = Encoder {
    model_types: &["mpt"],
    prefix: "transformer",
    ignored: &["lm_head.", "score.", "classifier.", "qa_outputs."],
    load,
    head: Some(Heads::EARLY_DECODER),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    d_model: usize,
    n_layers: usize,
    n_heads: usize,
    layer_norm_epsilon: Option<f64>,
    #[serde(default)]
    attn_config: Value,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields: Config = read(config)?;
    let width = fields.d_model;
    check_heads(width, fields.n_heads)?;
    only(&fields.attn_config, "qk_ln", &[json!(false)])?;
    only(&fields.attn_config, "prefix_lm", &[json!(false)])?;
    only(&fields.attn_config, "alibi", &[json!(true)])?;
    only(&fields.attn_config, "alibi_bias_max", &[json!(8)])?;
    let layers = (0..fields.n_layers).map(|i| layer(&source.at("blocks").at(i), &fields, i));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("wte"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(norm(&source.at("norm_f"), &fields)?),
        width,
        max_tokens: None,
    }))
}

fn norm(source: &Source<'_>, fields: &Config) -> Result<LayerNorm> {
    LayerNorm::load(source, fields.d_model, fields.layer_norm_epsilon.unwrap_or(1e-5))
}

fn layer(source: &Source<'_>, fields: &Config, i: usize) -> Result<PreNormLayer> {
    let (width, n_heads, own) = (fields.d_model, fields.n_heads, source.at("attn"));
    let full = Attention::full(width, n_heads);
    let scale =
        fields.attn_config.get("softmax_scale").and_then(Value::as_f64).map_or(full.scale, |scale| scale as f32);
    // None where it is zero, as in transformers.
    let limit = fields.attn_config.get("clip_qkv").and_then(Value::as_f64).filter(|limit| *limit != 0.0);
    let (up, down) = (source.at("ffn.up_proj"), source.at("ffn.down_proj"));
    Ok(PreNormLayer {
        attention_norm: Some(norm(&source.at("norm_1"), fields)?),
        query_key_value: Linear::load(&own.at("Wqkv"), width, 3 * width)?.clipped(limit.map(|limit| limit as f32)),
        query_key_norms: None,
        rope: None,
        attention: Attention { causal: true, layer: i, scale, bias: AttentionBias::alibi(n_heads), ..full },
        attention_output: Linear::load(&own.at("out_proj"), width, width)?,
        output_norms: None,
        feed_forward_norm: Some(norm(&source.at("norm_2"), fields)?),
        feed_forward: Mlp::load(&up, &down, [width, 4 * width], Activation::Gelu)?.into(),
    })
}
