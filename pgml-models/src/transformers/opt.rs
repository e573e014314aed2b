//! OPT (Zhang et al. 2022).

use pgml_core::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Encoder, PreNormLayer, Stack, TextEncoder, activation, check_heads, only, read};
use crate::nn::linear::Piece;
use crate::nn::{Attention, Embedding, LayerNorm, Linear, Mlp, Source};

/// OPT.
pub static OPT: Encoder =
    Encoder { model_types: &["opt"], prefix: "model.decoder", ignored: &["lm_head."], load, head: None };

/// Rows of the table of positions before the first position.
const OFFSET: usize = 2;

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    ffn_dim: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    activation_function: Option<String>,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields: Config = read(config)?;
    let width = fields.hidden_size;
    // The 350M form has norms after its blocks, and narrower vectors of tokens.
    only(config, "do_layer_norm_before", &[json!(true)])?;
    only(config, "word_embed_proj_dim", &[json!(width)])?;
    only(config, "layer_norm_elementwise_affine", &[json!(true)])?;
    only(config, "_remove_final_layer_norm", &[json!(false)])?;
    check_heads(width, fields.num_attention_heads)?;
    let layers = (0..fields.num_hidden_layers).map(|i| layer(&source.at("layers").at(i), &fields, i));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?,
        positions: Some(Embedding::load_after(
            OFFSET,
            &source.at("embed_positions"),
            fields.max_position_embeddings,
            width,
        )?),
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(LayerNorm::load(&source.at("final_layer_norm"), width, 1e-5)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

fn layer(source: &Source<'_>, fields: &Config, i: usize) -> Result<PreNormLayer> {
    let (width, own) = (fields.hidden_size, source.at("self_attn"));
    let piece = |name| Piece { source: own.at(name), outputs: width };
    let norm = |name| LayerNorm::load(&source.at(name), width, 1e-5);
    let act = activation(fields.activation_function.as_deref().unwrap_or("relu"))?;
    Ok(PreNormLayer {
        attention_norm: Some(norm("self_attn_layer_norm")?),
        query_key_value: Linear::joined(&[piece("q_proj"), piece("k_proj"), piece("v_proj")], width)?,
        query_key_norms: None,
        rope: None,
        attention: Attention { causal: true, layer: i, ..Attention::full(width, fields.num_attention_heads) },
        attention_output: Linear::load(&own.at("out_proj"), width, width)?,
        output_norms: None,
        feed_forward_norm: Some(norm("final_layer_norm")?),
        feed_forward: Mlp::load(&source.at("fc1"), &source.at("fc2"), [width, fields.ffn_dim], act)?.into(),
    })
}
