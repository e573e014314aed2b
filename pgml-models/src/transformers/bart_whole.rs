//! BART (Lewis et al. 2020) as what reads a text: the encoder reads it, and the decoder reads it once more, shifted by one token,
//! and looks at what the encoder made. Checkpoints that classify (bart-large-mnli) read the decoder's last token.

use pgml_core::Result;
use serde::Deserialize;

use super::bart::{BART_FORM, Config, both};
use super::head::{Reads, n_labels};
use super::{DecoderLayer, Encoder, Head, Heads, PostNormLayer, Reader, Stack, TextEncoder, read};
use crate::kernels::Activation;
use crate::nn::{CacheLayout, CacheMemory, Hidden, KvCache, Linear, PackedBatch, Pooling};

/// BART, encoder and decoder.
pub static BART_WHOLE: Encoder = Encoder {
    model_types: &["bart"],
    prefix: "model",
    ignored: &[
        "encoder.embed_tokens.",
        "decoder.embed_tokens.",
        "final_logits_bias",
        "lm_head.",
        "classification_head.",
        "qa_outputs.",
    ],
    load: |config, source| {
        let (start, config) = (read::<Beginning>(config)?.decoder_start_token_id.unwrap_or(2), Config::read(config)?);
        let words = config.words(source)?;
        let (reader, decoder) = both(&config, source, &BART_FORM, [&words, &words])?;
        let layout = CacheLayout { n_layers: decoder.layers.len(), width: config.d_model, long_after: None };
        Ok(Box::new(Whole { reader, decoder, layout, start, on_host: source.placement.on_host() }))
    },
    head: Some(Heads {
        sequence: Some(|config, source| {
            let (dense, outputs) =
                (source.root.at("classification_head.dense"), source.root.at("classification_head.out_proj"));
            let head = Head::load(&dense, Activation::Tanh, &outputs, source.width, n_labels(config)?)?;
            Ok(Head { reads: Reads::Pooled(Pooling::LastToken), ..head })
        }),
        ..Heads::NONE
    }),
};

#[derive(Deserialize)]
struct Beginning {
    decoder_start_token_id: Option<u32>,
}

struct Whole {
    reader: Reader,
    decoder: Stack<DecoderLayer<PostNormLayer>>,
    /// Of what the decoder looks at.
    layout: CacheLayout,
    /// What the decoder reads first.
    start: u32,
    on_host: bool,
}

impl TextEncoder for Whole {
    fn width(&self) -> usize {
        self.decoder.width()
    }

    fn max_tokens(&self) -> Option<usize> {
        self.decoder.max_tokens()
    }

    fn share_words(&mut self, head: &Linear) {
        self.decoder.share_words(head);
    }

    fn forward(&self, batch: &PackedBatch) -> Result<Hidden> {
        let memory = CacheMemory::new(self.layout, usize::MAX);
        let mut sources: Vec<KvCache> = Vec::new();
        for rows in batch.sequences() {
            let mut source = KvCache::new(&memory, self.on_host);
            source.reserve(rows.len())?;
            sources.push(source);
        }
        self.reader.read(batch, &mut sources)?;
        let sources = sources.into_iter().map(std::sync::Arc::new).collect();
        self.decoder.forward(&batch.shifted(self.start).made_from(sources))
    }
}
