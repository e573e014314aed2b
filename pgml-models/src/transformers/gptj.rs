//! GPT-J (Wang, Komatsuzaki 2021).

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::parallel::ParallelLayer;
use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, activation, check_heads, read};
use crate::nn::linear::Piece;
use crate::nn::{Attention, Embedding, LayerNorm, Linear, Mlp, Rope, Source};

/// GPT-J.
pub static GPTJ: Encoder = Encoder {
    model_types: &["gptj"],
    prefix: "transformer",
    // Masks that old checkpoints store.
    ignored: &["attn.bias", "attn.masked_bias", "lm_head.", "score.", "qa_outputs."],
    load,
    head: Some(Heads { tokens: None, ..Heads::DECODER }),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    /// Dimensions of a head that are turned.
    rotary_dim: Option<usize>,
    activation_function: String,
    layer_norm_epsilon: f64,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields: Config = read(config)?;
    let width = fields.n_embd;
    check_heads(width, fields.n_head)?;
    let head_dim = width / fields.n_head;
    let turned = fields.rotary_dim.unwrap_or(head_dim);
    if turned > head_dim || turned == 0 || !turned.is_multiple_of(2) {
        bail!(Corrupted, "rotary positions cannot turn {turned} of {head_dim} dimensions of a head");
    }
    let rope = Rope::new(turned, 10_000.0).within(head_dim);
    let layers = (0..fields.n_layer).map(|i| layer(&source.at("h").at(i), &fields, &rope, turned, i));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("wte"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(LayerNorm::load(&source.at("ln_f"), width, fields.layer_norm_epsilon)?),
        width,
        max_tokens: Some(fields.n_positions),
    }))
}

fn layer(source: &Source<'_>, fields: &Config, rope: &Rope, turned: usize, i: usize) -> Result<ParallelLayer> {
    let (width, own) = (fields.n_embd, source.at("attn"));
    let piece = |name| Piece { source: own.at(name), outputs: width };
    let attention = Attention { causal: true, layer: i, ..Attention::full(width, fields.n_head) };
    let pieces = [piece("q_proj"), piece("k_proj"), piece("v_proj")];
    let (up, down) = (source.at("mlp.fc_in"), source.at("mlp.fc_out"));
    let shape = [width, fields.n_inner.unwrap_or(4 * width)];
    Ok(ParallelLayer(PreNormLayer {
        // Both halves read the same norm.
        attention_norm: None,
        query_key_value: Linear::joined_by_pairs(&pieces, width, attention.head_dim, turned)?,
        query_key_norms: None,
        rope: Some(rope.clone()),
        attention,
        attention_output: Linear::load(&own.at("out_proj"), width, width)?,
        output_norms: None,
        feed_forward_norm: Some(LayerNorm::load(&source.at("ln_1"), width, fields.layer_norm_epsilon)?),
        feed_forward: Mlp::load(&up, &down, shape, activation(&fields.activation_function)?)?.into(),
    }))
}
