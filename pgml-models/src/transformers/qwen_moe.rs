//! Qwen 1.5 and 2 with a mixture of experts and one that all tokens pass (Yang et al. 2024), and Qwen 3 with a mixture (Yang
//! et al. 2025).

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::decoder::{Decoder, IGNORED, Kind, PLAIN};
use super::{Encoder, Heads, decoder, read};
use crate::nn::mixture::Routing;
use crate::nn::{FeedForward, GatedMlp, Linear, Mixture, Source};

/// Qwen 2 with a mixture.
pub static QWEN2_MOE: Encoder = Encoder {
    model_types: &["qwen2_moe"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| decoder::load(config, source, &Kind { slides: slides_by_turns, feed_forward, ..PLAIN }),
    head: Some(Heads::DECODER),
};

/// Qwen 3 with a mixture.
pub static QWEN3_MOE: Encoder = Encoder {
    model_types: &["qwen3_moe"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| {
        let slides = |fields: &Decoder, _| fields.use_sliding_window == Some(true) && fields.sliding_window.is_some();
        decoder::load(config, source, &Kind { has_head_norms: true, slides, feed_forward, ..PLAIN })
    },
    head: Some(Heads::DECODER),
};

#[derive(Deserialize)]
struct Own {
    /// Under the name that checkpoints have, or that of transformers 5.
    num_experts: Option<usize>,
    num_local_experts: Option<usize>,
    num_experts_per_tok: usize,
    moe_intermediate_size: usize,
    /// Only Qwen 2 has it.
    shared_expert_intermediate_size: Option<usize>,
    norm_topk_prob: Option<bool>,
    decoder_sparse_step: Option<usize>,
    mlp_only_layers: Option<Vec<usize>>,
}

fn slides_by_turns(fields: &Decoder, layer: usize) -> bool {
    let slides = fields.use_sliding_window == Some(true) && layer < fields.max_window_layers.unwrap_or(28);
    slides && layer.is_multiple_of(2)
}

fn feed_forward(config: &Value, fields: &Decoder, source: &Source<'_>, i: usize) -> Result<FeedForward> {
    let (own, width, act, source): (Own, _, _, _) =
        (read(config)?, fields.hidden_size, fields.activation()?, source.at("mlp"));
    let Some(place) = (i + 1).checked_rem(own.decoder_sparse_step.unwrap_or(1)) else {
        bail!(Corrupted, "decoder_sparse_step of config.json is zero");
    };
    let Some(n_experts) = own.num_experts.or(own.num_local_experts) else {
        bail!(Corrupted, "config.json of the model has no num_experts");
    };
    let plain = own.mlp_only_layers.is_some_and(|layers| layers.contains(&i));
    if plain || place != 0 || n_experts == 0 {
        return Ok(fields.feed_forward(&source, act)?.into());
    }
    let normalised = own.norm_topk_prob == Some(true);
    let routing = Routing { n_experts, n_chosen: own.num_experts_per_tok, normalised };
    let names = ["gate_proj", "up_proj", "down_proj"];
    let mixture = Mixture::load(&source, names, [width, own.moe_intermediate_size], act, routing)?;
    let Some(inner) = own.shared_expert_intermediate_size else { return Ok(mixture.into()) };
    let [gate, up, down] = names.map(|name| source.at("shared_expert").at(name));
    let shared = GatedMlp::load([&gate, &up, &down], [width, inner], act)?;
    Ok(mixture.with_shared(shared, Linear::load(&source.at("shared_expert_gate"), width, 1)?).into())
}
