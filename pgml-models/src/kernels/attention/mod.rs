//! Attention over sequences that lie one after the other without padding.
//!
//! A tile has queries side by side in its vectors and keys one below the other, so that the softmax runs down the
//! columns and needs no sums across a vector. Keys are taken in blocks with a running maximum and sum (as in
//! FlashAttention, Dao et al. 2022): memory does not grow with the square of the length.

mod block;
mod scores;
mod single;
mod stored;

use std::cell::RefCell;

use block::{Input, Scratch};
use single::Single;
use stored::Stored;

use super::team::{Disjoint, Team};

/// Tokens whose keys and values lie together in a page.
pub const PAGE: usize = 32;

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

impl Tokens<'_> {
    /// Those of `rows`, and what is behind them.
    fn from(self, rows: &std::ops::Range<usize>) -> Self {
        let start = if rows.is_empty() { 0 } else { rows.start * self.stride };
        Self { data: &self.data[start..], ..self }
    }
}

/// `softmax(scale · Q·Kᵀ + bias)·V` for every sequence and head, with `softcap · tanh(· / softcap)` of the scaled scores where
/// that is given.
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
    /// What scaled scores are pressed below, before anything is added (Gemma 2).
    pub softcap: Option<f32>,
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

/// Keys and values of one sequence, in pages of [`PAGE`] tokens: each has that many rows of `kv_heads · head_dim`.
#[derive(Debug, Clone)]
pub struct Paged<'a> {
    /// Pages of keys, the last perhaps not full.
    pub keys: Vec<&'a [f32]>,
    /// As many of values.
    pub values: Vec<&'a [f32]>,
    /// Tokens in all.
    pub len: usize,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    static SINGLE: RefCell<single::Scratch> = RefCell::default();
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
            let keys = at.keys[sequence]..at.keys[sequence + 1];
            let input = Input {
                q,
                k: Stored::rows_of(k.from(&keys)),
                v: Stored::rows_of(v.from(&keys)),
                queries: at.queries[sequence]..at.queries[sequence + 1],
                keys: keys.len(),
            };
            let one = block::Sequence::new(self, team.cpu(), &input, sequence, kv_head);
            SCRATCH.with_borrow_mut(|scratch| one.run(part, parts, scratch, &out));
        });
    }

    /// The same for sequences that grow: `sequences[i]` holds the keys and values of sequence `i`, of its queries
    /// `queries[i]..queries[i + 1]` too, which come last; or, where every query sees every key, those of another text. A
    /// sequence's result is the same whatever else is in the batch.
    ///
    /// # Panics
    /// When a length does not fit; for a [`Bias::Added`].
    pub fn apply_paged(&self, team: &Team, q: Tokens<'_>, queries: &[usize], sequences: &[Paged<'_>], out: &mut [f32]) {
        self.check_paged(q, queries, sequences, out);
        let width = self.kv_heads * self.head_dim;
        let inputs: Vec<Input<'_>> = sequences
            .iter()
            .zip(queries.windows(2))
            .map(|(sequence, rows)| Input {
                q,
                k: Stored::pages_of(&sequence.keys, width),
                v: Stored::pages_of(&sequence.values, width),
                queries: rows[0]..rows[1],
                keys: sequence.len,
            })
            .collect();
        let (group, out) = (self.heads / self.kv_heads, Disjoint::new(out));
        let longest = inputs.iter().map(|input| input.queries.len()).max().unwrap_or(0);
        let units = inputs.len() * self.kv_heads;
        let parts = if longest <= 1 || units >= 4 * team.threads() { 1 } else { (4 * team.threads()).div_ceil(units) };
        team.for_each(units * parts, |job| {
            let (unit, part) = (job / parts, job % parts);
            let (sequence, kv_head) = (unit / self.kv_heads, unit % self.kv_heads);
            let input = &inputs[sequence];
            if input.queries.len() != 1 {
                let one = block::Sequence::new(self, team.cpu(), input, sequence, kv_head);
                SCRATCH.with_borrow_mut(|scratch| one.run(part, parts, scratch, &out));
            } else if part == 0 {
                let start = (input.queries.start * self.heads + kv_head * group) * self.head_dim;
                // SAFETY: each job has its own query and heads.
                let out = unsafe { out.part(start..start + group * self.head_dim) };
                let one = Single { what: self, input, kv_head };
                SINGLE.with_borrow_mut(|scratch| one.run(team.cpu(), scratch, out));
            }
        });
    }

    fn check_paged(&self, q: Tokens<'_>, queries: &[usize], sequences: &[Paged<'_>], out: &[f32]) {
        assert_eq!(queries.len(), sequences.len() + 1, "every sequence has queries");
        assert!(!matches!(self.bias, Bias::Added(_)), "biases of pages depend on the distance alone");
        let (n_queries, width) = (queries[sequences.len()], self.kv_heads * self.head_dim);
        let mut keys = vec![0];
        for sequence in sequences {
            let pages = sequence.len.div_ceil(PAGE);
            assert!(sequence.keys.len() >= pages && sequence.values.len() >= pages, "{} tokens of pages", sequence.len);
            for page in sequence.keys.iter().chain(&sequence.values) {
                assert!(page.len() >= PAGE * width, "a page has {PAGE} rows of {width}");
            }
            keys.push(keys[keys.len() - 1] + sequence.len);
        }
        let other_text = self.window == Window::ALL && matches!(self.bias, Bias::None);
        let grows = |(rows, sequence): (&[usize], &Paged<'_>)| {
            rows[0] <= rows[1] && (other_text || rows[1] - rows[0] <= sequence.len)
        };
        assert!(queries.windows(2).zip(sequences).all(grows), "queries come last among the keys");
        self.check_offsets(Offsets { queries, keys: &keys }, out);
        self.check_rows("queries", q, n_queries, self.heads);
    }

    fn check(&self, q: Tokens<'_>, k: Tokens<'_>, v: Tokens<'_>, at: Offsets<'_>, out: &[f32]) {
        self.check_offsets(at, out);
        let (n_queries, n_keys) = (at.queries[at.queries.len() - 1], at.keys[at.keys.len() - 1]);
        self.check_rows("queries", q, n_queries, self.heads);
        self.check_rows("keys", k, n_keys, self.kv_heads);
        self.check_rows("values", v, n_keys, self.kv_heads);
    }

    fn check_rows(&self, name: &str, tokens: Tokens<'_>, n: usize, heads: usize) {
        let needed = if n == 0 { 0 } else { (n - 1) * tokens.stride + heads * self.head_dim };
        assert!(tokens.data.len() >= needed, "{n} {name} need {needed} numbers, not {}", tokens.data.len());
    }

    fn check_offsets(&self, at: Offsets<'_>, out: &[f32]) {
        let (heads, kv_heads, d) = (self.heads, self.kv_heads, self.head_dim);
        assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads), "{heads} heads share {kv_heads}");
        assert_eq!(at.queries.len(), at.keys.len(), "queries and keys have as many sequences");
        assert!(!at.queries.is_empty(), "offsets end with the number of tokens");
        assert!(at.queries.is_sorted() && at.keys.is_sorted(), "offsets ascend");
        let n_queries = at.queries[at.queries.len() - 1];
        assert_eq!(out.len(), n_queries * heads * d, "out is {n_queries} tokens of {heads} heads of {d}");
        let longest = |offsets: &[usize]| offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        match self.bias {
            Bias::Alibi(slopes) => assert_eq!(slopes.len(), heads, "one slope per head"),
            Bias::Relative { by_distance, farthest } => {
                assert_eq!(by_distance.len(), heads * (2 * farthest + 1), "a number per head and distance");
                let longest = longest(at.queries).max(longest(at.keys));
                assert!(longest <= farthest + 1, "{longest} positions have distances beyond {farthest}");
            }
            Bias::None | Bias::Added(_) => {}
        }
    }
}
