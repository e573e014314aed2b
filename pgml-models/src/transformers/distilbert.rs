//! DistilBERT (Sanh et al. 2019): BERT with half the layers and without types.

use pgml_core::Result;
use serde::Deserialize;
use serde_json::Value;

use super::head::Words;
use super::{Encoder, Head, HeadSource, Heads, PostNormEncoder, PostNormLayer, TextEncoder, TokenEmbeddings};
use super::{activation, check_heads, n_labels, read};
use crate::kernels::Activation;
use crate::nn::linear::Piece;
use crate::nn::{Attention, Embedding, LayerNorm, Linear, Mlp, Source};

/// DistilBERT.
pub static DISTILBERT: Encoder = Encoder {
    model_types: &["distilbert"],
    prefix: "distilbert",
    ignored: &[
        "position_ids",
        "vocab_transform.",
        "vocab_layer_norm.",
        "vocab_projector.",
        "pre_classifier.",
        "classifier.",
        "qa_outputs.",
    ],
    load,
    head: Some(Heads::of_encoder(head, words)),
};

/// No configuration says it.
const EPS: f64 = 1e-12;

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    dim: usize,
    n_layers: usize,
    n_heads: usize,
    hidden_dim: usize,
    activation: String,
    max_position_embeddings: usize,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let config: Config = read(config)?;
    check_heads(config.dim, config.n_heads)?;
    let tables = source.at("embeddings");
    let positions = Embedding::load(&tables.at("position_embeddings"), config.max_position_embeddings, config.dim)?;
    let layers = (0..config.n_layers).map(|i| layer(&source.at("transformer.layer").at(i), &config));
    Ok(Box::new(PostNormEncoder {
        embeddings: TokenEmbeddings {
            word_embeddings: Embedding::load(&tables.at("word_embeddings"), config.vocab_size, config.dim)?,
            position_embeddings: Some((positions, 0)),
            token_type_embeddings: None,
            layer_norm: LayerNorm::load(&tables.at("LayerNorm"), config.dim, EPS)?,
            projection: None,
        },
        layers: layers.collect::<Result<_>>()?,
        width: config.dim,
        max_tokens: Some(config.max_position_embeddings),
    }))
}

fn head(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let (dense, classifier) = (source.root.at("pre_classifier"), source.root.at("classifier"));
    Head::load(&dense, Activation::Relu, &classifier, source.width, n_labels(config)?)
}

fn words(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let words = Words {
        dense: source.root.at("vocab_transform"),
        activation: activation(&read::<Config>(config)?.activation)?,
        norm: source.root.at("vocab_layer_norm"),
        eps: EPS,
        inner: source.width,
        decoder: source.root.at("vocab_projector"),
        table: source.model.at("embeddings.word_embeddings"),
        bias: source.root.at("vocab_projector"),
    };
    words.load_all(config, source)
}

fn layer(source: &Source<'_>, config: &Config) -> Result<PostNormLayer> {
    let (width, attention) = (config.dim, source.at("attention"));
    let piece = |name| Piece { source: attention.at(name), outputs: width };
    let (up, down) = (source.at("ffn.lin1"), source.at("ffn.lin2"));
    Ok(PostNormLayer {
        query_key_value: Linear::joined(&[piece("q_lin"), piece("k_lin"), piece("v_lin")], width)?,
        query_key_norms: None,
        rope: None,
        attention: Attention::full(width, config.n_heads),
        attention_output: Linear::load(&attention.at("out_lin"), width, width)?,
        attention_norm: LayerNorm::load(&source.at("sa_layer_norm"), width, EPS)?,
        second_norm: None,
        feed_forward: Mlp::load(&up, &down, [width, config.hidden_dim], activation(&config.activation)?)?.into(),
        output_norm: LayerNorm::load(&source.at("output_layer_norm"), width, EPS)?,
    })
}
