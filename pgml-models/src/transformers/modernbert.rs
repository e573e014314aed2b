//! ModernBERT (Warner et al. 2024): most layers see their neighbourhood only, every third one everything; rotary positions
//! with a base for each kind, gated feed-forward, hardly a bias.

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::head::{Reads, Words};
use super::{Encoder, Head, HeadSource, Heads, PreNormLayer, Stack, TextEncoder};
use super::{activation, check_heads, n_labels, only, read, rope};
use crate::kernels::Activation;
use crate::nn::{Attention, Embedding, GatedMlp, LayerNorm, Linear, Pooling, Source};

/// ModernBERT.
pub static MODERNBERT: Encoder = Encoder {
    model_types: &["modernbert"],
    prefix: "model",
    ignored: &["head.", "decoder.", "classifier."],
    load,
    head: Some(Heads {
        sequence: Some(|config, source| {
            only(config, "classifier_pooling", &[json!("cls"), json!("mean")])?;
            let is_mean = config["classifier_pooling"] == json!("mean");
            let reads = Reads::Pooled(if is_mean { Pooling::Mean } else { Pooling::Cls });
            Ok(Head { reads, ..head(config, source, n_labels(config)?)? })
        }),
        tokens: Some(|config, source| head(config, source, n_labels(config)?)),
        spans: Some(|config, source| head(config, source, 2)),
        words: Some(words),
        ..Heads::NONE
    }),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    hidden_activation: String,
    max_position_embeddings: usize,
    norm_eps: f64,
    local_attention: usize,
    layer_types: Option<Vec<String>>,
    global_attn_every_n_layers: Option<usize>,
    classifier_activation: Option<String>,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields: Config = read(config)?;
    check_heads(fields.hidden_size, fields.num_attention_heads)?;
    let (width, eps) = (fields.hidden_size, fields.norm_eps);
    let layers = (0..fields.num_hidden_layers).map(|i| layer(&source.at("layers").at(i), config, &fields, i));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("embeddings.tok_embeddings"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: Some(LayerNorm::load(&source.at("embeddings.norm"), width, eps)?),
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(LayerNorm::load(&source.at("final_norm"), width, eps)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

/// Labels or answers of every token; the layer below is the same for all tasks.
fn head(config: &Value, source: &HeadSource<'_>, n_outputs: usize) -> Result<Head> {
    let fields: Config = read(config)?;
    let (layers, act) = (source.root.at("head"), fields.head_activation()?);
    Ok(Head {
        dense: Some(Linear::load(&layers.at("dense"), source.width, source.width)?.with_activation(act)),
        norm: Some(LayerNorm::load(&layers.at("norm"), source.width, fields.norm_eps)?),
        ..Head::of_tokens(&source.root.at("classifier"), source.width, n_outputs)?
    })
}

fn words(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    only(config, "decoder_bias", &[json!(true)])?;
    let fields: Config = read(config)?;
    let words = Words {
        dense: source.root.at("head.dense"),
        activation: fields.head_activation()?,
        norm: source.root.at("head.norm"),
        eps: fields.norm_eps,
        inner: source.width,
        decoder: source.root.at("decoder"),
        table: source.model.at("embeddings.tok_embeddings"),
        bias: source.root.at("decoder"),
    };
    words.load_all(config, source)
}

impl Config {
    fn head_activation(&self) -> Result<Activation> {
        activation(self.classifier_activation.as_deref().unwrap_or("gelu"))
    }

    /// Whether layer `i` sees its neighbourhood only.
    fn is_local(&self, i: usize) -> Result<bool> {
        let Some(layer_types) = &self.layer_types else {
            return Ok(!i.is_multiple_of(self.global_attn_every_n_layers.unwrap_or(3)));
        };
        match layer_types.get(i).map(String::as_str) {
            Some("sliding_attention") => Ok(true),
            Some("full_attention") => Ok(false),
            other => {
                bail!(NotSupported, "layer_types has {other:?} for layer {i}; known: full_attention, sliding_attention")
            }
        }
    }
}

fn layer(source: &Source<'_>, config: &Value, fields: &Config, i: usize) -> Result<PreNormLayer> {
    let (width, eps, n_heads) = (fields.hidden_size, fields.norm_eps, fields.num_attention_heads);
    let (window, layer_type, theta) = match fields.is_local(i)? {
        true => (Some(fields.local_attention / 2), "sliding_attention", ("local_rope_theta", 10_000.0)),
        false => (None, "full_attention", ("global_rope_theta", 160_000.0)),
    };
    let (both, down, act) = (source.at("mlp.Wi"), source.at("mlp.Wo"), activation(&fields.hidden_activation)?);
    Ok(PreNormLayer {
        // The embeddings are normalised already.
        attention_norm: (i > 0).then(|| LayerNorm::load(&source.at("attn_norm"), width, eps)).transpose()?,
        query_key_value: Linear::load(&source.at("attn.Wqkv"), width, 3 * width)?,
        query_key_norms: None,
        rope: Some(rope(config, width / n_heads, layer_type, theta)?),
        attention: Attention { window, ..Attention::full(width, n_heads) },
        attention_output: Linear::load(&source.at("attn.Wo"), width, width)?,
        output_norms: None,
        feed_forward_norm: Some(LayerNorm::load(&source.at("mlp_norm"), width, eps)?),
        feed_forward: GatedMlp::load_joined(&both, &down, [width, fields.intermediate_size], true, act)?.into(),
    })
}
