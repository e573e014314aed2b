//! Where a sequence's keys or values lie: one after the other, or in pages.

use std::ops::Range;

use super::block::KEYS;
use super::{PAGE, Tokens};

/// All keys or all values of one sequence, seen from one head on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored<'a> {
    place: Place<'a>,
    /// Where the head begins in a row.
    head: usize,
}

#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    Rows(Tokens<'a>),
    /// Each with [`PAGE`] rows of `width`.
    Pages {
        pages: &'a [&'a [f32]],
        width: usize,
    },
}

impl<'a> Stored<'a> {
    /// Rows one after the other, from the sequence's first on.
    pub(super) fn rows_of(tokens: Tokens<'a>) -> Self {
        Self { place: Place::Rows(tokens), head: 0 }
    }

    /// Pages of rows of `width`.
    pub(super) fn pages_of(pages: &'a [&'a [f32]], width: usize) -> Self {
        Self { place: Place::Pages { pages, width }, head: 0 }
    }

    /// The same from the head on that begins at `head`.
    pub(super) fn head(self, head: usize) -> Self {
        Self { head, ..self }
    }

    /// Where the block ends that begins with the row `start`.
    pub(super) fn block_end(&self, start: usize) -> usize {
        match self.place {
            Place::Rows(_) => start + KEYS,
            Place::Pages { .. } => (start / PAGE + 1) * PAGE,
        }
    }

    /// The head's part of `rows`, which are of one block and not none.
    pub(super) fn rows(&self, rows: &Range<usize>) -> Tokens<'a> {
        match self.place {
            Place::Rows(tokens) => {
                Tokens { data: &tokens.data[rows.start * tokens.stride + self.head..], stride: tokens.stride }
            }
            Place::Pages { pages, width } => {
                let page = pages[rows.start / PAGE];
                Tokens { data: &page[rows.start % PAGE * width + self.head..], stride: width }
            }
        }
    }
}
