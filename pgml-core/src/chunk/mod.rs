//! Splits texts into chunks, as langchain-text-splitters 0.3.5 does.
//!
//! A [`Splitter`] says where a text may be cut; pieces are put together while they fit into `chunk_size`. Chunks are made
//! one at a time, so a text needs no more memory than itself, one chunk, and 8 bytes for each piece in it.

mod args;
mod merge;
mod pieces;
mod python_regex;
mod recursive;
mod sentences;
mod separator;
mod splitter;
mod whitespace;

use serde_json::{Map, Value};

use crate::{Result, bail};

pub use args::{ChunkArgs, KeepSeparator};
pub use splitter::{SPLITTERS, Splitter};

use merge::{Merger, length};
use pieces::Pieces;
use recursive::Recursive;
use sentences::{Punkt, Sentencizer};
use separator::Separator;
use splitter::Method;

/// Asked every few microseconds whether to go on; its error ends the work.
pub type Poll<'a> = &'a mut dyn FnMut() -> Result<()>;

/// The chunks of one text, made as they are asked for.
///
/// ```
/// use pgml_core::chunk::Chunks;
///
/// let kwargs = serde_json::json!({"chunk_size": 20, "chunk_overlap": 5});
/// let kwargs = kwargs.as_object().expect("an object");
/// let mut chunks = Chunks::new("recursive_character", "It was the best of times, it was the worst of times", kwargs)?;
/// let mut go_on = || Ok(());
/// assert_eq!(chunks.next_chunk(&mut go_on)?.as_deref(), Some("It was the best of"));
/// assert_eq!(chunks.next_chunk(&mut go_on)?.as_deref(), Some("of times, it was"));
/// # Ok::<(), pgml_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Chunks {
    text: String,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Recursive(Recursive),
    /// Pieces that are put together whatever their length; `None` once the last chunk is out.
    Flat(Source, Option<Merger>),
}

/// Where pieces that are not split further come from.
#[derive(Debug)]
enum Source {
    Separated(Pieces, Separator),
    Punkt(Punkt),
    Sentencizer(Sentencizer),
}

impl Chunks {
    /// Begins to split `text` with the splitter of this name and its arguments.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) for an unknown splitter or argument, listing
    /// what is known, and for values that are not allowed.
    pub fn new(splitter: &str, text: impl Into<String>, kwargs: &Map<String, Value>) -> Result<Self> {
        let splitter = Splitter::find(splitter)?;
        let args = ChunkArgs::read(splitter, kwargs)?;
        let text = text.into();
        if text.len() > u32::MAX as usize {
            bail!(InvalidParameter, "a text of {} bytes is too long to be split", text.len());
        }
        let keep = args.keep_separator.unwrap_or(splitter.keeps());
        let work = match splitter.method {
            Method::Recursive(separators) => {
                let separators = compile(&args, separators)?;
                Work::Recursive(Recursive::new(&text, separators, keep, args))
            }
            Method::Character => {
                let joiner = if keep == KeepSeparator::No { args.separator.as_str() } else { "" };
                let separator = Separator::new(&args.separator, args.is_separator_regex)?;
                let merger = Merger::new(joiner, &args);
                Work::Flat(Source::Separated(Pieces::new(0..text.len(), keep), separator), Some(merger))
            }
            Method::Punkt => {
                let source = Source::Punkt(Punkt::new(args.use_span_tokenize));
                Work::Flat(source, Some(Merger::new(&args.separator, &args)))
            }
            Method::Sentencizer => {
                let source = Source::Sentencizer(Sentencizer::new(!args.strip_whitespace));
                Work::Flat(source, Some(Merger::new(&args.separator, &args)))
            }
        };
        Ok(Self { text, work })
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// Those of `poll`; [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory) for a chunk of a gigabyte and more.
    pub fn next_chunk(&mut self, poll: Poll<'_>) -> Result<Option<String>> {
        let text = &self.text;
        match &mut self.work {
            Work::Recursive(recursive) => recursive.next_chunk(text, poll),
            Work::Flat(source, merger) => {
                while let Some(open) = merger {
                    poll()?;
                    let chunk = match source.next(text) {
                        Some(piece) => open.push(text, piece.clone(), length(&text[piece]))?,
                        None => merger.take().map_or(Ok(None), |mut last| last.finish(text))?,
                    };
                    if chunk.is_some() {
                        return Ok(chunk);
                    }
                }
                Ok(None)
            }
        }
    }
}

/// The separators that were given, else the splitter's own.
fn compile(args: &ChunkArgs, own: &[&str]) -> Result<Vec<Separator>> {
    match &args.separators {
        Some(given) if !given.is_empty() => {
            given.iter().map(|separator| Separator::new(separator, args.is_separator_regex)).collect()
        }
        _ => own.iter().map(|separator| Separator::new(separator, args.is_separator_regex)).collect(),
    }
}

impl Source {
    fn next(&mut self, text: &str) -> Option<std::ops::Range<usize>> {
        match self {
            Self::Separated(pieces, separator) => pieces.next(text, separator),
            Self::Punkt(punkt) => punkt.next(text),
            Self::Sentencizer(sentencizer) => sentencizer.next(text),
        }
    }
}
