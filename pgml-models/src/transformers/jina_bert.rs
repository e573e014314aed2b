//! Jina-BERT (Günther et al. 2023: Jina Embeddings 2): BERT with ALiBi instead of positions and a gate in its feed-forward; in
//! the form for code with more norms.

use pgml_core::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PostNormEncoder, PostNormLayer, TextEncoder, TokenEmbeddings, check_heads, only, read};
use crate::kernels::Activation;
use crate::nn::linear::Piece;
use crate::nn::{Attention, AttentionBias, Embedding, GatedMlp, LayerNorm, Linear, Source};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    feed_forward_type: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
}

/// Reads the layouts of `jinaai/jina-embeddings-v2-*`.
pub(super) fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "feed_forward_type", &[json!("geglu"), json!("reglu")])?;
    let config: Config = read(config)?;
    check_heads(config.hidden_size, config.num_attention_heads)?;
    let (tables, width) = (source.at("embeddings"), config.hidden_size);
    let layers = (0..config.num_hidden_layers).map(|i| layer(&source.at("encoder.layer").at(i), &config));
    let types = Embedding::load(&tables.at("token_type_embeddings"), config.type_vocab_size, width)?;
    Ok(Box::new(PostNormEncoder {
        embeddings: TokenEmbeddings {
            word_embeddings: Embedding::load(&tables.at("word_embeddings"), config.vocab_size, width)?,
            position_embeddings: None,
            token_type_embeddings: Some(types),
            layer_norm: LayerNorm::load(&tables.at("LayerNorm"), width, config.layer_norm_eps)?,
            projection: None,
        },
        layers: layers.collect::<Result<_>>()?,
        width,
        max_tokens: Some(config.max_position_embeddings),
    }))
}

fn layer(source: &Source<'_>, config: &Config) -> Result<PostNormLayer> {
    let (width, eps, n_heads) = (config.hidden_size, config.layer_norm_eps, config.num_attention_heads);
    let (attention, mlp, own) = (source.at("attention"), source.at("mlp"), source.at("attention.self"));
    let piece = |name| Piece { source: own.at(name), outputs: width };
    let norm = |source: Source<'_>| LayerNorm::load(&source, width, eps);
    let is_for_code = mlp.weights.has("up_gated_layer.weight");
    let head_norms = || Ok([norm(own.at("layer_norm_q"))?, norm(own.at("layer_norm_k"))?]);
    Ok(PostNormLayer {
        query_key_value: Linear::joined(&[piece("query"), piece("key"), piece("value")], width)?,
        query_key_norms: is_for_code.then(head_norms).transpose()?,
        rope: None,
        attention: Attention { bias: AttentionBias::alibi(n_heads), ..Attention::full(width, n_heads) },
        attention_output: Linear::load(&attention.at("output.dense"), width, width)?,
        attention_norm: norm(attention.at("output.LayerNorm"))?,
        second_norm: is_for_code.then(|| norm(source.at("layer_norm_1"))).transpose()?,
        feed_forward: feed_forward(&mlp, config, is_for_code)?.into(),
        output_norm: norm(if is_for_code { source.at("layer_norm_2") } else { mlp.at("layernorm") })?,
    })
}

/// The gate is the second half in the form for code, else the first.
fn feed_forward(source: &Source<'_>, config: &Config, is_for_code: bool) -> Result<GatedMlp> {
    let [both, down] = if is_for_code { ["up_gated_layer", "down_layer"] } else { ["gated_layers", "wo"] };
    let act = if config.feed_forward_type == "geglu" { Activation::Gelu } else { Activation::Relu };
    let shape = [config.hidden_size, config.intermediate_size];
    GatedMlp::load_joined(&source.at(both), &source.at(down), shape, !is_for_code, act)
}
