//! Models that say which token comes next: a body that sees what is behind, and a score for every token of the vocabulary.

use pgml_core::{ErrorKind, Result, bail, error::unknown_name};
use serde_json::Value;

use super::{
    Encoder, TextEncoder, bloom, cohere, config::vocabulary, decoder, falcon, gemma, gemma2, gemma3, gpt_neo, gpt_neox,
    gpt2, gptj, granite, mixtral, mpt, olmo, opt, phi, phi3, qwen_moe, smollm3, stablelm, starcoder2,
};
use crate::device::Placement;
use crate::nn::{CacheLayout, Hidden, Linear, Matrix, PackedBatch, Source};

/// An architecture that continues texts, before its weights are read.
pub struct Causal {
    /// What is below the scores.
    pub body: &'static Encoder,
    /// Where the body has its vectors of tokens: the output layer too, where `head` is not there.
    pub words: &'static str,
    /// Where the output layer stands, beside the body.
    pub head: &'static str,
}

/// Every such architecture, one line each.
#[rustfmt::skip]
pub static CAUSAL: &[Causal] = &[
    Causal { body: &gpt2::GPT2, words: "wte", head: "lm_head" },
    Causal { body: &decoder::LLAMA, words: "embed_tokens", head: "lm_head" },
    Causal { body: &decoder::MISTRAL, words: "embed_tokens", head: "lm_head" },
    Causal { body: &decoder::QWEN2, words: "embed_tokens", head: "lm_head" },
    Causal { body: &decoder::QWEN3, words: "embed_tokens", head: "lm_head" },
    Causal { body: &granite::GRANITE, words: "embed_tokens", head: "lm_head" },
    Causal { body: &smollm3::SMOLLM3, words: "embed_tokens", head: "lm_head" },
    Causal { body: &mixtral::MIXTRAL, words: "embed_tokens", head: "lm_head" },
    Causal { body: &qwen_moe::QWEN2_MOE, words: "embed_tokens", head: "lm_head" },
    Causal { body: &qwen_moe::QWEN3_MOE, words: "embed_tokens", head: "lm_head" },
    Causal { body: &opt::OPT, words: "embed_tokens", head: "lm_head" },
    Causal { body: &mpt::MPT, words: "wte", head: "lm_head" },
    Causal { body: &stablelm::STABLELM, words: "embed_tokens", head: "lm_head" },
    Causal { body: &bloom::BLOOM, words: "word_embeddings", head: "lm_head" },
    Causal { body: &gptj::GPTJ, words: "wte", head: "lm_head" },
    Causal { body: &cohere::COHERE, words: "embed_tokens", head: "lm_head" },
    Causal { body: &gpt_neo::GPT_NEO, words: "wte", head: "lm_head" },
    Causal { body: &gpt_neox::GPT_NEOX, words: "embed_in", head: "embed_out" },
    Causal { body: &phi::PHI, words: "embed_tokens", head: "lm_head" },
    Causal { body: &phi3::PHI3, words: "embed_tokens", head: "lm_head" },
    Causal { body: &olmo::OLMO, words: "embed_tokens", head: "lm_head" },
    Causal { body: &olmo::OLMO2, words: "embed_tokens", head: "lm_head" },
    Causal { body: &starcoder2::STARCODER2, words: "embed_tokens", head: "lm_head" },
    Causal { body: &falcon::FALCON, words: "word_embeddings", head: "lm_head" },
    Causal { body: &gemma::GEMMA, words: "embed_tokens", head: "lm_head" },
    Causal { body: &gemma2::GEMMA2, words: "embed_tokens", head: "lm_head" },
    Causal { body: &gemma3::GEMMA3, words: "embed_tokens", head: "lm_head" },
];

/// A model with its weights.
pub struct CausalLm {
    body: Box<dyn TextEncoder>,
    head: Linear,
    layout: CacheLayout,
    vocabulary: usize,
    /// Scores are pressed below it by a hyperbolic tangent (Gemma 2).
    softcap: Option<f32>,
    /// What scores are multiplied with.
    scale: f32,
    placement: Placement,
}

/// Finds the architecture that a configuration is of.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when it has no `model_type`; [`ErrorKind::NotSupported`], listing what is known.
pub fn of_config(config: &Value) -> Result<&'static Causal> {
    let Some(model_type) = config.get("model_type").and_then(Value::as_str) else {
        bail!(Corrupted, "config.json of the model has no model_type");
    };
    let known = || CAUSAL.iter().flat_map(|causal| causal.body.model_types.iter().copied());
    CAUSAL.iter().find(|causal| causal.body.model_types.contains(&model_type)).ok_or_else(|| {
        unknown_name(ErrorKind::NotSupported, "architecture of text generation (model_type)", model_type, known())
    })
}

impl Causal {
    /// Parts of names of tensors that checkpoints hold and that are not needed.
    pub fn ignored(&self) -> &'static [&'static str] {
        self.body.ignored
    }

    /// Reads the weights; `root` is the top of the checkpoint.
    ///
    /// # Errors
    /// Those of the body, and of [`Linear::load`].
    pub fn load(&self, config: &Value, root: &Source<'_>) -> Result<CausalLm> {
        let source = root.at_or_here(self.body.prefix);
        let mut body = (self.body.load)(config, &source)?;
        let vocabulary = vocabulary(config)?;
        let placement = &root.placement.of_output();
        // Whatever a checkpoint's own name for it is, transformers 5 may have stored it as lm_head.
        let own = [self.head, "lm_head"].map(|name| root.at(name)).into_iter().find(|own| own.weights.has("weight"));
        let head = if let Some(own) = own {
            Linear::load(&Source { placement, ..own }, body.width(), vocabulary)?
        } else {
            let words = Source { placement, ..source.at(self.words) };
            let head = Linear::load(&words, body.width(), vocabulary)?;
            body.share_words(&head);
            head
        };
        let number = |name| config.get(name).and_then(Value::as_f64);
        let scale = number("logit_scale").or_else(|| number("logits_scaling").map(f64::recip)).unwrap_or(1.0) as f32;
        let softcap = number("final_logit_softcapping").map(|cap| cap as f32);
        Ok(CausalLm { softcap, scale, ..CausalLm::new(body, head, vocabulary, root.placement)? })
    }
}

impl CausalLm {
    /// A body and the layer that makes scores of what it makes, one for each of `vocabulary` tokens.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] for a body whose tokens see what follows them.
    pub(super) fn new(
        body: Box<dyn TextEncoder>,
        head: Linear,
        vocabulary: usize,
        placement: &Placement,
    ) -> Result<Self> {
        let Some(layout) = body.cache_layout() else {
            bail!(NotSupported, "the model's tokens see what follows them: it makes vectors of texts, not texts");
        };
        Ok(Self { body, head, layout, vocabulary, softcap: None, scale: 1.0, placement: placement.clone() })
    }

    /// What it keeps of each token.
    #[must_use]
    pub fn layout(&self) -> CacheLayout {
        self.layout
    }

    /// How many tokens have a score.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Most tokens of one sequence; unlimited where positions are relative.
    #[must_use]
    pub fn max_tokens(&self) -> Option<usize> {
        self.body.max_tokens()
    }

    /// Where it computes.
    #[must_use]
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// What comes after the tokens in `rows` of the batch: a score for every token of the vocabulary before the softmax,
    /// rows × vocabulary. The batch's tokens are counted among those of their sequences.
    ///
    /// # Errors
    /// Those of [`TextEncoder::forward`]; failures of the device.
    pub fn logits(&self, batch: &PackedBatch, rows: &[usize]) -> Result<Vec<f32>> {
        let hidden = self.body.forward(batch)?;
        batch.commit();
        let wanted = self.wanted(hidden, rows, batch)?;
        let mut logits = self.head.forward(&wanted).into_matrix(batch.team())?.values().to_vec();
        if self.scale != 1.0 {
            logits.iter_mut().for_each(|logit| *logit *= self.scale);
        }
        if let Some(cap) = self.softcap {
            logits.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
        }
        Ok(logits)
    }

    fn wanted(&self, hidden: Hidden, rows: &[usize], batch: &PackedBatch) -> Result<Hidden> {
        let [n, width] = hidden.dims();
        if rows.len() == n && rows.iter().copied().eq(0..n) {
            return Ok(hidden);
        }
        let hidden = hidden.into_matrix(batch.team())?;
        let values: Vec<f32> = rows.iter().flat_map(|row| hidden.row(*row)).copied().collect();
        Ok(self.placement.place(Matrix::new(values, width, batch.team())))
    }
}
