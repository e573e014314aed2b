//! GPT-2 (Radford et al. 2019) and DistilGPT-2.

use pgml_core::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, activation, check_heads, only, read};
use crate::nn::{Attention, Embedding, LayerNorm, Linear, Mlp, Source};

/// GPT-2.
pub static GPT2: Encoder = Encoder {
    model_types: &["gpt2"],
    prefix: "transformer",
    // Masks that old checkpoints store.
    ignored: &["attn.bias", "attn.masked_bias", "lm_head.", "score.", "classifier.", "qa_outputs."],
    load,
    head: Some(Heads::EARLY_DECODER),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    activation_function: String,
    layer_norm_epsilon: f64,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "scale_attn_weights", &[json!(true)])?;
    only(config, "scale_attn_by_inverse_layer_idx", &[json!(false)])?;
    only(config, "add_cross_attention", &[json!(false)])?;
    let config: Config = read(config)?;
    check_heads(config.n_embd, config.n_head)?;
    let layers = (0..config.n_layer).map(|i| layer(&source.at("h").at(i), &config, i));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("wte"), config.vocab_size, config.n_embd)?,
        positions: Some(Embedding::load(&source.at("wpe"), config.n_positions, config.n_embd)?),
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(LayerNorm::load(&source.at("ln_f"), config.n_embd, config.layer_norm_epsilon)?),
        width: config.n_embd,
        max_tokens: Some(config.n_positions),
    }))
}

fn layer(source: &Source<'_>, config: &Config, i: usize) -> Result<PreNormLayer> {
    let (width, eps, act) = (config.n_embd, config.layer_norm_epsilon, activation(&config.activation_function)?);
    let (attention, mlp, inner) = (source.at("attn"), source.at("mlp"), config.n_inner.unwrap_or(4 * width));
    Ok(PreNormLayer {
        attention_norm: Some(LayerNorm::load(&source.at("ln_1"), width, eps)?),
        query_key_value: Linear::load_transposed(&attention.at("c_attn"), width, 3 * width)?,
        query_key_norms: None,
        rope: None,
        attention: Attention { causal: true, layer: i, ..Attention::full(width, config.n_head) },
        attention_output: Linear::load_transposed(&attention.at("c_proj"), width, width)?,
        output_norms: None,
        feed_forward_norm: Some(LayerNorm::load(&source.at("ln_2"), width, eps)?),
        feed_forward: Mlp::new(
            Linear::load_transposed(&mlp.at("c_fc"), width, inner)?.with_activation(act),
            Linear::load_transposed(&mlp.at("c_proj"), inner, width)?,
        )
        .into(),
    })
}
