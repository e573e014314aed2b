//! `token-classification`: what each word of a text is.

use std::sync::Arc;

use pgml_core::text::{Question, TagArgs, TextPipeline, TextToken, Tokens};
use pgml_core::{Hyperparams, Result, Run, bail};
use serde_json::{Map, Value};
use tokenizers::Encoding;

use super::classifier::labels;
use super::headed::{Aim, Headed};
use super::pipelines::Folder;
use super::reader::{Cut, Reader};
use crate::transformers::HeadKind;

const AIM: Aim = Aim { head: Some(HeadKind::Tokens), what: "label tokens" };

/// A checkpoint for classifying tokens.
pub struct Tagger {
    model: Headed,
    reader: Arc<Reader>,
    labels: Arc<Vec<String>>,
}

impl Tagger {
    /// Reads the model.
    ///
    /// # Errors
    /// See [`load_pipeline`](super::load_pipeline).
    pub fn load(from: &Folder<'_>) -> Result<Self> {
        Ok(Self {
            model: from.headed(AIM)?,
            reader: Arc::new(Reader::load(from.folder)?),
            labels: Arc::new(labels(&from.config)?),
        })
    }

    fn windows(&self, text: &str, args: &TagArgs) -> Result<Vec<Encoding>> {
        let stride = args.stride.map_or(0, |n| n as usize);
        let Some(max_tokens) = self.model.max_tokens() else {
            if args.stride.is_some() {
                bail!(
                    InvalidParameter,
                    "stride is {stride}, but the model reads texts of any length: there are no windows"
                );
            }
            return Ok(vec![self.reader.whole(text)?]);
        };
        let mut windows = self.reader.windows(text, Cut { max_tokens, stride })?;
        if args.stride.is_none() {
            windows.truncate(1);
        }
        Ok(windows)
    }

    /// The tokens of a window that are of the text.
    fn text_tokens(&self, characters: &[char], window: &Encoding) -> Vec<TextToken> {
        let unknown = self.reader.special("unk_token", &["[UNK]", "<unk>"]);
        let marked = self.reader.marks_subwords();
        let of_text = |index: usize| {
            let (start, end) = window.get_offsets()[index];
            let in_text = characters.get(start..end).unwrap_or_default();
            let is_unknown = Some(window.get_ids()[index]) == unknown;
            let word = if is_unknown { in_text.iter().collect() } else { window.get_tokens()[index].clone() };
            let continues = match marked {
                true => word.chars().count() != in_text.len(),
                // No space before it or at its beginning.
                false => start > 0 && !characters.iter().skip(start - 1).take(2).any(|c| *c == ' '),
            };
            TextToken { word, place: (start, end), index, continues: continues && !is_unknown }
        };
        let special = window.get_special_tokens_mask();
        (0..window.len()).filter(|index| special[*index] == 0).map(of_text).collect()
    }
}

impl TextPipeline for Tagger {
    fn ask(&self, input: &str, args: &Map<String, Value>) -> Result<Question> {
        let args = TagArgs::from_json("transform", args)?;
        args.check()?;
        let windows = self.windows(input, &args)?;
        let characters: Vec<char> = input.chars().collect();
        let tokens: Vec<Vec<TextToken>> = windows.iter().map(|window| self.text_tokens(&characters, window)).collect();
        let sequences = windows.iter().map(|window| self.reader.tokens(window)).collect();
        let (labels, reader) = (Arc::clone(&self.labels), Arc::clone(&self.reader));
        let answer = move |outputs: Vec<Vec<f32>>| args.answer(&labels, &tokens, &outputs, &|words| reader.join(words));
        Ok(Question::new(sequences, answer))
    }

    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        self.model.outputs(batch, run)
    }
}
