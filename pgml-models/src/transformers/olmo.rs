//! OLMo (Groeneveld et al. 2024), whose norms have learnt nothing, and OLMo 2 (Walsh et al. 2024), which normalises what its
//! blocks say instead of what they read.

use pgml_core::Result;
use serde_json::Value;

use super::decoder::{self, Decoder, IGNORED, Kind, PLAIN};
use super::{Encoder, Heads, PreNormLayer, Stack, TextEncoder, rope};
use crate::nn::{Embedding, LayerNorm, Rope, Source};

/// OLMo.
pub static OLMO: Encoder = Encoder {
    model_types: &["olmo"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| {
        decoder::load(config, source, &Kind { norm: |_, fields, _| Ok(plain_norm(fields)), ..PLAIN })
    },
    head: Some(Heads::SCORE),
};

/// OLMo 2.
pub static OLMO2: Encoder =
    Encoder { model_types: &["olmo2"], prefix: "model", ignored: IGNORED, load: load_2, head: Some(Heads::SCORE) };

fn plain_norm(fields: &Decoder) -> LayerNorm {
    LayerNorm::plain(fields.hidden_size, 1e-5)
}

fn load_2(config: &Value, source: &Source<'_>) -> Result<Box<dyn TextEncoder>> {
    let fields = Decoder::read(config)?;
    let width = fields.hidden_size;
    let rope = rope(config, fields.head_dim(), "full_attention", ("rope_theta", 10_000.0))?;
    let layers = (0..fields.num_hidden_layers).map(|i| layer_2(&source.at("layers").at(i), &fields, &rope, i));
    Ok(Box::new(Stack {
        embeddings: Embedding::load(&source.at("embed_tokens"), fields.vocab_size, width)?,
        positions: None,
        embeddings_norm: None,
        layers: layers.collect::<Result<_>>()?,
        final_norm: Some(LayerNorm::load_rms(&source.at("norm"), width, fields.rms_norm_eps, 0.0)?),
        width,
        max_tokens: Some(fields.max_position_embeddings),
    }))
}

fn layer_2(source: &Source<'_>, fields: &Decoder, rope: &Rope, i: usize) -> Result<PreNormLayer> {
    let (width, own) = (fields.hidden_size, source.at("self_attn"));
    let norm = |name, width| LayerNorm::load_rms(&source.at(name), width, fields.rms_norm_eps, 0.0);
    let attention = fields.attention(i, None);
    let [queries_end, keys_end] = attention.ends();
    Ok(PreNormLayer {
        attention_norm: None,
        query_key_value: fields.query_key_value(&own)?,
        query_key_norms: Some([
            norm("self_attn.q_norm", queries_end)?,
            norm("self_attn.k_norm", keys_end - queries_end)?,
        ]),
        rope: Some(rope.clone()),
        attention,
        attention_output: fields.attention_output(&own)?,
        output_norms: Some([norm("post_attention_layernorm", width)?, norm("post_feedforward_layernorm", width)?]),
        feed_forward_norm: None,
        feed_forward: fields.feed_forward(&source.at("mlp"), fields.activation()?)?.into(),
    })
}
