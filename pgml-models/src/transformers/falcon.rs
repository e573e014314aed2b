//! Falcon (Almazrouei et al. 2023): one head of keys for all of the queries, or one for each group of them; positions that turn
//! or that bias.

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::parallel::ParallelLayer;
use super::stack::Layer;
use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, activation, check_heads, read, rope};
use crate::nn::{Attention, AttentionBias, Embedding, LayerNorm, Linear, Mlp, Rope, Source};

/// Falcon.
pub static FALCON: Encoder = Encoder {
    model_types: &["falcon"],
    prefix: "transformer",
    ignored: &["lm_head.", "inv_freq", "score.", "classifier.", "qa_outputs."],
    load,
    head: Some(Heads::EARLY_DECODER),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_kv_heads: Option<usize>,
    ffn_hidden_size: Option<usize>,
    activation: Option<String>,
    max_position_embeddings: Option<usize>,
    layer_norm_epsilon: f64,
    alibi: Option<bool>,
    multi_query: Option<bool>,
    parallel_attn: Option<bool>,
    new_decoder_architecture: Option<bool>,
    num_ln_in_parallel_attn: Option<usize>,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields: Config = read(config)?;
    let attention = attention(&fields)?;
    let rope = match fields.alibi {
        Some(true) => None,
        _ => Some(rope(config, attention.head_dim, "full_attention", ("rope_theta", 10_000.0))?),
    };
    let layers = (0..fields.num_hidden_layers)
        .map(|i| layer(&source.at("h").at(i), &fields, rope.clone(), Attention { layer: i, ..attention.clone() }));
    if fields.is_parallel() {
        encoder(source, &fields, layers.map(|layer| Ok(ParallelLayer(layer?))).collect::<Result<_>>()?)
    } else {
        encoder(source, &fields, layers.collect::<Result<_>>()?)
    }
}

impl Config {
    fn is_grouped(&self) -> bool {
        self.new_decoder_architecture == Some(true)
    }

    fn is_parallel(&self) -> bool {
        self.is_grouped() || self.parallel_attn != Some(false)
    }

    /// Whether attention and what comes after it have norms of their own, though they read the same.
    fn has_two_norms(&self) -> bool {
        self.is_grouped() && self.num_ln_in_parallel_attn.unwrap_or(2) == 2
    }

    fn n_kv_heads(&self) -> usize {
        match (self.is_grouped(), self.multi_query) {
            (false, None | Some(true)) => 1,
            _ => self.num_kv_heads.unwrap_or(self.num_attention_heads),
        }
    }
}

fn attention(fields: &Config) -> Result<Attention> {
    let (width, n_heads, n_kv_heads) = (fields.hidden_size, fields.num_attention_heads, fields.n_kv_heads());
    check_heads(width, n_heads)?;
    if n_kv_heads == 0 || !n_heads.is_multiple_of(n_kv_heads) {
        bail!(Corrupted, "{n_heads} heads of queries cannot share {n_kv_heads} of keys");
    }
    let mut attention = Attention { causal: true, n_kv_heads, ..Attention::full(width, n_heads) };
    if fields.alibi == Some(true) {
        // Here the bias is scaled as the scores are.
        attention.bias = AttentionBias::alibi(n_heads).scaled(attention.scale);
    }
    Ok(attention)
}

fn encoder<L: Layer + 'static>(source: &Source<'_>, fields: &Config, layers: Vec<L>) -> Result<Box<dyn TextEncoder>> {
    let width = fields.hidden_size;
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("word_embeddings"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers,
        final_norm: Some(LayerNorm::load(&source.at("ln_f"), width, fields.layer_norm_epsilon)?),
        width,
        max_tokens: Some(fields.max_position_embeddings.unwrap_or(2048)),
    }))
}

fn layer(source: &Source<'_>, fields: &Config, rope: Option<Rope>, attention: Attention) -> Result<PreNormLayer> {
    let (width, own) = (fields.hidden_size, source.at("self_attention"));
    let norm = |name| LayerNorm::load(&source.at(name), width, fields.layer_norm_epsilon);
    let (attention_norm, feed_forward_norm) = match (fields.is_parallel(), fields.has_two_norms()) {
        (true, true) => (Some(norm("ln_attn")?), norm("ln_mlp")?),
        (true, false) => (None, norm("input_layernorm")?),
        (false, _) => (Some(norm("input_layernorm")?), norm("post_attention_layernorm")?),
    };
    let heads = [attention.n_heads, attention.n_kv_heads, attention.head_dim];
    let (up, down) = (source.at("mlp.dense_h_to_4h"), source.at("mlp.dense_4h_to_h"));
    let shape = [width, fields.ffn_hidden_size.unwrap_or(4 * width)];
    let act = activation(fields.activation.as_deref().unwrap_or("gelu"))?;
    Ok(PreNormLayer {
        attention_norm,
        query_key_value: Linear::load_grouped(&own.at("query_key_value"), width, heads)?,
        query_key_norms: None,
        rope,
        attention,
        attention_output: Linear::load(&own.at("dense"), width, width)?,
        output_norms: None,
        feed_forward_norm: Some(feed_forward_norm),
        feed_forward: Mlp::load(&up, &down, shape, act)?.into(),
    })
}
