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
    /// All queries, then all keys, then all values, where transformers has the keys and values of each group of heads behind
    /// its queries (GPT-NeoX, Falcon, BLOOM).
    Joined {
        /// Of queries.
        n_heads: usize,
        /// Of keys, and of values.
        n_kv_heads: usize,
    },
    /// One was added to every number (the norms of Gemma).
    PlusOne,
    /// Outputs × inputs, where transformers has inputs × outputs (the layers of GPT-2).
    Transposed,
}

impl Change {
    /// Puts `rows` of `row_bytes` each back in order.
    pub(super) fn reorder<'a>(self, bytes: &'a [u8], n_rows: usize, row_bytes: usize) -> Cow<'a, [u8]> {
        let Some(source) = self.sources(n_rows) else { return Cow::Borrowed(bytes) };
        let mut ordered = Vec::with_capacity(bytes.len());
        (0..n_rows).for_each(|row| ordered.extend_from_slice(&bytes[source(row) * row_bytes..][..row_bytes]));
        Cow::Owned(ordered)
    }

    /// Which row of the file each row is; `None` when they are in order, or are no heads: then the layer that asks for them
    /// finds that their shape is wrong, or that heads cannot be turned.
    fn sources(self, n_rows: usize) -> Option<Box<dyn Fn(usize) -> usize>> {
        match self {
            Self::None | Self::PlusOne | Self::Transposed => None,
            Self::Pairs(n_heads) => {
                let head = n_rows.checked_div(n_heads)?;
                let fits = head > 0 && head.is_multiple_of(2) && head * n_heads == n_rows;
                fits.then_some(Box::new(move |row| {
                    let (start, i) = (row / head * head, row % head);
                    let (half, pair) = (i / (head / 2), i % (head / 2));
                    start + 2 * pair + half
                }))
            }
            Self::Joined { n_heads, n_kv_heads } => {
                let all = n_kv_heads.checked_mul(2)?.checked_add(n_heads)?;
                let (head, group) = (n_rows.checked_div(all)?, n_heads.checked_div(n_kv_heads)?);
                let fits = head > 0 && head * all == n_rows && group * n_kv_heads == n_heads;
                fits.then_some(Box::new(move |row| {
                    let (i, place) = (row / head / (group + 2), row / head % (group + 2));
                    let source = match place.checked_sub(group) {
                        None => i * group + place,
                        Some(kind) => n_heads + kind * n_kv_heads + i,
                    };
                    source * head + row % head
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_moved_as_they_are_stored() {
        let rows = |names: &[u8]| names.iter().flat_map(|row| [*row; 5]).collect::<Vec<u8>>();
        // Two heads of four.
        let pairs = Change::Pairs(2).reorder(b"aaaaabbbbbcccccdddddeeeeefffffggggghhhhh", 8, 5).into_owned();
        assert_eq!(pairs, rows(b"acbdegfh"));
        // Four heads of queries that share two of keys, of one row each.
        let joined = Change::Joined { n_heads: 4, n_kv_heads: 2 };
        assert_eq!(joined.reorder(&rows(b"01234567"), 8, 5).into_owned(), rows(b"01462357"));
    }

    #[test]
    fn what_are_no_heads_is_left_as_it_is() {
        let changes = [
            Change::Pairs(3),
            Change::Pairs(0),
            Change::Joined { n_heads: 3, n_kv_heads: 2 },
            Change::Joined { n_heads: usize::MAX, n_kv_heads: 1 },
            Change::Joined { n_heads: 1, n_kv_heads: usize::MAX },
            Change::Joined { n_heads: 0, n_kv_heads: 0 },
        ];
        for change in changes {
            assert_eq!(*change.reorder(b"abcdefgh", 8, 1), *b"abcdefgh", "{change:?}");
        }
    }
}
