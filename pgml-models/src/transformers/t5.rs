//! The encoder of T5 (Raffel et al. 2020), also of its later forms with a gate (Shazeer 2020) and of mT5 (Xue et al. 2021). A
//! decoder in the checkpoint is left alone.

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::head::classifier;
use super::{Encoder, Heads, PreNormEncoder, PreNormLayer, TextEncoder, activation, read};
use crate::kernels::Activation;
use crate::nn::linear::Piece;
use crate::nn::{Attention, AttentionBias, Embedding, FeedForward, GatedMlp, LayerNorm, Linear, Mlp, Source};

/// T5 and mT5.
pub static T5: Encoder = Encoder {
    model_types: &["t5", "mt5"],
    prefix: "transformer",
    // One table under up to three names.
    ignored: &["decoder.", "lm_head.", "classification_head.", "encoder.embed_tokens.", "classifier.", "qa_outputs."],
    load,
    // Other heads read the decoder.
    head: Some(Heads { tokens: Some(classifier), ..Heads::NONE }),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    d_model: usize,
    d_kv: usize,
    d_ff: usize,
    num_layers: usize,
    num_heads: usize,
    relative_attention_num_buckets: usize,
    relative_attention_max_distance: Option<usize>,
    layer_norm_epsilon: f64,
    feed_forward_proj: Option<String>,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let config: Config = read(config)?;
    if config.num_heads == 0 || config.relative_attention_num_buckets < 4 {
        bail!(Corrupted, "{} heads and {} buckets make no T5", config.num_heads, config.relative_attention_num_buckets);
    }
    let encoder = source.at("encoder");
    let words = if source.weights.has("shared.weight") { source.at("shared") } else { encoder.at("embed_tokens") };
    // The first block's table serves all.
    let bias = bias(&encoder.at("block.0.layer.0.SelfAttention.relative_attention_bias"), &config)?;
    let layers = (0..config.num_layers).map(|i| layer(&encoder.at("block").at(i).at("layer"), &config, &bias));
    Ok(Box::new(PreNormEncoder {
        embeddings: Embedding::load(&words, config.vocab_size, config.d_model)?,
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: norm(&encoder.at("final_layer_norm"), &config)?,
        width: config.d_model,
        max_tokens: None,
    }))
}

fn bias(source: &Source<'_>, config: &Config) -> Result<AttentionBias> {
    let n_buckets = config.relative_attention_num_buckets;
    Ok(AttentionBias::Buckets {
        table: source.weights.floats("weight", &[n_buckets, config.num_heads])?.into_owned(),
        n_buckets,
        max_distance: config.relative_attention_max_distance.unwrap_or(128),
    })
}

fn norm(source: &Source<'_>, config: &Config) -> Result<LayerNorm> {
    LayerNorm::load_rms(source, config.d_model, config.layer_norm_epsilon, 0.0)
}

fn layer(source: &Source<'_>, config: &Config, bias: &AttentionBias) -> Result<PreNormLayer> {
    let (width, inner, attention) = (config.d_model, config.num_heads * config.d_kv, source.at("0.SelfAttention"));
    let piece = |name| Piece { source: attention.at(name), outputs: inner };
    Ok(PreNormLayer {
        attention_norm: Some(norm(&source.at("0.layer_norm"), config)?),
        query_key_value: Linear::joined(&[piece("q"), piece("k"), piece("v")], width)?,
        query_key_norms: None,
        rope: None,
        // The scale is in the weights.
        attention: Attention { bias: bias.clone(), scale: 1.0, ..Attention::full(inner, config.num_heads) },
        attention_output: Linear::load(&attention.at("o"), inner, width)?,
        output_norms: None,
        feed_forward_norm: Some(norm(&source.at("1.layer_norm"), config)?),
        feed_forward: feed_forward(&source.at("1.DenseReluDense"), config)?,
    })
}

fn feed_forward(source: &Source<'_>, config: &Config) -> Result<FeedForward> {
    let (shape, down) = ([config.d_model, config.d_ff], source.at("wo"));
    let form = config.feed_forward_proj.as_deref().unwrap_or("relu");
    Ok(match form.strip_prefix("gated-") {
        None => Mlp::load(&source.at("wi"), &down, shape, activation(form)?)?.into(),
        Some(name) => {
            // "gelu" means the approximation here.
            let act = if name == "gelu" { Activation::GeluTanh } else { activation(name)? };
            GatedMlp::load([&source.at("wi_0"), &source.at("wi_1"), &down], shape, act)?.into()
        }
    })
}
