//! Gemma 2 (Gemma Team 2024): every second layer slides, and scores of attention are pressed below a cap.

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::decoder::{Decoder, IGNORED};
use super::gemma::{encoder, norm};
use super::{Encoder, Heads, PreNormLayer, TextEncoder, activation, only, read, rope};
use crate::nn::{Attention, Rope, Source};

/// Gemma 2.
pub static GEMMA2: Encoder =
    Encoder { model_types: &["gemma2"], prefix: "model", ignored: IGNORED, load, head: Some(Heads::SCORES) };

#[derive(Deserialize)]
struct Own {
    hidden_activation: String,
    query_pre_attn_scalar: f32,
    /// A null means none; what says nothing means the cap of transformers.
    #[serde(default = "default_cap")]
    attn_logit_softcapping: Option<f32>,
}

fn default_cap() -> Option<f32> {
    Some(50.0)
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "use_bidirectional_attention", &[json!(false)])?;
    let (fields, own) = (Decoder::read(config)?, read::<Own>(config)?);
    if own.attn_logit_softcapping.is_some_and(|cap| cap <= 0.0) {
        bail!(Corrupted, "attn_logit_softcapping of config.json is not above zero");
    }
    if config.get("final_logit_softcapping").is_none() {
        bail!(Corrupted, "config.json of the model has no final_logit_softcapping; null means that there is none");
    }
    let rope = rope(config, fields.head_dim(), "full_attention", ("rope_theta", 10_000.0))?;
    let layers = (0..fields.num_hidden_layers).map(|i| layer(&source.at("layers").at(i), &fields, &own, &rope, i));
    encoder(source, &fields, layers.collect::<Result<_>>()?)
}

fn layer(source: &Source<'_>, fields: &Decoder, own: &Own, rope: &Rope, i: usize) -> Result<PreNormLayer> {
    let norm = |name| norm(&source.at(name), fields);
    let attention = Attention {
        scale: 1.0 / own.query_pre_attn_scalar.sqrt(),
        softcap: own.attn_logit_softcapping,
        ..fields.attention(i, fields.window(i, i.is_multiple_of(2))?)
    };
    Ok(PreNormLayer {
        attention_norm: Some(norm("input_layernorm")?),
        query_key_value: fields.query_key_value(&source.at("self_attn"))?,
        query_key_norms: None,
        rope: Some(rope.clone()),
        attention,
        attention_output: fields.attention_output(&source.at("self_attn"))?,
        output_norms: Some([norm("post_attention_layernorm")?, norm("post_feedforward_layernorm")?]),
        feed_forward_norm: Some(norm("pre_feedforward_layernorm")?),
        feed_forward: fields.feed_forward(&source.at("mlp"), activation(&own.hidden_activation)?)?.into(),
    })
}
