//! `question-answering`: where in a text the answer to a question stands.

use pgml_core::text::{AnswerArgs, ContextQuestion, ContextToken, Question, TextPipeline, Tokens};
use pgml_core::{Hyperparams, Result, Run, bail};
use serde_json::{Map, Value};
use tokenizers::Encoding;

use super::headed::{Aim, Headed};
use super::pipelines::Folder;
use super::reader::{Cut, Reader};
use crate::transformers::HeadKind;

const AIM: Aim = Aim { head: Some(HeadKind::Spans), what: "find answers" };

/// Tokens of a question with a part of its context, and of what two parts share, as in transformers.
const WINDOW: usize = 384;
const OVERLAP: usize = 128;

/// A checkpoint for finding answers.
pub struct Answerer {
    model: Headed,
    reader: Reader,
    /// The token that stands for "no answer".
    cls: Option<u32>,
}

impl Answerer {
    /// Reads the model.
    ///
    /// # Errors
    /// See [`load_pipeline`](super::load_pipeline).
    pub fn load(from: &Folder<'_>) -> Result<Self> {
        let reader = Reader::load(from.folder)?;
        Ok(Self { model: from.headed(AIM)?, cls: reader.special("cls_token", &["[CLS]"]), reader })
    }

    fn windows(&self, asked: &ContextQuestion, args: &AnswerArgs) -> Result<Vec<Encoding>> {
        let limit = self.model.most_tokens().unwrap_or(usize::MAX);
        let usual = self.model.max_tokens().unwrap_or(usize::MAX).min(WINDOW);
        let max_tokens = args.max_seq_len.map_or(usual, |n| n as usize);
        if max_tokens > limit {
            bail!(InvalidParameter, "max_seq_len is {max_tokens}, but the model reads {limit} tokens at most");
        }
        let stride = args.doc_stride.map_or(OVERLAP.min(max_tokens / 2), |n| n as usize);
        if stride > max_tokens {
            bail!(InvalidParameter, "doc_stride is {stride}, which is more than max_seq_len, {max_tokens}");
        }
        self.reader.question_windows(&asked.question, &asked.context, Cut { max_tokens, stride })
    }

    fn context_tokens(&self, window: &Encoding) -> Vec<ContextToken> {
        let (sequences, context_first) = (window.get_sequence_ids(), self.reader.has_context_first());
        let context = usize::from(!context_first);
        let token = |i: usize| ContextToken {
            // Where the context comes first, transformers takes what is in the question for an answer too.
            allowed: context_first || sequences[i] == Some(1) || Some(window.get_ids()[i]) == self.cls,
            place: window.get_offsets()[i],
            word: window.token_to_word(i).and_then(|(_, word)| window.word_to_chars(word, context)),
        };
        (0..window.len()).map(token).collect()
    }
}

impl TextPipeline for Answerer {
    fn ask(&self, input: &str, args: &Map<String, Value>) -> Result<Question> {
        let args = AnswerArgs::from_json("transform", args)?;
        let asked = ContextQuestion::read(input)?;
        let windows = self.windows(&asked, &args)?;
        let tokens: Vec<Vec<ContextToken>> = windows.iter().map(|window| self.context_tokens(window)).collect();
        let sequences = windows.iter().map(|window| self.reader.tokens(window)).collect();
        let answer = move |outputs: Vec<Vec<f32>>| args.answer(&asked.context, &tokens, &outputs);
        Ok(Question::new(sequences, answer))
    }

    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        self.model.outputs(batch, run)
    }
}
