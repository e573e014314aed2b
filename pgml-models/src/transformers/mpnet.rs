//! MPNet (Song et al. 2020): BERT's layers with T5's distances in the scores.

use pgml_core::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Encoder, Head, HeadSource, Heads, PostNormEncoder, PostNormLayer, TextEncoder, TokenEmbeddings};
use super::{activation, bert, check_heads, n_labels, only, read};
use crate::kernels::Activation;
use crate::nn::linear::Piece;
use crate::nn::{Attention, AttentionBias, Embedding, LayerNorm, Linear, Mlp, Source};

/// MPNet.
pub static MPNET: Encoder = Encoder {
    model_types: &["mpnet"],
    prefix: "mpnet",
    ignored: &["position_ids", "pooler.", "lm_head.", "classifier.", "qa_outputs."],
    load,
    head: Some(Heads::of_encoder(head, |config, source| {
        bert::lm_head(config, source, read::<Config>(config)?.layer_norm_eps)
    })),
};

/// Whatever the configuration says of buckets: transformers counts in 32 up to a distance of 128.
const N_BUCKETS: usize = 32;
const MAX_DISTANCE: usize = 128;

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    layer_norm_eps: f64,
    pad_token_id: Option<u32>,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "relative_attention_num_buckets", &[json!(N_BUCKETS)])?;
    let config: Config = read(config)?;
    check_heads(config.hidden_size, config.num_attention_heads)?;
    let (tables, width) = (source.at("embeddings"), config.hidden_size);
    let positions = Embedding::load(&tables.at("position_embeddings"), config.max_position_embeddings, width)?;
    let embeddings = TokenEmbeddings {
        word_embeddings: Embedding::load(&tables.at("word_embeddings"), config.vocab_size, width)?,
        // As RoBERTa counts them.
        position_embeddings: Some((positions, config.pad_token_id.unwrap_or(1) + 1)),
        token_type_embeddings: None,
        layer_norm: LayerNorm::load(&tables.at("LayerNorm"), width, config.layer_norm_eps)?,
        projection: None,
    };
    let table = source.at("encoder.relative_attention_bias").weights;
    let bias = AttentionBias::Buckets {
        table: table.floats("weight", &[N_BUCKETS, config.num_attention_heads])?.into_owned(),
        n_buckets: N_BUCKETS,
        max_distance: MAX_DISTANCE,
        both_sides: true,
    };
    let layers = (0..config.num_hidden_layers).map(|i| layer(&source.at("encoder.layer").at(i), &config, &bias));
    Ok(Box::new(PostNormEncoder {
        max_tokens: embeddings.max_tokens(),
        embeddings,
        layers: layers.collect::<Result<_>>()?,
        width,
    }))
}

fn head(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let classifier = source.root.at("classifier");
    Head::load(&classifier.at("dense"), Activation::Tanh, &classifier.at("out_proj"), source.width, n_labels(config)?)
}

fn layer(source: &Source<'_>, config: &Config, bias: &AttentionBias) -> Result<PostNormLayer> {
    let (width, eps, attention) = (config.hidden_size, config.layer_norm_eps, source.at("attention"));
    let piece = |name| Piece { source: attention.at("attn").at(name), outputs: width };
    let mlp = Mlp::load(
        &source.at("intermediate.dense"),
        &source.at("output.dense"),
        [width, config.intermediate_size],
        activation(&config.hidden_act)?,
    )?;
    Ok(PostNormLayer {
        query_key_value: Linear::joined(&[piece("q"), piece("k"), piece("v")], width)?,
        query_key_norms: None,
        rope: None,
        attention: Attention { bias: bias.clone(), ..Attention::full(width, config.num_attention_heads) },
        attention_output: Linear::load(&attention.at("attn.o"), width, width)?,
        attention_norm: LayerNorm::load(&attention.at("LayerNorm"), width, eps)?,
        second_norm: None,
        feed_forward: mlp.into(),
        output_norm: LayerNorm::load(&source.at("output.LayerNorm"), width, eps)?,
    })
}
