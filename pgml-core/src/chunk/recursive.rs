//! Splits at the first separator that a text has, and pieces that are too long at the next ones.

use std::collections::VecDeque;
use std::ops::Range;

use super::Poll;
use super::args::{ChunkArgs, KeepSeparator};
use super::merge::{Merger, length};
use super::pieces::Pieces;
use super::separator::Separator;
use crate::Result;

/// The splitter at work. Its recursion is a stack of its own, so that no list of separators is too long.
#[derive(Debug)]
pub struct Recursive {
    args: ChunkArgs,
    keep: KeepSeparator,
    separators: Vec<Separator>,
    /// A part of the text that waits to be split, with the first separator to try on it.
    waiting: Option<(Range<usize>, usize)>,
    levels: Vec<Level>,
    ready: VecDeque<String>,
}

/// One part of the text on its way.
#[derive(Debug)]
struct Level {
    pieces: Pieces,
    merger: Merger,
    separator: usize,
    /// The first separator for pieces that are too long.
    next: usize,
}

impl Recursive {
    /// `separators` holds at least one.
    pub fn new(text: &str, separators: Vec<Separator>, keep: KeepSeparator, args: ChunkArgs) -> Self {
        let waiting = Some((0..text.len(), 0));
        Self { args, keep, separators, waiting, levels: Vec::new(), ready: VecDeque::new() }
    }

    pub fn next_chunk(&mut self, text: &str, poll: Poll<'_>) -> Result<Option<String>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Ok(Some(chunk));
            }
            if let Some((range, first)) = self.waiting.take() {
                let level = self.open(text, range, first, poll)?;
                self.levels.push(level);
            }
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            poll()?;
            let Some(piece) = level.pieces.next(text, &self.separators[level.separator]) else {
                self.ready.extend(level.merger.finish(text)?);
                self.levels.pop();
                continue;
            };
            let characters = length(&text[piece.clone()]);
            if characters < self.args.chunk_size {
                self.ready.extend(level.merger.push(text, piece, characters)?);
                continue;
            }
            self.ready.extend(level.merger.finish(text)?);
            if level.next < self.separators.len() {
                self.waiting = Some((piece, level.next));
            } else {
                // Nothing is left to split it at; not even stripped, as the library leaves it.
                self.ready.push_back(text[piece].to_owned());
            }
        }
    }

    /// Begins a part of the text with the first separator, from `first` on, that it has; without any, with the last one.
    fn open(&self, text: &str, range: Range<usize>, first: usize, poll: Poll<'_>) -> Result<Level> {
        let last = self.separators.len();
        let (mut separator, mut next) = (last - 1, last);
        for (i, candidate) in self.separators.iter().enumerate().skip(first) {
            poll()?;
            let everywhere = candidate.is_everywhere();
            if everywhere || candidate.find(&text[range.clone()], 0).is_some() {
                (separator, next) = (i, if everywhere { last } else { i + 1 });
                break;
            }
        }
        let joiner = if self.keep == KeepSeparator::No { &self.separators[separator].source } else { "" };
        Ok(Level { pieces: Pieces::new(range, self.keep), merger: Merger::new(joiner, &self.args), separator, next })
    }
}
