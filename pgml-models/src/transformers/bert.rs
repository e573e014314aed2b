//! BERT (Devlin et al. 2019) and its kin that differ in embeddings only: RoBERTa (Liu et al. 2019), XLM-RoBERTa (Conneau et
//! al. 2020), CamemBERT (Martin et al. 2020) and ELECTRA (Clark et al. 2020).

use pgml_core::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::head::Words;
use super::{Encoder, Head, HeadSource, Heads, PostNormEncoder, PostNormLayer, TextEncoder, TokenEmbeddings};
use super::{activation, check_heads, jina_bert, n_labels, only, read};
use crate::kernels::Activation;
use crate::nn::linear::Piece;
use crate::nn::{Attention, Embedding, LayerNorm, Linear, Mlp, Source};

/// BERT.
pub static BERT: Encoder = Encoder {
    model_types: &["bert"],
    prefix: "bert",
    ignored: &["position_ids", "pooler.", "cls.", "classifier.", "qa_outputs."],
    // Jina-BERT calls itself BERT and shows in its positions only that it is another.
    load: |config, source| match config["position_embedding_type"].as_str() {
        Some("alibi") => jina_bert::load(config, source),
        _ => load(config, source, 0),
    },
    head: Some(Heads::of_encoder(
        |config, source| {
            let (dense, classifier) = (source.model.at("pooler.dense"), source.root.at("classifier"));
            Head::load(&dense, Activation::Tanh, &classifier, source.width, n_labels(config)?)
        },
        |config, source| {
            let (fields, own) = (read::<Config>(config)?, source.root.at("cls.predictions"));
            let words = Words {
                dense: own.at("transform.dense"),
                activation: activation(&fields.hidden_act)?,
                norm: own.at("transform.LayerNorm"),
                eps: fields.layer_norm_eps,
                inner: fields.hidden_size,
                decoder: own.at("decoder"),
                table: source.model.at("embeddings.word_embeddings"),
                bias: own,
            };
            words.load_all(config, source)
        },
    )),
};

/// RoBERTa, XLM-RoBERTa and CamemBERT.
pub static ROBERTA: Encoder = Encoder {
    model_types: &["roberta", "xlm-roberta", "camembert"],
    prefix: "roberta",
    ignored: &["position_ids", "token_type_ids", "pooler.", "lm_head.", "classifier.", "qa_outputs."],
    // Positions count from behind the padding's id.
    load: |config, source| load(config, source, read::<Config>(config)?.pad_token_id.unwrap_or(1) + 1),
    head: Some(Heads::of_encoder(
        |config, source| head(config, source, Activation::Tanh),
        |config, source| lm_head(config, source, read::<Config>(config)?.layer_norm_eps),
    )),
};

/// ELECTRA.
pub static ELECTRA: Encoder = Encoder {
    model_types: &["electra"],
    prefix: "electra",
    ignored: &[
        "position_ids",
        "discriminator_predictions.",
        "generator_predictions.",
        "generator_lm_head.",
        "classifier.",
        "qa_outputs.",
    ],
    load: |config, source| load(config, source, 0),
    head: Some(Heads::of_encoder(
        |config, source| head(config, source, Activation::Gelu),
        |config, source| {
            let (fields, own) = (read::<Config>(config)?, source.root.at("generator_predictions"));
            let words = Words {
                dense: own.at("dense"),
                activation: Activation::Gelu,
                norm: own.at("LayerNorm"),
                eps: fields.layer_norm_eps,
                inner: fields.embedding_size.unwrap_or(fields.hidden_size),
                decoder: source.root.at("generator_lm_head"),
                table: source.model.at("embeddings.word_embeddings"),
                bias: source.root.at("generator_lm_head"),
            };
            words.load_all(config, source)
        },
    )),
};

#[derive(Deserialize)]
pub(super) struct Config {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub embedding_size: Option<usize>,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub hidden_act: String,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    // The first models of all have no such field.
    #[serde(default = "eps")]
    pub layer_norm_eps: f64,
    pub pad_token_id: Option<u32>,
}

const fn eps() -> f64 {
    1e-12
}

fn load(config: &Value, source: &Source<'_>, first_position: u32) -> Result<Box<dyn TextEncoder>> {
    only(config, "position_embedding_type", &[json!("absolute")])?;
    let config: Config = read(config)?;
    check_heads(config.hidden_size, config.num_attention_heads)?;
    let embeddings = embeddings(source, &config, first_position)?;
    let layers = (0..config.num_hidden_layers).map(|i| layer(&source.at("encoder.layer").at(i), &config));
    Ok(Box::new(PostNormEncoder {
        layers: layers.collect::<Result<_>>()?,
        width: config.hidden_size,
        max_tokens: embeddings.max_tokens(),
        embeddings,
    }))
}

/// The head of all but BERT itself.
fn head(config: &Value, source: &HeadSource<'_>, activation: Activation) -> Result<Head> {
    let classifier = source.root.at("classifier");
    Head::load(&classifier.at("dense"), activation, &classifier.at("out_proj"), source.width, n_labels(config)?)
}

/// The words of RoBERTa, and of MPNet after it.
pub(super) fn lm_head(config: &Value, source: &HeadSource<'_>, eps: f64) -> Result<Head> {
    let own = source.root.at("lm_head");
    let words = Words {
        dense: own.at("dense"),
        activation: Activation::Gelu,
        norm: own.at("layer_norm"),
        eps,
        inner: source.width,
        decoder: own.at("decoder"),
        table: source.model.at("embeddings.word_embeddings"),
        bias: own,
    };
    words.load_all(config, source)
}

fn embeddings(source: &Source<'_>, config: &Config, first_position: u32) -> Result<TokenEmbeddings> {
    let width = config.embedding_size.unwrap_or(config.hidden_size);
    let tables = source.at("embeddings");
    let table = |name, n| Embedding::load(&tables.at(name), n, width);
    let projection = (width != config.hidden_size)
        .then(|| Linear::load(&source.at("embeddings_project"), width, config.hidden_size))
        .transpose()?;
    Ok(TokenEmbeddings {
        word_embeddings: table("word_embeddings", config.vocab_size)?,
        position_embeddings: Some((table("position_embeddings", config.max_position_embeddings)?, first_position)),
        token_type_embeddings: Some(table("token_type_embeddings", config.type_vocab_size)?),
        layer_norm: LayerNorm::load(&tables.at("LayerNorm"), width, config.layer_norm_eps)?,
        projection,
    })
}

pub(super) fn layer(source: &Source<'_>, config: &Config) -> Result<PostNormLayer> {
    let (width, eps, attention) = (config.hidden_size, config.layer_norm_eps, source.at("attention"));
    let piece = |name| Piece { source: attention.at("self").at(name), outputs: width };
    let mlp = Mlp::load(
        &source.at("intermediate.dense"),
        &source.at("output.dense"),
        [width, config.intermediate_size],
        activation(&config.hidden_act)?,
    )?;
    Ok(PostNormLayer {
        query_key_value: Linear::joined(&[piece("query"), piece("key"), piece("value")], width)?,
        query_key_norms: None,
        rope: None,
        attention: Attention::full(width, config.num_attention_heads),
        attention_output: Linear::load(&attention.at("output.dense"), width, width)?,
        attention_norm: LayerNorm::load(&attention.at("output.LayerNorm"), width, eps)?,
        second_norm: None,
        feed_forward: mlp.into(),
        output_norm: LayerNorm::load(&source.at("output.LayerNorm"), width, eps)?,
    })
}
