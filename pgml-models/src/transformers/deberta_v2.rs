//! DeBERTa 2 and 3 (He et al. 2021, 2023): attention that keeps content and distance apart, and in the large second version a
//! convolution beside the first layer.

use std::sync::Arc;

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::head::Words;
use super::{Encoder, Head, HeadSource, Heads, TextEncoder, activation, check_heads, n_labels, only, read};
use crate::kernels::Team;
use crate::nn::convolution::Convolution;
use crate::nn::disentangled::{Disentangled, Distances};
use crate::nn::linear::Piece;
use crate::nn::{Embedding, Hidden, LayerNorm, Linear, Matrix, Mlp, PackedBatch, Source, embedding};

/// DeBERTa 2 and 3.
pub static DEBERTA_V2: Encoder = Encoder {
    model_types: &["deberta-v2"],
    prefix: "deberta",
    // Tables of positions are left in some checkpoints of models that do without.
    ignored: &[
        "position_embeddings.",
        "position_ids",
        "pooler.",
        "lm_predictions.",
        "mask_predictions.",
        "cls.",
        "classifier.",
        "qa_outputs.",
    ],
    load,
    head: Some(Heads::of_encoder(head, words)),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    embedding_size: Option<usize>,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    max_relative_positions: Option<i64>,
    position_buckets: Option<i64>,
    position_biased_input: Option<bool>,
    share_att_key: Option<bool>,
    pos_att_type: Option<PositionTerms>,
    norm_rel_ebd: Option<String>,
    conv_kernel_size: Option<usize>,
    conv_act: Option<String>,
    pooler_hidden_act: Option<String>,
}

/// `"c2p|p2c"` or `["c2p", "p2c"]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum PositionTerms {
    Joined(String),
    Listed(Vec<String>),
}

struct DebertaV2 {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    /// Reads the embeddings and adds to the first layer's output.
    conv: Option<(Convolution, LayerNorm)>,
    width: usize,
    max_tokens: usize,
}

struct Embeddings {
    word_embeddings: Embedding,
    position_embeddings: Option<Embedding>,
    token_type_embeddings: Option<Embedding>,
    embed_proj: Option<Linear>,
    layer_norm: LayerNorm,
}

struct Layer {
    query_key_value: Linear,
    attention: Disentangled,
    attention_output: Linear,
    attention_norm: LayerNorm,
    mlp: Mlp,
    output_norm: LayerNorm,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    only(config, "relative_attention", &[json!(true)])?;
    only(config, "conv_groups", &[json!(1)])?;
    let config: Config = read(config)?;
    check_heads(config.hidden_size, config.num_attention_heads)?;
    let encoder = source.at("encoder");
    let distances = rel_embeddings(&encoder, &config)?;
    let layers = (0..config.num_hidden_layers).map(|i| Layer::load(&encoder.at("layer").at(i), &config, &distances));
    Ok(Box::new(DebertaV2 {
        embeddings: Embeddings::load(&source.at("embeddings"), &config)?,
        layers: layers.collect::<Result<_>>()?,
        conv: conv(&encoder.at("conv"), &config)?,
        width: config.hidden_size,
        max_tokens: config.max_position_embeddings,
    }))
}

fn head(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    let fields: Config = read(config)?;
    only(config, "pooler_hidden_size", &[json!(fields.hidden_size)])?;
    let act = activation(fields.pooler_hidden_act.as_deref().unwrap_or("gelu"))?;
    let (dense, classifier) = (source.root.at("pooler.dense"), source.root.at("classifier"));
    Head::load(&dense, act, &classifier, source.width, n_labels(config)?)
}

/// In the form of transformers, or in that of the authors where `legacy` is off.
fn words(config: &Value, source: &HeadSource<'_>) -> Result<Head> {
    only(config, "legacy", &[json!(true), json!(false)])?;
    let (fields, is_own) = (read::<Config>(config)?, config["legacy"] == json!(false));
    let own = source.root.at(if is_own { "lm_predictions.lm_head" } else { "cls.predictions" });
    let transform = if is_own { own.clone() } else { own.at("transform") };
    let words = Words {
        dense: transform.at("dense"),
        activation: activation(&fields.hidden_act)?,
        norm: transform.at("LayerNorm"),
        eps: fields.layer_norm_eps,
        inner: if is_own { fields.hidden_size } else { fields.embedding_size.unwrap_or(fields.hidden_size) },
        decoder: own.at("decoder"),
        table: source.model.at("embeddings.word_embeddings"),
        bias: own,
    };
    words.load_all(config, source)
}

impl Config {
    fn distances(&self) -> Distances {
        let given = |n: Option<i64>| n.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let max = given(self.max_relative_positions).unwrap_or(self.max_position_embeddings);
        Distances { buckets: given(self.position_buckets), max }
    }

    /// Whether scores have the term `name`.
    fn has_term(&self, name: &str) -> bool {
        match &self.pos_att_type {
            None => false,
            Some(PositionTerms::Joined(names)) => names.to_lowercase().split('|').any(|known| known.trim() == name),
            Some(PositionTerms::Listed(names)) => names.iter().any(|known| known == name),
        }
    }
}

/// One row for each distance, normalised where the configuration says so.
fn rel_embeddings(encoder: &Source<'_>, config: &Config) -> Result<Hidden> {
    let (n, width) = (2 * config.distances().span(), config.hidden_size);
    let table = encoder.at("rel_embeddings").weights.floats("weight", &[n, width])?.into_owned();
    let rows = encoder.placement.place(Matrix::new(table, width, &Arc::new(Team::new(1))));
    let norms = config.norm_rel_ebd.as_deref().unwrap_or("none").to_lowercase();
    match norms.split('|').map(str::trim).find(|name| *name != "none") {
        None => Ok(rows),
        Some("layer_norm") => {
            Ok(LayerNorm::load(&encoder.at("LayerNorm"), width, config.layer_norm_eps)?.forward(rows))
        }
        Some(other) => bail!(NotSupported, "norm_rel_ebd \"{other}\" is not supported; known: none, layer_norm"),
    }
}

fn conv(source: &Source<'_>, config: &Config) -> Result<Option<(Convolution, LayerNorm)>> {
    let Some(kernel_size) = config.conv_kernel_size.filter(|n| *n > 0) else { return Ok(None) };
    let act = activation(config.conv_act.as_deref().unwrap_or("tanh"))?;
    let conv = Convolution::load(&source.at("conv"), config.hidden_size, kernel_size, act)?;
    Ok(Some((conv, LayerNorm::load(&source.at("LayerNorm"), config.hidden_size, config.layer_norm_eps)?)))
}

impl Embeddings {
    fn load(source: &Source<'_>, config: &Config) -> Result<Self> {
        let width = config.embedding_size.unwrap_or(config.hidden_size);
        let table = |name, n| Embedding::load(&source.at(name), n, width);
        let position_rows = config.position_biased_input.unwrap_or(true).then_some(config.max_position_embeddings);
        let type_rows = Some(config.type_vocab_size).filter(|n| *n > 0);
        let projection = || Linear::load(&source.at("embed_proj"), width, config.hidden_size);
        Ok(Self {
            word_embeddings: table("word_embeddings", config.vocab_size)?,
            position_embeddings: position_rows.map(|n| table("position_embeddings", n)).transpose()?,
            token_type_embeddings: type_rows.map(|n| table("token_type_embeddings", n)).transpose()?,
            embed_proj: (width != config.hidden_size).then(projection).transpose()?,
            layer_norm: LayerNorm::load(&source.at("LayerNorm"), config.hidden_size, config.layer_norm_eps)?,
        })
    }

    fn forward(&self, batch: &PackedBatch) -> Result<Hidden> {
        let positions = batch.positions(0);
        let mut tables = vec![(&self.word_embeddings, batch.ids())];
        tables.extend(self.position_embeddings.as_ref().map(|table| (table, &positions[..])));
        tables.extend(self.token_type_embeddings.as_ref().map(|table| (table, batch.type_ids())));
        let sum = embedding::sum(&tables, batch)?;
        Ok(self.layer_norm.forward(match &self.embed_proj {
            Some(projection) => projection.forward(&sum),
            None => sum,
        }))
    }
}

impl Layer {
    fn load(source: &Source<'_>, config: &Config, distances: &Hidden) -> Result<Self> {
        let (width, eps, attention) = (config.hidden_size, config.layer_norm_eps, source.at("attention"));
        let own = attention.at("self");
        let piece = |name| Piece { source: own.at(name), outputs: width };
        Ok(Self {
            query_key_value: Linear::joined(&[piece("query_proj"), piece("key_proj"), piece("value_proj")], width)?,
            attention: disentangled(&own, config, distances)?,
            attention_output: Linear::load(&attention.at("output.dense"), width, width)?,
            attention_norm: LayerNorm::load(&attention.at("output.LayerNorm"), width, eps)?,
            mlp: Mlp::load(
                &source.at("intermediate.dense"),
                &source.at("output.dense"),
                [width, config.intermediate_size],
                activation(&config.hidden_act)?,
            )?,
            output_norm: LayerNorm::load(&source.at("output.LayerNorm"), width, eps)?,
        })
    }

    fn forward(&self, x: &Hidden, batch: &PackedBatch) -> Hidden {
        let gathered = self.attention.forward(self.query_key_value.forward(x), batch);
        let attended = self.attention_norm.forward(self.attention_output.forward_add(&gathered, x));
        self.output_norm.forward(self.mlp.forward_add(&attended, &attended))
    }
}

fn disentangled(source: &Source<'_>, config: &Config, distances: &Hidden) -> Result<Disentangled> {
    let (width, n_heads) = (config.hidden_size, config.num_attention_heads);
    let names = match config.share_att_key {
        Some(true) => ["key_proj", "query_proj"],
        _ => ["pos_key_proj", "pos_query_proj"],
    };
    let positions = |term, name| -> Result<Option<Hidden>> {
        let layer = || Ok(Linear::load(&source.at(name), width, width)?.forward(distances));
        config.has_term(term).then(layer).transpose()
    };
    let terms = [positions("c2p", names[0])?, positions("p2c", names[1])?];
    Ok(Disentangled::new([n_heads, width / n_heads], config.distances(), terms, source.placement.device()))
}

impl TextEncoder for DebertaV2 {
    fn width(&self) -> usize {
        self.width
    }

    fn max_tokens(&self) -> Option<usize> {
        Some(self.max_tokens)
    }

    fn forward(&self, batch: &PackedBatch) -> Result<Hidden> {
        let embedded = self.embeddings.forward(batch)?;
        let Some((first, rest)) = self.layers.split_first() else { return Ok(embedded) };
        let mut x = first.forward(&embedded, batch);
        if let Some((conv, norm)) = &self.conv {
            x = norm.forward(conv.forward_add(&embedded, batch, &x));
        }
        Ok(rest.iter().fold(x, |x, layer| layer.forward(&x, batch)))
    }
}
