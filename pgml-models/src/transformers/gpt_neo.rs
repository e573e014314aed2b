//! GPT-Neo (Black et al. 2021), whose layers see all or a window by turns.

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, activation, check_heads, read};
use crate::nn::linear::Piece;
use crate::nn::{Attention, Embedding, LayerNorm, Linear, Mlp, Source};

/// GPT-Neo.
pub static GPT_NEO: Encoder = Encoder {
    model_types: &["gpt_neo"],
    prefix: "transformer",
    // Masks that old checkpoints store.
    ignored: &["attn.attention.bias", "attn.attention.masked_bias", "lm_head.", "score.", "classifier.", "qa_outputs."],
    load,
    head: Some(Heads::EARLY_DECODER),
};

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_layers: usize,
    num_heads: usize,
    intermediate_size: Option<usize>,
    max_position_embeddings: usize,
    window_size: usize,
    activation_function: String,
    layer_norm_epsilon: f64,
    attention_layers: Option<Vec<String>>,
    /// Kinds of layers, and how often they follow each other.
    #[serde(default)]
    attention_types: Vec<(Vec<String>, usize)>,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields: Config = read(config)?;
    let width = fields.hidden_size;
    check_heads(width, fields.num_heads)?;
    let layers = (0..fields.num_layers).map(|i| layer(&source.at("h").at(i), &fields, i));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("wte"), fields.vocab_size, width)?,
        positions: Some(Embedding::load(&source.at("wpe"), fields.max_position_embeddings, width)?),
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(LayerNorm::load(&source.at("ln_f"), width, fields.layer_norm_epsilon)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

impl Config {
    /// How far layer `i` sees, the token itself not counted.
    fn window(&self, i: usize) -> Result<Option<usize>> {
        let repeated = || {
            let runs = self.attention_types.iter();
            runs.flat_map(|(kinds, times)| std::iter::repeat_n(kinds, (*times).min(self.num_layers)).flatten()).nth(i)
        };
        let kind = match &self.attention_layers {
            Some(layers) => layers.get(i),
            None => repeated(),
        };
        match kind.map(String::as_str) {
            Some("global") => Ok(None),
            Some("local") => Ok(Some(self.window_size.saturating_sub(1))),
            Some(other) => bail!(NotSupported, "attention of layer {i} is {other:?}; known: global, local"),
            None => bail!(Corrupted, "config.json of the model does not say what attention layer {i} has"),
        }
    }
}

fn layer(source: &Source<'_>, fields: &Config, i: usize) -> Result<PreNormLayer> {
    let (width, own) = (fields.hidden_size, source.at("attn.attention"));
    let piece = |name| Piece { source: own.at(name), outputs: width };
    let norm = |name| LayerNorm::load(&source.at(name), width, fields.layer_norm_epsilon);
    let (full, window) = (Attention::full(width, fields.num_heads), fields.window(i)?);
    let (up, down) = (source.at("mlp.c_fc"), source.at("mlp.c_proj"));
    let shape = [width, fields.intermediate_size.unwrap_or(4 * width)];
    Ok(PreNormLayer {
        attention_norm: Some(norm("ln_1")?),
        query_key_value: Linear::joined(&[piece("q_proj"), piece("k_proj"), piece("v_proj")], width)?,
        query_key_norms: None,
        rope: None,
        // Scores are not scaled.
        attention: Attention { causal: true, layer: i, scale: 1.0, window, ..full },
        attention_output: Linear::load(&own.at("out_proj"), width, width)?,
        output_norms: None,
        feed_forward_norm: Some(norm("ln_2")?),
        feed_forward: Mlp::load(&up, &down, shape, activation(&fields.activation_function)?)?.into(),
    })
}
