//! BART (Lewis et al. 2020; DistilBART) and its kin, which differ in where they normalise and in their positions: mBART (Liu et
//! al. 2020; Tang et al. 2020), Marian (Junczys-Dowmunt et al. 2018; opus-mt), Pegasus (Zhang et al. 2020), and M2M100 (Fan et
//! al. 2021; NLLB Team 2022).

use pgml_core::Result;
use serde::Deserialize;
use serde_json::Value;

use super::positions::{halves_of_sines, learnt, tensor2tensor};
use super::stack::Layer;
use super::{CausalLm, DecoderLayer, PostNormLayer, PreNormLayer, Reader, Seq2Seq, Seq2SeqLm, Stack};
use super::{activation, check_heads, read};
use crate::nn::cross_attention::Projections;
use crate::nn::linear::Piece;
use crate::nn::{Attention, CrossAttention, Embedding, FeedForward, LayerNorm, Linear, Mlp, Source};

/// Copies of the table of words, and positions that follow from their numbers.
const IGNORED: &[&str] = &["encoder.embed_tokens.", "decoder.embed_tokens.", "embed_positions.weights"];

/// BART and DistilBART.
pub static BART: Seq2Seq = Seq2Seq {
    model_types: &["bart"],
    ignored: IGNORED,
    defaults: &[
        ("decoder_start_token_id", 2),
        ("bos_token_id", 0),
        ("pad_token_id", 1),
        ("eos_token_id", 2),
        ("forced_eos_token_id", 2),
    ],
    load: |config, root| load(config, root, &BART_FORM),
};

pub(super) const BART_FORM: Form<PostNormLayer> =
    Form { layer: post_norm, embeddings_norm: true, final_norm: false, positions: learnt };

/// mBART and mBART-50.
pub static MBART: Seq2Seq = Seq2Seq {
    model_types: &["mbart"],
    ignored: IGNORED,
    defaults: &[("bos_token_id", 0), ("pad_token_id", 1), ("eos_token_id", 2), ("forced_eos_token_id", 2)],
    load: |config, root| {
        load(config, root, &Form { layer: pre_norm, embeddings_norm: true, final_norm: true, positions: learnt })
    },
};

/// Marian.
pub static MARIAN: Seq2Seq = Seq2Seq {
    model_types: &["marian"],
    ignored: IGNORED,
    defaults: &[
        ("decoder_start_token_id", 58_100),
        ("pad_token_id", 58_100),
        ("eos_token_id", 0),
        ("forced_eos_token_id", 0),
    ],
    load: |config, root| {
        load(
            config,
            root,
            &Form { layer: post_norm, embeddings_norm: false, final_norm: false, positions: halves_of_sines },
        )
    },
};

/// Pegasus.
pub static PEGASUS: Seq2Seq = Seq2Seq {
    model_types: &["pegasus"],
    ignored: IGNORED,
    defaults: &[("decoder_start_token_id", 0), ("pad_token_id", 0), ("eos_token_id", 1), ("forced_eos_token_id", 1)],
    load: |config, root| {
        load(
            config,
            root,
            &Form { layer: pre_norm, embeddings_norm: false, final_norm: true, positions: halves_of_sines },
        )
    },
};

/// M2M100 and NLLB.
pub static M2M100: Seq2Seq = Seq2Seq {
    model_types: &["m2m_100"],
    ignored: IGNORED,
    defaults: &[("decoder_start_token_id", 2), ("bos_token_id", 0), ("pad_token_id", 1), ("eos_token_id", 2)],
    load: |config, root| {
        load(
            config,
            root,
            &Form { layer: pre_norm, embeddings_norm: false, final_norm: true, positions: tensor2tensor },
        )
    },
};

#[derive(Deserialize)]
pub(super) struct Config {
    pub vocab_size: usize,
    pub d_model: usize,
    encoder_layers: usize,
    encoder_attention_heads: usize,
    encoder_ffn_dim: usize,
    decoder_layers: usize,
    decoder_attention_heads: usize,
    decoder_ffn_dim: usize,
    activation_function: String,
    max_position_embeddings: usize,
    #[serde(default)]
    scale_embedding: bool,
    /// Marian: whether encoder and decoder have one vocabulary, and how many words the decoder has otherwise.
    share_encoder_decoder_embeddings: Option<bool>,
    decoder_vocab_size: Option<usize>,
}

impl Config {
    pub(super) fn read(config: &Value) -> Result<Self> {
        let config: Self = read(config)?;
        check_heads(config.d_model, config.encoder_attention_heads)?;
        check_heads(config.d_model, config.decoder_attention_heads)?;
        Ok(config)
    }

    /// The table of words that encoder and decoder have in common.
    pub(super) fn words(&self, source: &Source<'_>) -> Result<Embedding> {
        self.table(&source.at("shared"), self.vocab_size)
    }

    /// How many words the decoder has, where they are others than the encoder's.
    fn own_words(&self) -> Option<usize> {
        let shares = self.share_encoder_decoder_embeddings.unwrap_or(true);
        (!shares).then(|| self.decoder_vocab_size.unwrap_or(self.vocab_size))
    }

    fn table(&self, source: &Source<'_>, n: usize) -> Result<Embedding> {
        let words = Embedding::load(source, n, self.d_model)?;
        Ok(if self.scale_embedding { words.scaled((self.d_model as f32).sqrt()) } else { words })
    }
}

/// What the kin differ in.
pub(super) struct Form<L> {
    layer: fn(&Source<'_>, &Config, usize, Attention) -> Result<L>,
    embeddings_norm: bool,
    final_norm: bool,
    /// The table of an encoder's or decoder's positions: so many, so wide.
    positions: fn(&Source<'_>, [usize; 2]) -> Result<Embedding>,
}

const EPS: f64 = 1e-5;

fn load<L: Layer + 'static>(config: &Value, root: &Source<'_>, form: &Form<L>) -> Result<Seq2SeqLm>
where
    DecoderLayer<L>: Layer,
{
    let config = Config::read(config)?;
    let source = root.at_or_here("model");
    let vocabulary = config.own_words().unwrap_or(config.vocab_size);
    let [read, written] = match config.own_words() {
        None => ["shared", "shared"],
        Some(_) => ["encoder.embed_tokens", "decoder.embed_tokens"],
    };
    let mut words =
        [config.table(&source.at(read), config.vocab_size)?, config.table(&source.at(written), vocabulary)?];
    let (head, is_own) = head(root, &source.at(written), [config.d_model, vocabulary])?;
    if !is_own {
        let shared = usize::from(read != written);
        words[shared..].iter_mut().for_each(|words| words.share(&head));
    }
    let (reader, decoder) = both(&config, &source, form, [&words[0], &words[1]])?;
    let decoder = CausalLm::new(Box::new(decoder), head, vocabulary, root.placement)?;
    Ok(Seq2SeqLm { reader, decoder })
}

/// Encoder and decoder, each with its table of words; `source` is above both.
pub(super) fn both<L: Layer + 'static>(
    config: &Config,
    source: &Source<'_>,
    form: &Form<L>,
    [read, written]: [&Embedding; 2],
) -> Result<(Reader, Stack<DecoderLayer<L>>)> {
    let (width, at) = (config.d_model, source.at("encoder"));
    let own = Attention::full(width, config.encoder_attention_heads);
    let layers = (0..config.encoder_layers)
        .map(|i| (form.layer)(&at.at("layers").at(i), config, config.encoder_ffn_dim, own.clone()));
    let encoder = stack(&at, config, form, read.clone(), layers.collect::<Result<Vec<L>>>()?)?;

    let at = source.at("decoder");
    let layers = (0..config.decoder_layers).map(|layer| {
        let own = Attention { causal: true, layer, ..Attention::full(width, config.decoder_attention_heads) };
        let cross_attention = Attention { causal: false, ..own.clone() };
        let at = at.at("layers").at(layer);
        Ok(DecoderLayer {
            own: (form.layer)(&at, config, config.decoder_ffn_dim, own)?,
            cross_norm: LayerNorm::load(&at.at("encoder_attn_layer_norm"), width, EPS)?,
            cross: CrossAttention::load(&projections(&at.at("encoder_attn")), width, cross_attention)?,
        })
    });
    let decoder = stack(&at, config, form, written.clone(), layers.collect::<Result<Vec<DecoderLayer<L>>>>()?)?;

    let keys_values = (0..config.decoder_layers).map(|i| {
        CrossAttention::load_keys_values(&projections(&at.at("layers").at(i).at("encoder_attn")), width, width)
    });
    let reader = Reader::new(Box::new(encoder), keys_values.collect::<Result<_>>()?, source.placement);
    Ok((reader, decoder))
}

/// The scores of all words, with a bias where there is one, and whether they have a matrix of their own: otherwise it is the table
/// of words.
fn head(root: &Source<'_>, table: &Source<'_>, [width, n]: [usize; 2]) -> Result<(Linear, bool)> {
    let (own, placement) = (root.at("lm_head"), &root.placement.of_output());
    let is_own = own.weights.has("weight");
    let words = if is_own { own } else { table.clone() };
    let head = Linear::load(&Source { placement, ..words }, width, n)?;
    Ok((
        match root.weights.has("final_logits_bias") {
            true => head.with_bias(root.weights.floats("final_logits_bias", &[1, n])?.into_owned()),
            false => head,
        },
        is_own,
    ))
}

fn stack<L, M>(at: &Source<'_>, config: &Config, form: &Form<L>, words: Embedding, layers: Vec<M>) -> Result<Stack<M>> {
    let norm = |wanted: bool, name| wanted.then(|| LayerNorm::load(&at.at(name), config.d_model, EPS)).transpose();
    Ok(Stack {
        embeddings: words,
        positions: Some((form.positions)(&at.at("embed_positions"), [config.max_position_embeddings, config.d_model])?),
        embeddings_norm: norm(form.embeddings_norm, "layernorm_embedding")?,
        layers,
        final_norm: norm(form.final_norm, "layer_norm")?,
        width: config.d_model,
        max_tokens: Some(config.max_position_embeddings),
    })
}

fn projections<'a>(at: &Source<'a>) -> Projections<'a> {
    let [query, key, value, output] = ["q_proj", "k_proj", "v_proj", "out_proj"].map(|name| at.at(name));
    Projections { query, key, value, output }
}

/// Queries, keys and values side by side, and the layer that takes what they gather.
fn own_attention(at: &Source<'_>, width: usize) -> Result<[Linear; 2]> {
    let Projections { query, key, value, output } = projections(&at.at("self_attn"));
    let pieces = [query, key, value].map(|source| Piece { source, outputs: width });
    Ok([Linear::joined(&pieces, width)?, Linear::load(&output, width, width)?])
}

fn feed_forward(at: &Source<'_>, config: &Config, inner: usize) -> Result<FeedForward> {
    let act = activation(&config.activation_function)?;
    Ok(Mlp::load(&at.at("fc1"), &at.at("fc2"), [config.d_model, inner], act)?.into())
}

fn post_norm(at: &Source<'_>, config: &Config, inner: usize, attention: Attention) -> Result<PostNormLayer> {
    let [query_key_value, attention_output] = own_attention(at, config.d_model)?;
    Ok(PostNormLayer {
        query_key_value,
        query_key_norms: None,
        rope: None,
        attention,
        attention_output,
        attention_norm: LayerNorm::load(&at.at("self_attn_layer_norm"), config.d_model, EPS)?,
        second_norm: None,
        feed_forward: feed_forward(at, config, inner)?,
        output_norm: LayerNorm::load(&at.at("final_layer_norm"), config.d_model, EPS)?,
    })
}

fn pre_norm(at: &Source<'_>, config: &Config, inner: usize, attention: Attention) -> Result<PreNormLayer> {
    let [query_key_value, attention_output] = own_attention(at, config.d_model)?;
    Ok(PreNormLayer {
        attention_norm: Some(LayerNorm::load(&at.at("self_attn_layer_norm"), config.d_model, EPS)?),
        query_key_value,
        query_key_norms: None,
        rope: None,
        attention,
        attention_output,
        output_norms: None,
        feed_forward_norm: Some(LayerNorm::load(&at.at("final_layer_norm"), config.d_model, EPS)?),
        feed_forward: feed_forward(at, config, inner)?,
    })
}
