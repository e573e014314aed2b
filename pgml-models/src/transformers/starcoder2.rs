//! StarCoder 2 (Lozhkov et al. 2024).

use pgml_core::Result;
use serde::Deserialize;
use serde_json::Value;

use super::decoder::{Decoder, IGNORED, Kind, PLAIN};
use super::{Encoder, Heads, activation, decoder, read};
use crate::nn::{FeedForward, LayerNorm, Mlp, Source};

/// StarCoder 2.
pub static STARCODER2: Encoder = Encoder {
    model_types: &["starcoder2"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| {
        decoder::load(config, source, &Kind { slides: Decoder::slides_everywhere, norm, feed_forward, ..PLAIN })
    },
    head: Some(Heads::SCORES),
};

#[derive(Deserialize)]
struct Own {
    norm_epsilon: f64,
}

fn norm(config: &Value, fields: &Decoder, source: &Source<'_>) -> Result<LayerNorm> {
    LayerNorm::load(source, fields.hidden_size, read::<Own>(config)?.norm_epsilon)
}

fn feed_forward(_: &Value, fields: &Decoder, source: &Source<'_>, _: usize) -> Result<FeedForward> {
    let act = activation(fields.hidden_act.as_deref().unwrap_or("gelu_pytorch_tanh"))?;
    let (up, down) = (source.at("mlp.c_fc"), source.at("mlp.c_proj"));
    Ok(Mlp::load(&up, &down, [fields.hidden_size, fields.intermediate_size], act)?.into())
}
