//! ALBERT (Lan et al. 2020): few layers, each used many times, and narrow tables.

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::head::Words;
use super::{Encoder, Head, HeadSource, Heads, PostNormEncoder, PostNormLayer, TextEncoder, TokenEmbeddings};
use super::{activation, check_heads, n_labels, only, read};
use crate::kernels::Activation;
use crate::nn::linear::Piece;
use crate::nn::{Attention, Embedding, LayerNorm, Linear, Mlp, Source};

/// ALBERT.
pub static ALBERT: Encoder = Encoder {
    model_types: &["albert"],
    prefix: "albert",
    ignored: &["position_ids", "pooler.", "predictions.", "sop_classifier.", "classifier.", "qa_outputs."],
    load,
    head: Some(Heads::of_encoder(head, words)),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    embedding_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_hidden_groups: usize,
    inner_group_num: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "position_embedding_type", &[json!("absolute")])?;
    let config: Config = read(config)?;
    check_heads(config.hidden_size, config.num_attention_heads)?;
    let embeddings = embeddings(source, &config)?;
    Ok(Box::new(PostNormEncoder {
        max_tokens: embeddings.max_tokens(),
        embeddings,
        layers: layers(&source.at("encoder.albert_layer_groups"), &config)?,
        width: config.hidden_size,
    }))
}

fn head(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let (dense, classifier) = (source.model.at("pooler"), source.root.at("classifier"));
    Head::load(&dense, Activation::Tanh, &classifier, source.width, n_labels(config)?)
}

fn words(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let (fields, own) = (read::<Config>(config)?, source.root.at("predictions"));
    let words = Words {
        dense: own.at("dense"),
        activation: activation(&fields.hidden_act)?,
        norm: own.at("LayerNorm"),
        eps: fields.layer_norm_eps,
        inner: fields.embedding_size,
        decoder: own.at("decoder"),
        table: source.model.at("embeddings.word_embeddings"),
        bias: own,
    };
    words.load_all(config, source)
}

fn embeddings(source: &Source<'_>, config: &Config) -> Result<TokenEmbeddings> {
    let (tables, width) = (source.at("embeddings"), config.embedding_size);
    let table = |name, n| Embedding::load(&tables.at(name), n, width);
    let projection = Linear::load(&source.at("encoder.embedding_hidden_mapping_in"), width, config.hidden_size)?;
    Ok(TokenEmbeddings {
        word_embeddings: table("word_embeddings", config.vocab_size)?,
        position_embeddings: Some((table("position_embeddings", config.max_position_embeddings)?, 0)),
        token_type_embeddings: Some(table("token_type_embeddings", config.type_vocab_size)?),
        layer_norm: LayerNorm::load(&tables.at("LayerNorm"), width, config.layer_norm_eps)?,
        projection: Some(projection),
    })
}

/// The layers in the order in which they are used; each group serves as many places as the others.
fn layers(source: &Source<'_>, config: &Config) -> Result<Vec<PostNormLayer>> {
    let (n_layers, n_groups) = (config.num_hidden_layers, config.num_hidden_groups);
    // No tensor stands for a layer that is used again: only this bounds how many there can be.
    if n_groups == 0 || n_groups > n_layers || n_layers > 1000 {
        bail!(Corrupted, "num_hidden_groups is {n_groups} for {n_layers} layers");
    }
    let group = |i| -> Result<Vec<PostNormLayer>> {
        let layers = source.at(i).at("albert_layers");
        (0..config.inner_group_num).map(|j| layer(&layers.at(j), config)).collect()
    };
    let groups: Vec<Vec<PostNormLayer>> = (0..n_groups).map(group).collect::<Result<_>>()?;
    Ok((0..n_layers).flat_map(|i| groups[i * n_groups / n_layers].clone()).collect())
}

fn layer(source: &Source<'_>, config: &Config) -> Result<PostNormLayer> {
    let (width, eps, attention) = (config.hidden_size, config.layer_norm_eps, source.at("attention"));
    let piece = |name| Piece { source: attention.at(name), outputs: width };
    let (up, down, act) = (source.at("ffn"), source.at("ffn_output"), activation(&config.hidden_act)?);
    Ok(PostNormLayer {
        query_key_value: Linear::joined(&[piece("query"), piece("key"), piece("value")], width)?,
        query_key_norms: None,
        rope: None,
        attention: Attention::full(width, config.num_attention_heads),
        attention_output: Linear::load(&attention.at("dense"), width, width)?,
        attention_norm: LayerNorm::load(&attention.at("LayerNorm"), width, eps)?,
        second_norm: None,
        feed_forward: Mlp::load(&up, &down, [width, config.intermediate_size], act)?.into(),
        output_norm: LayerNorm::load(&source.at("full_layer_layer_norm"), width, eps)?,
    })
}
