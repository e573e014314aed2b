//! The checkpoint's own tokenizer, for tasks that ask where in a text a token stands.

use std::path::Path;

use pgml_core::text::Tokens;
use pgml_core::{Error, ErrorKind, Result, bail};
use tokenizers::models::ModelWrapper;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::{Decoder, Encoding, PostProcessor, TruncationDirection};

use super::tokenizer::{Tokenizer, TokenizerConfig, refused};
use crate::generation::SpecialTokens;

/// Turns texts into tokens whose places in the text are known, in characters.
pub(super) struct Reader {
    /// Without what adds special tokens.
    tokenizer: tokenizers::Tokenizer,
    /// That. It stands apart because texts are cut between the two: with limits of its own the library drops what is beyond
    /// the first window while it reads (tokenizers 0.23.2; right again in 0.23.3).
    post_processor: Option<PostProcessorWrapper>,
    special: SpecialTokens,
    config: TokenizerConfig,
}

/// How a long text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// Most tokens of a window, special ones counted.
    pub max_tokens: usize,
    /// By how many tokens windows overlap.
    pub stride: usize,
}

impl Reader {
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let mut tokenizer = Tokenizer::load_whole(folder)?;
        let post_processor = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        let (special, config) = (SpecialTokens::read(folder)?, TokenizerConfig::read(folder)?);
        Ok(Self { tokenizer, post_processor, special, config })
    }

    /// The tokens of a text without special ones.
    pub(super) fn plain(&self, text: &str) -> Result<Encoding> {
        self.tokenizer.encode_char_offsets(text, false).map_err(refused)
    }

    /// All tokens of a text.
    pub(super) fn whole(&self, text: &str) -> Result<Encoding> {
        self.finished(self.plain(text)?, None)
    }

    /// The tokens of a text in windows, where they are too many for one.
    pub(super) fn windows(&self, text: &str, cut: Cut) -> Result<Vec<Encoding>> {
        let text = self.cut(self.plain(text)?, self.n_special(false), cut, "lower stride")?;
        self.finished(text, None).map(listed)
    }

    /// The tokens of a question with each window of its context, which stands behind it, or before it where padding would stand
    /// before both: as in transformers.
    pub(super) fn question_windows(&self, question: &str, context: &str, cut: Cut) -> Result<Vec<Encoding>> {
        let (mut question, mut context) = (self.plain(question)?, self.plain(context)?);
        let (taken, advice) =
            (question.len() + self.n_special(true), "ask in fewer words, or change doc_stride or max_seq_len");
        // Not every post-processor says it of the windows after the first.
        let second = if self.config.pads_left() { &mut question } else { &mut context };
        second.set_type_ids(vec![1; second.len()]);
        let context = self.cut(context, taken, cut, advice)?;
        match self.config.pads_left() {
            true => self.finished(context, Some(question)).map(listed),
            false => self.finished(question, Some(context)).map(listed),
        }
    }

    /// Whether contexts stand before their questions.
    pub(super) fn has_context_first(&self) -> bool {
        self.config.pads_left()
    }

    /// Cuts a text that does not fit beside `taken` tokens. Each window must have room for more than what it shares with the
    /// one before: `advice` says how to get it.
    fn cut(&self, mut text: Encoding, taken: usize, cut: Cut, advice: &str) -> Result<Encoding> {
        let room = cut.max_tokens.saturating_sub(taken);
        if text.len() <= room {
            return Ok(text);
        }
        if cut.stride >= room {
            bail!(InvalidParameter, "windows of {room} tokens of the text cannot overlap by {}: {advice}", cut.stride);
        }
        text.truncate(room, cut.stride, TruncationDirection::Right);
        Ok(text)
    }

    /// How many special tokens one or two texts get.
    fn n_special(&self, pair: bool) -> usize {
        self.post_processor.as_ref().map_or(0, |added| added.added_tokens(pair))
    }

    /// With special tokens.
    fn finished(&self, first: Encoding, second: Option<Encoding>) -> Result<Encoding> {
        match &self.post_processor {
            Some(processor) => processor.process(first, second, true).map_err(refused),
            None => {
                let texts = std::iter::once(first).chain(second).collect();
                let merged = <dyn PostProcessor>::default_process(texts, true).map_err(refused)?;
                Ok(merged.into_iter().next().unwrap_or_default())
            }
        }
    }

    /// What the model reads of an encoding.
    pub(super) fn tokens(&self, encoding: &Encoding) -> Tokens {
        let type_ids = match self.config.reads_types() {
            true => encoding.get_type_ids().to_vec(),
            false => vec![0; encoding.len()],
        };
        Tokens { ids: encoding.get_ids().to_vec(), type_ids, ..Tokens::default() }
    }

    /// A text of which at most `limit` tokens are read; what is behind is left out.
    pub(super) fn first(&self, text: &str, limit: Option<usize>) -> Result<Tokens> {
        let cut = Cut { max_tokens: limit.unwrap_or(usize::MAX), stride: 0 };
        let first = self.windows(text, cut)?.into_iter().next();
        Ok(first.map(|encoding| self.tokens(&encoding)).unwrap_or_default())
    }

    /// A whole text, refused when it has more than `limit` tokens.
    pub(super) fn limited(&self, text: &str, limit: Option<usize>) -> Result<Tokens> {
        let whole = self.whole(text)?;
        match limit.filter(|limit| whole.len() > *limit) {
            None => Ok(self.tokens(&whole)),
            Some(limit) => {
                let message = format!("the text has {} tokens, but the model reads {limit} at most", whole.len());
                Err(Error::new(ErrorKind::InvalidData, message)
                    .with_hint("args => '{\"tokenizer_kwargs\": {\"truncation\": true}}' cuts it"))
            }
        }
    }

    /// The id of a special token as `"mask_token"`: the one that the folder names, or else the first of `usual` that there is.
    pub(super) fn special(&self, name: &str, usual: &[&str]) -> Option<u32> {
        let named = self.special.get(name).and_then(|token| self.tokenizer.token_to_id(token));
        named.or_else(|| usual.iter().find_map(|token| self.tokenizer.token_to_id(token)))
    }

    /// The id of a word of the vocabulary.
    pub(super) fn id(&self, word: &str) -> Option<u32> {
        self.tokenizer.token_to_id(word)
    }

    /// What continues a word begins with, in vocabularies that mark it.
    pub(super) fn marks_subwords(&self) -> bool {
        match self.tokenizer.get_model() {
            ModelWrapper::WordPiece(model) => !model.continuing_subword_prefix.is_empty(),
            ModelWrapper::BPE(model) => model.continuing_subword_prefix.as_ref().is_some_and(|mark| !mark.is_empty()),
            ModelWrapper::WordLevel(_) | ModelWrapper::Unigram(_) => false,
        }
    }

    /// Tokens as a text, as the tokenizer puts them together.
    pub(super) fn join(&self, tokens: Vec<String>) -> Result<String> {
        match self.tokenizer.get_decoder() {
            Some(decoder) => decoder.decode(tokens).map_err(refused),
            None => Ok(tokens.join(" ")),
        }
    }

    /// The text of ids.
    pub(super) fn text(&self, ids: &[u32], without_special: bool) -> Result<String> {
        let text = self.tokenizer.decode(ids, without_special).map_err(refused)?;
        let is_bpe = matches!(self.tokenizer.get_model(), ModelWrapper::BPE(_));
        Ok(if self.config.cleans_up() && !is_bpe { cleaned(text) } else { text })
    }
}

/// Without the spaces that tokenizers put before punctuation, as in transformers.
fn cleaned(text: String) -> String {
    let replacements = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    replacements.into_iter().fold(text, |text, (from, to)| text.replace(from, to))
}

/// An encoding and what did not fit into it.
fn listed(mut first: Encoding) -> Vec<Encoding> {
    let rest = first.take_overflowing();
    std::iter::once(first).chain(rest).collect()
}
