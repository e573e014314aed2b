//! T5 (Raffel et al. 2020), also its later forms with a gate (Shazeer 2020; FLAN-T5: Chung et al. 2022) and mT5 (Xue et al.
//! 2021) and umT5 (Chung et al. 2023), each of whose layers has biases of its own: the encoder alone for embeddings, which leaves a decoder in the checkpoint alone, and both for making texts from
//! others.

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::head::classifier;
use super::{CausalLm, DecoderLayer, Encoder, Heads, PreNormLayer, Reader, Seq2Seq, Seq2SeqLm, Stack, TextEncoder};
use super::{activation, read};
use crate::kernels::Activation;
use crate::nn::cross_attention::Projections;
use crate::nn::linear::Piece;
use crate::nn::{
    Attention, AttentionBias, CrossAttention, Embedding, FeedForward, GatedMlp, LayerNorm, Linear, Mlp, Source,
};

/// T5, mT5 and umT5.
pub static T5: Encoder = Encoder {
    model_types: &["t5", "mt5", "umt5"],
    prefix: "transformer",
    // One table under up to three names.
    ignored: &["decoder.", "lm_head.", "classification_head.", "encoder.embed_tokens.", "classifier.", "qa_outputs."],
    load,
    // Other heads read the decoder.
    head: Some(Heads { tokens: Some(classifier), ..Heads::NONE }),
};

/// T5 with its decoder.
pub static T5_SEQ2SEQ: Seq2Seq = Seq2Seq {
    model_types: &["t5"],
    ignored: TABLES,
    // Where its texts begin is said by every checkpoint.
    defaults: &[("pad_token_id", 0), ("eos_token_id", 1)],
    load: |config, root| {
        // The first T5 has one table for what goes in and what comes out, and scales between them; later ones have two.
        let one_table = config.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(true);
        let scaled = config.get("scale_decoder_outputs").and_then(Value::as_bool).unwrap_or(one_table);
        load_both(config, root, scaled)
    },
};

/// mT5 with its decoder.
pub static MT5_SEQ2SEQ: Seq2Seq = Seq2Seq {
    model_types: &["mt5"],
    ignored: TABLES,
    defaults: BEGIN_AND_END,
    load: |config, root| load_both(config, root, false),
};

/// umT5 with its decoder.
pub static UMT5_SEQ2SEQ: Seq2Seq = Seq2Seq {
    model_types: &["umt5"],
    ignored: TABLES,
    defaults: BEGIN_AND_END,
    load: |config, root| {
        // As transformers 4 does it. Version 5 takes all of them for models of one table, which its authors' are not.
        let one_table = config.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(true);
        load_both(config, root, one_table)
    },
};

const BEGIN_AND_END: &[(&str, u32)] = &[("decoder_start_token_id", 0), ("pad_token_id", 0), ("eos_token_id", 1)];

/// Copies of the table of words.
const TABLES: &[&str] = &["encoder.embed_tokens.", "decoder.embed_tokens.", "EncDecAttention.relative_attention_bias"];

#[derive(Deserialize)]
struct Config {
    model_type: String,
    vocab_size: usize,
    d_model: usize,
    d_kv: usize,
    d_ff: usize,
    num_layers: usize,
    num_decoder_layers: Option<usize>,
    num_heads: usize,
    relative_attention_num_buckets: usize,
    relative_attention_max_distance: Option<usize>,
    layer_norm_epsilon: f64,
    feed_forward_proj: Option<String>,
}

impl Config {
    fn read(config: &Value) -> Result<Self> {
        let config: Self = read(config)?;
        let (n_heads, n_buckets) = (config.num_heads, config.relative_attention_num_buckets);
        if n_heads == 0 || n_buckets < 4 {
            bail!(Corrupted, "{n_heads} heads and {n_buckets} buckets make no T5");
        }
        Ok(config)
    }

    /// The scale is in the weights.
    fn attention(&self, bias: AttentionBias) -> Attention {
        Attention { bias, scale: 1.0, ..Attention::full(self.num_heads * self.d_kv, self.num_heads) }
    }
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let config = Config::read(config)?;
    let encoder = source.at("encoder");
    let words = if source.weights.has("shared.weight") { source.at("shared") } else { encoder.at("embed_tokens") };
    let biases = Biases::load(&encoder, &config, config.num_layers, true)?;
    let layers = (0..config.num_layers)
        .map(|i| layer(&encoder.at("block").at(i).at("layer"), 1, &config, config.attention(biases.of(i))));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&words, config.vocab_size, config.d_model)?,
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(norm(&encoder.at("final_layer_norm"), &config)?),
        width: config.d_model,
        max_tokens: None,
    }))
}

/// Encoder and decoder; `scaled` tells whether what the decoder makes is scaled before it meets the table of words.
fn load_both(config: &Value, root: &Source<'_>, scaled: bool) -> Result<Seq2SeqLm> {
    let mut encoder = load(config, root)?;
    let config = Config::read(config)?;
    let (shared, own) = (root.at("shared"), root.at("lm_head"));
    let mut words = Embedding::load(&shared, config.vocab_size, config.d_model)?;
    let is_own = own.weights.has("weight");
    let placement = &root.placement.of_output();
    let head = Source { placement, ..if is_own { own } else { shared } };
    let head = Linear::load(&head, config.d_model, config.vocab_size)?;
    if !is_own {
        words.share(&head);
        encoder.share_words(&head);
    }
    let decoder = root.at("decoder");
    let n_layers = config.num_decoder_layers.unwrap_or(config.num_layers);
    let biases = Biases::load(&decoder, &config, n_layers, false)?;
    let at = |i: usize| decoder.at("block").at(i).at("layer");
    let layers = (0..n_layers).map(|layer| {
        decoder_layer(&at(layer), &config, Attention { causal: true, layer, ..config.attention(biases.of(layer)) })
    });
    let final_norm = norm(&decoder.at("final_layer_norm"), &config)?;
    let stack = Stack {
        embeddings: words,
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(if scaled { final_norm.scaled((config.d_model as f32).sqrt().recip()) } else { final_norm }),
        width: config.d_model,
        max_tokens: None,
    };
    let inner = config.num_heads * config.d_kv;
    let keys_values = (0..n_layers).map(|i| CrossAttention::load_keys_values(&cross(&at(i)), config.d_model, inner));
    let reader = Reader::new(encoder, keys_values.collect::<Result<_>>()?, root.placement);
    let decoder = CausalLm::new(Box::new(stack), head, config.vocab_size, root.placement)?;
    Ok(Seq2SeqLm { reader, decoder })
}

fn decoder_layer(source: &Source<'_>, config: &Config, own: Attention) -> Result<DecoderLayer<PreNormLayer>> {
    let cross_attention = Attention { layer: own.layer, ..config.attention(AttentionBias::None) };
    Ok(DecoderLayer {
        own: layer(source, 2, config, own)?,
        cross_norm: norm(&source.at("1.layer_norm"), config)?,
        cross: CrossAttention::load(&cross(source), config.d_model, cross_attention)?,
    })
}

/// Where a decoder's layer has its attention to the encoder's text.
fn cross<'a>(layer: &Source<'a>) -> Projections<'a> {
    let [query, key, value, output] = ["q", "k", "v", "o"].map(|name| layer.at("1.EncDecAttention").at(name));
    Projections { query, key, value, output }
}

/// By how far words are apart: the first block's serve all, but in umT5, where each block has its own.
struct Biases(Vec<AttentionBias>);

impl Biases {
    fn load(stack: &Source<'_>, config: &Config, n_layers: usize, both_sides: bool) -> Result<Self> {
        let n = if config.model_type == "umt5" { n_layers } else { 1 };
        let at = |i: usize| stack.at("block").at(i).at("layer.0.SelfAttention.relative_attention_bias");
        (0..n).map(|i| bias(&at(i), config, both_sides)).collect::<Result<_>>().map(Self)
    }

    fn of(&self, layer: usize) -> AttentionBias {
        self.0.get(layer).or(self.0.first()).cloned().unwrap_or(AttentionBias::None)
    }
}

fn bias(source: &Source<'_>, config: &Config, both_sides: bool) -> Result<AttentionBias> {
    let n_buckets = config.relative_attention_num_buckets;
    Ok(AttentionBias::Buckets {
        table: source.weights.floats("weight", &[n_buckets, config.num_heads])?.into_owned(),
        n_buckets,
        max_distance: config.relative_attention_max_distance.unwrap_or(128),
        both_sides,
    })
}

fn norm(source: &Source<'_>, config: &Config) -> Result<LayerNorm> {
    LayerNorm::load_rms(source, config.d_model, config.layer_norm_epsilon, 0.0)
}

/// `last` is the number of the layer's last part, which stands behind attention.
fn layer(source: &Source<'_>, last: usize, config: &Config, attention: Attention) -> Result<PreNormLayer> {
    let (width, inner, own, last) =
        (config.d_model, config.num_heads * config.d_kv, source.at("0.SelfAttention"), source.at(last));
    let piece = |name| Piece { source: own.at(name), outputs: inner };
    Ok(PreNormLayer {
        attention_norm: Some(norm(&source.at("0.layer_norm"), config)?),
        query_key_value: Linear::joined(&[piece("q"), piece("k"), piece("v")], width)?,
        query_key_norms: None,
        rope: None,
        attention,
        attention_output: Linear::load(&own.at("o"), inner, width)?,
        output_norms: None,
        feed_forward_norm: Some(norm(&last.at("layer_norm"), config)?),
        feed_forward: feed_forward(&last.at("DenseReluDense"), config)?,
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
