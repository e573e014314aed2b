//! GPT-NeoX (Black et al. 2022) and Pythia (Biderman et al. 2023).

use pgml_core::Result;
use serde::Deserialize;
use serde_json::Value;

use super::parallel::ParallelLayer;
use super::rope_config::partial_rope;
use super::stack::Layer;
use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, activation, check_heads, read};
use crate::nn::{Attention, Embedding, LayerNorm, Linear, Mlp, Rope, Source};

/// GPT-NeoX.
pub static GPT_NEOX: Encoder = Encoder {
    model_types: &["gpt_neox"],
    prefix: "gpt_neox",
    // Masks that old checkpoints store.
    ignored: &[
        "embed_out.",
        "attention.bias",
        "attention.masked_bias",
        "inv_freq",
        "score.",
        "classifier.",
        "qa_outputs.",
    ],
    load,
    head: Some(Heads::EARLY_DECODER),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    use_parallel_residual: Option<bool>,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields: Config = read(config)?;
    check_heads(fields.hidden_size, fields.num_attention_heads)?;
    let head_dim = fields.hidden_size / fields.num_attention_heads;
    let rope = partial_rope(config, head_dim, ("rotary_emb_base", 10_000.0), ("rotary_pct", 0.25))?;
    let layers = (0..fields.num_hidden_layers).map(|i| layer(&source.at("layers").at(i), &fields, &rope, i));
    if fields.use_parallel_residual == Some(false) {
        encoder(source, &fields, layers.collect::<Result<_>>()?)
    } else {
        encoder(source, &fields, layers.map(|layer| Ok(ParallelLayer(layer?))).collect::<Result<_>>()?)
    }
}

fn encoder<L: Layer + 'static>(source: &Source<'_>, fields: &Config, layers: Vec<L>) -> Result<Box<dyn TextEncoder>> {
    let width = fields.hidden_size;
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("embed_in"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers,
        final_norm: Some(LayerNorm::load(&source.at("final_layer_norm"), width, fields.layer_norm_eps)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

fn layer(source: &Source<'_>, fields: &Config, rope: &Rope, i: usize) -> Result<PreNormLayer> {
    let (width, n_heads, own) = (fields.hidden_size, fields.num_attention_heads, source.at("attention"));
    let norm = |name| LayerNorm::load(&source.at(name), width, fields.layer_norm_eps);
    let attention = Attention { causal: true, layer: i, ..Attention::full(width, n_heads) };
    let (up, down) = (source.at("mlp.dense_h_to_4h"), source.at("mlp.dense_4h_to_h"));
    let act = activation(&fields.hidden_act)?;
    Ok(PreNormLayer {
        attention_norm: Some(norm("input_layernorm")?),
        query_key_value: Linear::load_grouped(
            &own.at("query_key_value"),
            width,
            [n_heads, n_heads, attention.head_dim],
        )?,
        query_key_norms: None,
        rope: Some(rope.clone()),
        attention,
        attention_output: Linear::load(&own.at("dense"), width, width)?,
        output_norms: None,
        feed_forward_norm: Some(norm("post_attention_layernorm")?),
        feed_forward: Mlp::load(&up, &down, [width, fields.intermediate_size], act)?.into(),
    })
}
