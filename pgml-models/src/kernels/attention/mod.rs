//! Attention over sequences that lie one after the other without padding.
//!
//! A tile has queries side by side in its vectors and keys one below the other, so that the softmax runs down the
//! columns and needs no sums across a vector. Keys are taken in blocks with a running maximum and sum (as in
//! FlashAttention, Dao et al. 2022): memory does not grow with the square of the length.

mod block;
mod scores;

use std::cell::RefCell;

use block::Scratch;

use super::team::{Disjoint, Team};

/// Which keys a query sees: those at positions `p − before` to `p + after`, `p` being its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Positions before the query's own.
    pub before: usize,
    /// Positions after the query's own.
    pub after: usize,
}

impl Window {
    /// Every key.
    pub const ALL: Self = Self { before: usize::MAX, after: usize::MAX };
    /// Keys up to the query's own position.
    pub const CAUSAL: Self = Self { before: usize::MAX, after: 0 };

    /// The query's own position and the `size − 1` before it (Mistral's `sliding_window`).
    #[must_use]
    pub fn sliding(size: usize) -> Self {
        Self { before: size.saturating_sub(1), after: 0 }
    }

    /// At most `distance` positions away on either side (ModernBERT: half of `local_attention`).
    #[must_use]
    pub fn around(distance: usize) -> Self {
        Self { before: distance, after: distance }
    }
}

/// What is added to the scaled scores.
#[derive(Clone, Copy)]
pub enum Bias<'a> {
    /// Nothing.
    None,
    /// `−slope × |query position − key position|`, one slope per head (ALiBi, Press et al. 2022).
    Alibi(&'a [f32]),
    /// A number per head and distance (T5, MPNet): heads × `2·farthest + 1`, for query position − key position from
    /// `−farthest` to `farthest`. No two positions may be further apart.
    Relative {
        /// The numbers.
        by_distance: &'a [f32],
        /// The largest distance that has a number.
        farthest: usize,
    },
    /// Anything else (DeBERTa): adds to a block of scores, see [`Scores`].
    Added(&'a (dyn Fn(Scores<'_>) + Sync)),
}

/// A block of scaled scores to add to: that of query `first_query + i` and key `first_key + j` stands in
/// `scores[j × stride + i]`.
pub struct Scores<'a> {
    /// Number of the sequence.
    pub sequence: usize,
    /// Number of the query's head.
    pub head: usize,
    /// The first query, counted within its sequence.
    pub first_query: usize,
    /// How many queries.
    pub queries: usize,
    /// The first key, counted within its sequence.
    pub first_key: usize,
    /// How many keys.
    pub keys: usize,
    /// The scores.
    pub scores: &'a mut [f32],
    /// Distance from one key to the next.
    pub stride: usize,
}

/// Vectors of tokens inside a wider row: head `h` of token `t` starts at `data[t × stride + h × head_dim]`.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// From the first token's first head on.
    pub data: &'a [f32],
    /// From one token to the next.
    pub stride: usize,
}

/// `softmax(scale · Q·Kᵀ + bias)·V` for every sequence and head.
#[derive(Clone, Copy)]
pub struct Attention<'a> {
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values; each serves `heads / kv_heads` consecutive query heads.
    pub kv_heads: usize,
    /// Numbers per head.
    pub head_dim: usize,
    /// What scores are multiplied by, usually `1 / √head_dim`.
    pub scale: f32,
    /// Which keys a query sees.
    pub window: Window,
    /// What is added to the scores.
    pub bias: Bias<'a>,
}

/// Where sequences start: sequence `i` has the queries `queries[i]..queries[i + 1]` and the keys `keys[i]..keys[i + 1]`.
///
/// A sequence's last query and last key have the same position: while a text is generated, there are more keys than
/// queries.
#[derive(Debug, Clone, Copy)]
pub struct Offsets<'a> {
    /// Of the queries.
    pub queries: &'a [usize],
    /// Of keys and values.
    pub keys: &'a [usize],
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Attention<'_> {
    /// Writes `out`, tokens × (heads · head_dim). A query that sees no key gets zeros.
    ///
    /// # Panics
    /// When a length does not fit these shapes.
    pub fn apply(&self, team: &Team, q: Tokens<'_>, k: Tokens<'_>, v: Tokens<'_>, at: Offsets<'_>, out: &mut [f32]) {
        self.check(q, k, v, at, out);
        let sequences = at.queries.len() - 1;
        let units = sequences * self.kv_heads;
        if units == 0 {
            return;
        }
        // Long sequences are shared out by parts of their queries, where there are too few of them to go round.
        let parts = if team.threads() == 1 { 1 } else { (4 * team.threads()).div_ceil(units) };
        let out = Disjoint::new(out);
        team.for_each(units * parts, |job| {
            let (unit, part) = (job / parts, job % parts);
            let (sequence, kv_head) = (unit / self.kv_heads, unit % self.kv_heads);
            let one = block::Sequence::new(self, team.cpu(), q, k, v, at, sequence, kv_head);
            SCRATCH.with_borrow_mut(|scratch| one.run(part, parts, scratch, &out));
        });
    }

    fn check(&self, q: Tokens<'_>, k: Tokens<'_>, v: Tokens<'_>, at: Offsets<'_>, out: &[f32]) {
        let d = self.head_dim;
        assert!(
            self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "{} heads share {}",
            self.heads,
            self.kv_heads
        );
        assert_eq!(at.queries.len(), at.keys.len(), "queries and keys have as many sequences");
        assert!(!at.queries.is_empty(), "offsets end with the number of tokens");
        assert!(at.queries.is_sorted() && at.keys.is_sorted(), "offsets ascend");
        let (n_queries, n_keys) = (at.queries[at.queries.len() - 1], at.keys[at.keys.len() - 1]);
        assert_eq!(out.len(), n_queries * self.heads * d, "out is {n_queries} tokens of {} heads of {d}", self.heads);
        for (name, tokens, n, heads) in [
            ("queries", q, n_queries, self.heads),
            ("keys", k, n_keys, self.kv_heads),
            ("values", v, n_keys, self.kv_heads),
        ] {
            let needed = if n == 0 { 0 } else { (n - 1) * tokens.stride + heads * d };
            assert!(tokens.data.len() >= needed, "{n} {name} need {needed} numbers, not {}", tokens.data.len());
        }
        let longest = |offsets: &[usize]| offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        match self.bias {
            Bias::Alibi(slopes) => assert_eq!(slopes.len(), self.heads, "one slope per head"),
            Bias::Relative { by_distance, farthest } => {
                assert_eq!(by_distance.len(), self.heads * (2 * farthest + 1), "a number per head and distance");
                let longest = longest(at.queries).max(longest(at.keys));
                assert!(longest <= farthest + 1, "{longest} positions have distances beyond {farthest}");
            }
            Bias::None | Bias::Added(_) => {}
        }
    }
}
