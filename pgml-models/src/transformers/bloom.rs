//! BLOOM (BigScience Workshop 2022).

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, check_heads, only, read};
use crate::kernels::Activation;
use crate::nn::{Attention, AttentionBias, Embedding, LayerNorm, Linear, Mlp, Source};

/// BLOOM and BLOOMZ.
pub static BLOOM: Encoder = Encoder {
    model_types: &["bloom"],
    prefix: "transformer",
    ignored: &["lm_head.", "score.", "classifier.", "qa_outputs."],
    load,
    head: Some(Heads::EARLY_DECODER),
};

/// The numbers that have had two names each.
#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: Option<usize>,
    n_embed: Option<usize>,
    n_layer: Option<usize>,
    num_hidden_layers: Option<usize>,
    n_head: Option<usize>,
    num_attention_heads: Option<usize>,
    layer_norm_epsilon: f64,
}

/// What a layer is read by.
struct Shape {
    width: usize,
    n_heads: usize,
    eps: f64,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "apply_residual_connection_post_layernorm", &[json!(false)])?;
    let fields: Config = read(config)?;
    let (Some(width), Some(n_layers), Some(n_heads)) = (
        fields.n_embed.or(fields.hidden_size),
        fields.n_layer.or(fields.num_hidden_layers),
        fields.n_head.or(fields.num_attention_heads),
    ) else {
        bail!(Corrupted, "config.json of the model lacks one of hidden_size, n_layer and n_head");
    };
    check_heads(width, n_heads)?;
    let shape = Shape { width, n_heads, eps: fields.layer_norm_epsilon };
    let norm = |name| LayerNorm::load(&source.at(name), width, shape.eps);
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("word_embeddings"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: Some(norm("word_embeddings_layernorm")?),
        layers: (0..n_layers).map(|i| layer(&source.at("h").at(i), &shape, i)).collect::<Result<_>>()?,
        final_norm: Some(norm("ln_f")?),
        width,
        max_tokens: None,
    }))
}

fn layer(source: &Source<'_>, shape: &Shape, i: usize) -> Result<PreNormLayer> {
    let (&Shape { width, n_heads, eps }, own) = (shape, source.at("self_attention"));
    let norm = |name| LayerNorm::load(&source.at(name), width, eps);
    let bias = AttentionBias::alibi(n_heads);
    let attention = Attention { causal: true, layer: i, bias, ..Attention::full(width, n_heads) };
    let (up, down) = (source.at("mlp.dense_h_to_4h"), source.at("mlp.dense_4h_to_h"));
    Ok(PreNormLayer {
        attention_norm: Some(norm("input_layernorm")?),
        query_key_value: Linear::load_grouped(
            &own.at("query_key_value"),
            width,
            [n_heads, n_heads, attention.head_dim],
        )?,
        query_key_norms: None,
        rope: None,
        attention,
        attention_output: Linear::load(&own.at("dense"), width, width)?,
        output_norms: None,
        feed_forward_norm: Some(norm("post_attention_layernorm")?),
        feed_forward: Mlp::load(&up, &down, [width, 4 * width], Activation::GeluTanh)?.into(),
    })
}
