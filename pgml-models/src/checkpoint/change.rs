//! How a GGUF file holds a tensor otherwise than a checkpoint of transformers does.

use std::borrow::Cow;

/// What is to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change {
    /// Nothing.
    #[default]
    None,
    /// The rows of each of so many heads are in another order: those that are turned together stand side by side, where
    /// transformers has the first halves of all pairs and then the second.
    Pairs(usize),
    /// One was added to every number (the norms of Gemma).
    PlusOne,
    /// Outputs × inputs, where transformers has inputs × outputs (the layers of GPT-2).
    Transposed,
}

impl Change {
    /// Puts `rows` of `row_bytes` each back in order.
    pub(super) fn reorder<'a>(self, bytes: &'a [u8], n_rows: usize, row_bytes: usize) -> Cow<'a, [u8]> {
        let Self::Pairs(n_heads) = self else { return Cow::Borrowed(bytes) };
        let head = n_rows.checked_div(n_heads).unwrap_or(0);
        if head == 0 || !head.is_multiple_of(2) || head * n_heads != n_rows {
            // The layer that asks for it finds that its shape is wrong, or that heads cannot be turned.
            return Cow::Borrowed(bytes);
        }
        let row = |row: usize| &bytes[row * row_bytes..][..row_bytes];
        let source = |i: usize| {
            let (start, i) = (i / head * head, i % head);
            let (half, pair) = (i / (head / 2), i % (head / 2));
            start + 2 * pair + half
        };
        Cow::Owned((0..n_rows).flat_map(|i| row(source(i))).copied().collect())
    }
}
