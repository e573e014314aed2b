//! What a caller of `chunk` may ask for.

use serde_json::{Map, Value};

use super::splitter::Splitter;
use crate::hyperparams::ParamValue;
use crate::{Error, ErrorKind, Hyperparams, Result, bail, hyperparams};

hyperparams! {
    /// Arguments of all splitters, with the names and defaults of langchain-text-splitters 0.3.5. Which of them a
    /// splitter knows stands with the [`Splitter`].
    pub struct ChunkArgs called "argument" {
        /// Most characters (Unicode code points) of a chunk.
        chunk_size: i64 = 4000;
        /// Most characters that a chunk repeats of the one before it.
        chunk_overlap: i64 = 200, range: at_least(0.0);
        /// Where separators stay: true or "start" with the piece behind, "end" before; null leaves it to the splitter.
        keep_separator: Option<KeepSeparator> = None;
        /// Whether white space is removed from both ends of a chunk.
        strip_whitespace: bool = true;
        /// Accepted for compatibility.
        add_start_index: bool = false, no_effect: true;
        /// What separates the pieces of a text (character), or joins sentences in a chunk (nltk, spacy).
        separator: String = "\n\n".to_owned();
        /// What separates the pieces of a text, tried in this order; "" separates every character.
        separators: Option<Vec<String>> = None;
        /// Whether separators are regular expressions.
        is_separator_regex: bool = false;
        /// Language of the text.
        language: String = "english".to_owned(), choices: ["english"];
        /// Whether the white space between sentences is kept, instead of joining them with the separator.
        use_span_tokenize: bool = false;
        /// Pipeline that finds sentences; both names stand for the same rules here.
        pipeline: String = "en_core_web_sm".to_owned(), choices: ["en_core_web_sm", "sentencizer"];
        /// Accepted for compatibility: texts of any length are split.
        max_length: i64 = 1_000_000, no_effect: true;
    }
}

/// Where a separator goes when its text is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepSeparator {
    /// It goes away.
    No,
    /// To the piece behind it.
    Start,
    /// To the piece before it.
    End,
}

impl ParamValue for KeepSeparator {
    const KIND: &'static str = "boolean, \"start\" or \"end\"";
    fn read(json: &Value) -> Option<Self> {
        match json.as_str() {
            Some("start") => Some(Self::Start),
            Some("end") => Some(Self::End),
            _ => bool::read(json).map(|keep| if keep { Self::Start } else { Self::No }),
        }
    }
    fn write(&self) -> Value {
        match self {
            Self::No => Value::from(false),
            Self::Start => Value::from(true),
            Self::End => Value::from("end"),
        }
    }
}

impl ChunkArgs {
    /// Reads what was given to `splitter`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for an argument that this splitter does not know, listing those that it knows;
    /// for a value of the wrong type or out of range; and for values that do not go together.
    pub fn read(splitter: &Splitter, given: &Map<String, Value>) -> Result<Self> {
        if let Some(unknown) = given.keys().find(|key| !splitter.knows(key)) {
            let message = format!("{} got an unexpected keyword argument '{unknown}'", splitter.name);
            let known = splitter.known().collect::<Vec<_>>().join(", ");
            return Err(Error::new(ErrorKind::InvalidParameter, message).with_detail(format!("known: {known}")));
        }
        let args = Self::from_json(splitter.name, given)?;
        args.check()?;
        Ok(args)
    }

    fn check(&self) -> Result<()> {
        if self.chunk_overlap > self.chunk_size {
            let message = format!(
                "Got a larger chunk overlap ({}) than chunk size ({}), should be smaller.",
                self.chunk_overlap, self.chunk_size
            );
            let hint = "give both: without it, chunk_overlap is 200 and chunk_size 4000";
            return Err(Error::new(ErrorKind::InvalidParameter, message).with_hint(hint));
        }
        if self.use_span_tokenize && !self.separator.is_empty() {
            bail!(InvalidParameter, "When use_span_tokenize is True, separator should be ''");
        }
        Ok(())
    }
}
