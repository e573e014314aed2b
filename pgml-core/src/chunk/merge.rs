//! Puts pieces together to chunks.

use std::collections::VecDeque;
use std::ops::Range;

use super::args::ChunkArgs;
use super::whitespace::strip;
use crate::{Error, ErrorKind, Result};

/// Most bytes of a chunk: PostgreSQL holds no longer text.
const MAX_BYTES: usize = (1 << 30) - 8;

/// Collects pieces until the next one would make the chunk too long. The chunk then goes out, and its last pieces stay
/// for the next one, as many as the overlap allows.
#[derive(Debug)]
pub struct Merger {
    joiner: String,
    joiner_length: i64,
    size: i64,
    overlap: i64,
    strip: bool,
    /// Start and end of each piece, kept small: a piece may be a single character.
    pieces: VecDeque<(u32, u32)>,
    /// Characters in the pieces and the joiners between them.
    total: i64,
}

/// How many code points.
pub fn length(text: &str) -> i64 {
    text.chars().count() as i64
}

impl Merger {
    pub fn new(joiner: &str, args: &ChunkArgs) -> Self {
        Self {
            joiner: joiner.to_owned(),
            joiner_length: length(joiner),
            size: args.chunk_size,
            overlap: args.chunk_overlap,
            strip: args.strip_whitespace,
            pieces: VecDeque::new(),
            total: 0,
        }
    }

    /// Takes a piece, and gives the chunk that it does not fit into.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] for a chunk that no text of PostgreSQL's can hold.
    pub fn push(&mut self, text: &str, piece: Range<usize>, length: i64) -> Result<Option<String>> {
        let mut chunk = None;
        if self.too_long_with(length) {
            chunk = self.joined(text)?;
            while self.total > self.overlap || (self.total > 0 && self.too_long_with(length)) {
                self.drop_first(text);
            }
        }
        self.total += length + self.joiner_before();
        // `Chunks::new` takes no text beyond 32 bits.
        self.pieces.push_back((piece.start as u32, piece.end as u32));
        Ok(chunk)
    }

    /// The last chunk; what follows starts anew.
    ///
    /// # Errors
    /// Those of [`Merger::push`].
    pub fn finish(&mut self, text: &str) -> Result<Option<String>> {
        let chunk = self.joined(text)?;
        self.pieces.clear();
        self.total = 0;
        Ok(chunk)
    }

    fn joiner_before(&self) -> i64 {
        if self.pieces.is_empty() { 0 } else { self.joiner_length }
    }

    fn too_long_with(&self, length: i64) -> bool {
        self.total + length + self.joiner_before() > self.size
    }

    fn drop_first(&mut self, text: &str) {
        if let Some((start, end)) = self.pieces.pop_front() {
            self.total -= length(&text[start as usize..end as usize]) + self.joiner_before();
        }
    }

    /// The pieces as one text; none when nothing is left of it.
    fn joined(&self, text: &str) -> Result<Option<String>> {
        let bytes = self.bytes();
        if bytes > MAX_BYTES {
            let message = format!("a chunk of {bytes} bytes is longer than a text can be");
            return Err(
                Error::new(ErrorKind::OutOfMemory, message).with_hint("lower chunk_size, or shorten the separator")
            );
        }
        let mut chunk = String::with_capacity(bytes);
        for (i, (start, end)) in self.pieces.iter().enumerate() {
            if i > 0 {
                chunk.push_str(&self.joiner);
            }
            chunk.push_str(&text[*start as usize..*end as usize]);
        }
        if self.strip {
            let stripped = strip(&chunk);
            if stripped.len() < chunk.len() {
                chunk = stripped.to_owned();
            }
        }
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    fn bytes(&self) -> usize {
        let joiners = self.joiner.len().saturating_mul(self.pieces.len().saturating_sub(1));
        self.pieces.iter().map(|(start, end)| (end - start) as usize).sum::<usize>().saturating_add(joiners)
    }
}
