//! GTE (Zhang et al. 2024: mGTE): BERT with rotary positions and a gated feed-forward. In two layouts: that of its authors,
//! whose class is `NewModel`, and that of transformers.

use pgml_core::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::head::Words;
use super::{Encoder, Head, HeadSource, Heads, PostNormEncoder, PostNormLayer, TextEncoder, TokenEmbeddings};
use super::{activation, check_heads, n_labels, only, read, rope};
use crate::kernels::Activation;
use crate::nn::linear::Piece;
use crate::nn::{Attention, Embedding, GatedMlp, LayerNorm, Linear, Rope, Source};

const IGNORED: &[&str] = &["position_ids", "pooler.", "lm_head.", "classifier.", "inv_freq"];

/// Answers have no head of their own.
const HEADS: Heads = Heads { spans: None, ..Heads::of_encoder(head, words) };

/// GTE as its authors name it.
pub static NEW: Encoder = Encoder {
    model_types: &["new"],
    prefix: "new",
    ignored: IGNORED,
    load: |config, source| load(config, source, 10_000.0),
    head: Some(HEADS),
};

/// GTE as transformers names it.
pub static GTE: Encoder = Encoder {
    model_types: &["gte"],
    prefix: "gte",
    ignored: IGNORED,
    load: |config, source| load(config, source, 160_000.0),
    head: Some(HEADS),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
}

/// What else its authors' code can do.
fn check(config: &Value) -> Result<()> {
    only(config, "position_embedding_type", &[json!("rope")])?;
    only(config, "layer_norm_type", &[json!("layer_norm")])?;
    only(config, "logn_attention_scale", &[json!(false)])?;
    only(config, "pack_qkv", &[json!(true)])
}

fn load(config: &Value, source: &Source<'_>, default_theta: f64) -> Result<Box<dyn TextEncoder>> {
    check(config)?;
    let source = &source.at_or_here("new");
    let fields: Config = read(config)?;
    check_heads(fields.hidden_size, fields.num_attention_heads)?;
    let head_dim = fields.hidden_size / fields.num_attention_heads;
    let rope = rope(config, head_dim, "full_attention", ("rope_theta", default_theta))?;
    // The tensors' names do not follow from the model's.
    let is_original = source.weights.has("encoder.layer.0.attention.qkv_proj.weight");
    let layer = |i| match is_original {
        true => original_layer(&source.at("encoder.layer").at(i), &fields, &rope),
        false => native_layer(&source.at("layers").at(i), &fields, &rope),
    };
    let layers = (0..fields.num_hidden_layers).map(layer);
    Ok(Box::new(PostNormEncoder {
        embeddings: embeddings(&source.at("embeddings"), &fields)?,
        layers: layers.collect::<Result<_>>()?,
        width: fields.hidden_size,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

fn head(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let (dense, classifier) = (source.model.at_or_here("new").at("pooler.dense"), source.root.at("classifier"));
    Head::load(&dense, Activation::Tanh, &classifier, source.width, n_labels(config)?)
}

/// The authors' layout has the configuration's activation, transformers' the usual one; the norm is called differently.
fn words(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let (fields, own) = (read::<Config>(config)?, source.root.at("lm_head"));
    let is_original = own.weights.has("norm.weight");
    let words = Words {
        dense: own.at("dense"),
        activation: if is_original { activation(&fields.hidden_act)? } else { Activation::Gelu },
        norm: own.at(if is_original { "norm" } else { "layer_norm" }),
        eps: fields.layer_norm_eps,
        inner: source.width,
        decoder: own.at("decoder"),
        table: source.model.at_or_here("new").at("embeddings.word_embeddings"),
        bias: own.at("decoder"),
    };
    words.load_all(config, source)
}

fn embeddings(source: &Source<'_>, config: &Config) -> Result<TokenEmbeddings> {
    let table = |name, n| Embedding::load(&source.at(name), n, config.hidden_size);
    let n_types = config.type_vocab_size;
    Ok(TokenEmbeddings {
        word_embeddings: table("word_embeddings", config.vocab_size)?,
        position_embeddings: None,
        token_type_embeddings: (n_types > 0).then(|| table("token_type_embeddings", n_types)).transpose()?,
        layer_norm: LayerNorm::load(&source.at("LayerNorm"), config.hidden_size, config.layer_norm_eps)?,
        projection: None,
    })
}

fn original_layer(source: &Source<'_>, config: &Config, rope: &Rope) -> Result<PostNormLayer> {
    let (width, shape) = (config.hidden_size, [config.hidden_size, config.intermediate_size]);
    let (both, down) = (source.at("mlp.up_gate_proj"), source.at("mlp.down_proj"));
    Ok(PostNormLayer {
        query_key_value: Linear::load(&source.at("attention.qkv_proj"), width, 3 * width)?,
        query_key_norms: None,
        rope: Some(rope.clone()),
        attention: Attention::full(width, config.num_attention_heads),
        attention_output: Linear::load(&source.at("attention.o_proj"), width, width)?,
        attention_norm: LayerNorm::load(&source.at("attn_ln"), width, config.layer_norm_eps)?,
        second_norm: None,
        feed_forward: GatedMlp::load_joined(&both, &down, shape, false, activation(&config.hidden_act)?)?.into(),
        output_norm: LayerNorm::load(&source.at("mlp_ln"), width, config.layer_norm_eps)?,
    })
}

fn native_layer(source: &Source<'_>, config: &Config, rope: &Rope) -> Result<PostNormLayer> {
    let (width, shape) = (config.hidden_size, [config.hidden_size, config.intermediate_size]);
    let (attention, mlp) = (source.at("self_attn"), source.at("mlp"));
    let piece = |name| Piece { source: attention.at(name), outputs: width };
    let (gate, up, down) = (mlp.at("gate_proj"), mlp.at("up_proj"), mlp.at("down_proj"));
    Ok(PostNormLayer {
        query_key_value: Linear::joined(&[piece("q_proj"), piece("k_proj"), piece("v_proj")], width)?,
        query_key_norms: None,
        rope: Some(rope.clone()),
        attention: Attention::full(width, config.num_attention_heads),
        attention_output: Linear::load(&attention.at("o_proj"), width, width)?,
        attention_norm: LayerNorm::load(&source.at("post_attention_layernorm"), width, config.layer_norm_eps)?,
        second_norm: None,
        feed_forward: GatedMlp::load([&gate, &up, &down], shape, activation(&config.hidden_act)?)?.into(),
        output_norm: LayerNorm::load(&source.at("post_mlp_layernorm"), width, config.layer_norm_eps)?,
    })
}
