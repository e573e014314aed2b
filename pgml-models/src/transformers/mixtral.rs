//! Mixtral (Jiang et al. 2024): Mistral with a mixture of experts.

use pgml_core::Result;
use serde::Deserialize;
use serde_json::Value;

use super::decoder::{Decoder, IGNORED, Kind, PLAIN};
use super::{Encoder, Heads, decoder, read};
use crate::nn::mixture::Routing;
use crate::nn::{FeedForward, Mixture, Source};

/// Mixtral.
pub static MIXTRAL: Encoder = Encoder {
    model_types: &["mixtral"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| {
        decoder::load(
            config,
            source,
            &Kind { slides: Decoder::slides_everywhere, theta: 1_000_000.0, feed_forward, ..PLAIN },
        )
    },
    head: Some(Heads::DECODER),
};

#[derive(Deserialize)]
struct Own {
    num_local_experts: usize,
    num_experts_per_tok: usize,
}

fn feed_forward(config: &Value, fields: &Decoder, source: &Source<'_>, _: usize) -> Result<FeedForward> {
    let own: Own = read(config)?;
    let routing = Routing { n_experts: own.num_local_experts, n_chosen: own.num_experts_per_tok, normalised: true };
    // Its first name, and that of transformers 5.
    let old = source.at("block_sparse_moe");
    let source = if old.weights.has("gate.weight") { old } else { source.at("mlp") };
    let shape = [fields.hidden_size, fields.intermediate_size];
    Ok(Mixture::load(&source, ["w1", "w3", "w2"], shape, fields.activation()?, routing)?.into())
}
