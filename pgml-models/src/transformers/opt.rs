//! OPT (Zhang et al. 2022), one of whose forms, 350M, has norms behind its blocks and vectors of tokens that are narrower than its
//! layers.

use pgml_core::Result;
use serde::Deserialize;
use serde_json::Value;

use super::stack::Layer;
use super::{Encoder, Heads, PostNormLayer, PreNormLayer, Stack, TextEncoder, activation, check_heads, read};
use crate::nn::linear::Piece;
use crate::nn::{Attention, CacheLayout, Embedding, Hidden, LayerNorm, Linear, Mlp, PackedBatch, Source};

/// OPT.
pub static OPT: Encoder = Encoder {
    model_types: &["opt"],
    prefix: "model.decoder",
    ignored: &["lm_head.", "score.", "qa_outputs."],
    load,
    head: Some(Heads { tokens: None, ..Heads::DECODER }),
};

/// Rows of the table of positions before the first position.
const OFFSET: usize = 2;

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    hidden_size: usize,
    ffn_dim: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    activation_function: Option<String>,
    /// Of the vectors of tokens.
    word_embed_proj_dim: Option<usize>,
    do_layer_norm_before: Option<bool>,
    /// Whether norms have learnt anything.
    layer_norm_elementwise_affine: Option<bool>,
    #[serde(rename = "_remove_final_layer_norm", default)]
    remove_final_layer_norm: bool,
}

/// Vectors of tokens that are brought to the width of the layers, and back.
struct Projected<L> {
    stack: Stack<L>,
    project_in: Linear,
    project_out: Linear,
    width: usize,
}

fn load(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields: Config = read(config)?;
    check_heads(fields.hidden_size, fields.num_attention_heads)?;
    let layers = || (0..fields.num_hidden_layers).map(|i| (source.at("layers").at(i), i));
    if fields.do_layer_norm_before == Some(false) {
        let layer = |(source, i)| post_norm(&source, &fields, i);
        stack(source, &fields, layers().map(layer).collect::<Result<_>>()?, None)
    } else {
        let final_norm = || norm(&source.at("final_layer_norm"), &fields);
        let final_norm = (!fields.remove_final_layer_norm).then(final_norm).transpose()?;
        let layer = |(source, i)| pre_norm(&source, &fields, i);
        stack(source, &fields, layers().map(layer).collect::<Result<_>>()?, final_norm)
    }
}

fn stack<L: Layer + 'static>(
    source: &Source<'_>,
    fields: &Config,
    layers: Vec<L>,
    final_norm: Option<LayerNorm>,
) -> Result<Box<dyn TextEncoder>> {
    let (width, n) = (fields.hidden_size, fields.max_position_embeddings);
    let narrow = fields.word_embed_proj_dim.unwrap_or(width);
    let stack = Stack {
        embeddings: Embedding::load(&source.at("embed_tokens"), fields.vocab_size, narrow)?,
        positions: Some(Embedding::load_after(OFFSET, &source.at("embed_positions"), n, width)?),
        embeddings_norm: None,
        layers,
        final_norm,
        width,
        max_tokens: Some(n),
    };
    if narrow == width {
        return Ok(Box::new(stack));
    }
    let project_in = Linear::load(&source.at("project_in"), narrow, width)?;
    let project_out = Linear::load(&source.at("project_out"), width, narrow)?;
    Ok(Box::new(Projected { stack, project_in, project_out, width: narrow }))
}

fn norm(source: &Source<'_>, fields: &Config) -> Result<LayerNorm> {
    match fields.layer_norm_elementwise_affine {
        Some(false) => Ok(LayerNorm::plain(fields.hidden_size, 1e-5)),
        _ => LayerNorm::load(source, fields.hidden_size, 1e-5),
    }
}

fn pre_norm(source: &Source<'_>, fields: &Config, i: usize) -> Result<PreNormLayer> {
    let (width, own) = (fields.hidden_size, source.at("self_attn"));
    let piece = |name| Piece { source: own.at(name), outputs: width };
    let act = activation(fields.activation_function.as_deref().unwrap_or("relu"))?;
    Ok(PreNormLayer {
        attention_norm: Some(norm(&source.at("self_attn_layer_norm"), fields)?),
        query_key_value: Linear::joined(&[piece("q_proj"), piece("k_proj"), piece("v_proj")], width)?,
        query_key_norms: None,
        rope: None,
        attention: Attention { causal: true, layer: i, ..Attention::full(width, fields.num_attention_heads) },
        attention_output: Linear::load(&own.at("out_proj"), width, width)?,
        output_norms: None,
        feed_forward_norm: Some(norm(&source.at("final_layer_norm"), fields)?),
        feed_forward: Mlp::load(&source.at("fc1"), &source.at("fc2"), [width, fields.ffn_dim], act)?.into(),
    })
}

/// The same parts with the norms behind them.
fn post_norm(source: &Source<'_>, fields: &Config, i: usize) -> Result<PostNormLayer> {
    let parts = pre_norm(source, fields, i)?;
    Ok(PostNormLayer {
        query_key_value: parts.query_key_value,
        query_key_norms: None,
        rope: None,
        attention: parts.attention,
        attention_output: parts.attention_output,
        attention_norm: norm(&source.at("self_attn_layer_norm"), fields)?,
        second_norm: None,
        feed_forward: parts.feed_forward,
        output_norm: norm(&source.at("final_layer_norm"), fields)?,
    })
}

impl<L: Layer> TextEncoder for Projected<L> {
    fn width(&self) -> usize {
        self.width
    }

    fn max_tokens(&self) -> Option<usize> {
        self.stack.max_tokens()
    }

    fn cache_layout(&self) -> Option<CacheLayout> {
        self.stack.cache_layout()
    }

    fn share_words(&mut self, head: &Linear) {
        self.stack.share_words(head);
    }

    fn forward(&self, batch: &PackedBatch) -> Result<Hidden> {
        let mut x = self.project_in.forward(&self.stack.embeddings.forward(batch.ids(), batch)?);
        if let Some(positions) = &self.stack.positions {
            x = x.plus(&positions.forward(&batch.positions(0), batch)?);
        }
        Ok(self.project_out.forward(&self.stack.go_on(x, batch)?))
    }
}
