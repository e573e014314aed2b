//! NomicBERT (Nussbaum et al. 2024): BERT with rotary positions and a gated feed-forward, without biases. In two layouts: that
//! of its authors, whose configuration speaks GPT-2's language, and that of transformers.

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config::vocabulary;
use super::head::Words;
use super::{Encoder, Head, HeadSource, Heads, PostNormEncoder, PostNormLayer, TextEncoder, TokenEmbeddings};
use super::{activation, check_heads, n_labels, only, read, rope};
use crate::kernels::Activation;
use crate::nn::linear::Piece;
use crate::nn::{Attention, Embedding, GatedMlp, LayerNorm, Linear, Rope, Source};

/// NomicBERT.
pub static NOMIC_BERT: Encoder = Encoder {
    model_types: &["nomic_bert"],
    prefix: "nomic_bert",
    ignored: &["position_ids", "pooler.", "cls.", "lm_head.", "classifier.", "inv_freq"],
    load: |config, source| {
        let source = source.at_or_here("bert");
        match config.get("n_embd") {
            Some(_) => read_original(config, &source),
            None => read_native(config, &source),
        }
    },
    // Answers have no head of their own.
    head: Some(Heads { spans: None, ..Heads::of_encoder(head, words) }),
};

const DEFAULT_THETA: f64 = 1000.0;

/// What both layouts come down to.
struct Shape {
    width: usize,
    inner: usize,
    n_heads: usize,
    eps: f64,
    activation: Activation,
    rope: Rope,
}

#[derive(Deserialize)]
struct Original {
    vocab_size: usize,
    pad_vocab_size_multiple: Option<usize>,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    n_positions: usize,
    activation_function: String,
    layer_norm_epsilon: f64,
    rotary_emb_base: Option<f64>,
    type_vocab_size: usize,
}

#[derive(Deserialize)]
struct Native {
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

impl Original {
    fn activation(&self) -> Result<Activation> {
        Ok(match self.activation_function.as_str() {
            "swiglu" => Activation::Silu,
            "geglu" => Activation::Gelu,
            other => bail!(NotSupported, "activation_function \"{other}\" is not supported; known: swiglu, geglu"),
        })
    }
}

fn read_original(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    check_original(config)?;
    let config: Original = read(config)?;
    check_heads(config.n_embd, config.n_head)?;
    let theta = config.rotary_emb_base.unwrap_or(10_000.0);
    let shape = Shape {
        width: config.n_embd,
        inner: config.n_inner.unwrap_or(4 * config.n_embd),
        n_heads: config.n_head,
        eps: config.layer_norm_epsilon,
        activation: config.activation()?,
        rope: rope(&json!({}), config.n_embd / config.n_head, "full_attention", ("", theta))?,
    };
    let n_words = config.vocab_size.next_multiple_of(config.pad_vocab_size_multiple.unwrap_or(1).max(1));
    load(source, config.n_layer, [n_words, config.type_vocab_size], config.n_positions, &shape)
}

/// What else its authors' code can do.
fn check_original(config: &Value) -> Result<()> {
    let off = [json!(false)];
    for field in ["prenorm", "parallel_block", "use_rms_norm", "rotary_emb_interleaved", "causal"] {
        only(config, field, &off)?;
    }
    only(config, "rotary_emb_fraction", &[json!(1.0), json!(1)])?;
    only(config, "rotary_scaling_factor", &[])?;
    only(config, "rotary_emb_scale_base", &[])?;
    only(config, "num_experts", &[json!(0)])
}

fn original_layer(source: &Source<'_>, shape: &Shape) -> Result<PostNormLayer> {
    let (width, mlp) = (shape.width, source.at("mlp"));
    let (gate, up, down) = (mlp.at("fc12"), mlp.at("fc11"), mlp.at("fc2"));
    Ok(PostNormLayer {
        query_key_value: Linear::load(&source.at("attn.Wqkv"), width, 3 * width)?,
        query_key_norms: None,
        rope: Some(shape.rope.clone()),
        attention: Attention::full(width, shape.n_heads),
        attention_output: Linear::load(&source.at("attn.out_proj"), width, width)?,
        attention_norm: LayerNorm::load(&source.at("norm1"), width, shape.eps)?,
        second_norm: None,
        feed_forward: GatedMlp::load([&gate, &up, &down], [width, shape.inner], shape.activation)?.into(),
        output_norm: LayerNorm::load(&source.at("norm2"), width, shape.eps)?,
    })
}

fn read_native(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields: Native = read(config)?;
    check_heads(fields.hidden_size, fields.num_attention_heads)?;
    let head_dim = fields.hidden_size / fields.num_attention_heads;
    only(config, "head_dim", &[json!(head_dim)])?;
    let shape = Shape {
        width: fields.hidden_size,
        inner: fields.intermediate_size,
        n_heads: fields.num_attention_heads,
        eps: fields.layer_norm_eps,
        activation: activation(&fields.hidden_act)?,
        rope: rope(config, head_dim, "full_attention", ("rope_theta", DEFAULT_THETA))?,
    };
    let rows = [fields.vocab_size, fields.type_vocab_size];
    load(source, fields.num_hidden_layers, rows, fields.max_position_embeddings, &shape)
}

/// The tensors, whichever names they have: those do not follow from the configuration's language.
fn load(
    source: &Source<'_>,
    n_layers: usize,
    [n_words, n_types]: [usize; 2],
    max_tokens: usize,
    shape: &Shape,
) -> Result<Box<dyn TextEncoder>> {
    let is_original = source.weights.has("encoder.layers.0.attn.Wqkv.weight");
    let norm = if is_original { source.at("emb_ln") } else { source.at("embeddings.LayerNorm") };
    let layer = |i| match is_original {
        true => original_layer(&source.at("encoder.layers").at(i), shape),
        false => native_layer(&source.at("layers").at(i), shape),
    };
    Ok(Box::new(PostNormEncoder {
        embeddings: embeddings(source, &norm, [n_words, n_types], shape)?,
        layers: (0..n_layers).map(layer).collect::<Result<_>>()?,
        width: shape.width,
        max_tokens: Some(max_tokens),
    }))
}

fn head(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let (dense, classifier) = (source.model.at_or_here("bert").at("pooler.dense"), source.root.at("classifier"));
    Head::load(&dense, Activation::Tanh, &classifier, source.width, n_labels(config)?)
}

fn words(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let own = source.root.at("cls.predictions");
    let (act, eps) = match config.get("n_embd") {
        Some(_) => read::<Original>(config).and_then(|fields| Ok((fields.activation()?, fields.layer_norm_epsilon)))?,
        None => {
            read::<Native>(config).and_then(|fields| Ok((activation(&fields.hidden_act)?, fields.layer_norm_eps)))?
        }
    };
    let multiple = config.get("pad_vocab_size_multiple").and_then(Value::as_u64).unwrap_or(1).max(1) as usize;
    let words = Words {
        dense: own.at("transform.dense"),
        activation: act,
        norm: own.at("transform.layer_norm"),
        eps,
        inner: source.width,
        decoder: own.at("decoder"),
        table: source.model.at_or_here("bert").at("embeddings.word_embeddings"),
        bias: own,
    };
    words.load(source.width, vocabulary(config)?.next_multiple_of(multiple))
}

fn native_layer(source: &Source<'_>, shape: &Shape) -> Result<PostNormLayer> {
    let (width, attention, mlp) = (shape.width, source.at("self_attn"), source.at("mlp"));
    let piece = |name| Piece { source: attention.at(name), outputs: width };
    let (gate, up, down) = (mlp.at("gate_proj"), mlp.at("up_proj"), mlp.at("down_proj"));
    Ok(PostNormLayer {
        query_key_value: Linear::joined(&[piece("q_proj"), piece("k_proj"), piece("v_proj")], width)?,
        query_key_norms: None,
        rope: Some(shape.rope.clone()),
        attention: Attention::full(width, shape.n_heads),
        attention_output: Linear::load(&attention.at("o_proj"), width, width)?,
        attention_norm: LayerNorm::load(&source.at("post_attention_layernorm"), width, shape.eps)?,
        second_norm: None,
        feed_forward: GatedMlp::load([&gate, &up, &down], [width, shape.inner], shape.activation)?.into(),
        output_norm: LayerNorm::load(&source.at("post_mlp_layernorm"), width, shape.eps)?,
    })
}

fn embeddings(
    source: &Source<'_>,
    norm: &Source<'_>,
    [n_words, n_types]: [usize; 2],
    shape: &Shape,
) -> Result<TokenEmbeddings> {
    let tables = source.at("embeddings");
    let table = |name, n| Embedding::load(&tables.at(name), n, shape.width);
    Ok(TokenEmbeddings {
        word_embeddings: table("word_embeddings", n_words)?,
        position_embeddings: None,
        token_type_embeddings: (n_types > 0).then(|| table("token_type_embeddings", n_types)).transpose()?,
        layer_norm: LayerNorm::load(norm, shape.width, shape.eps)?,
        projection: None,
    })
}
