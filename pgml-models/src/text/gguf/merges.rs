//! The merges of a SentencePiece model, which GGUF files hold as pieces with scores: two neighbours become the piece that they
//! make, best score first.

use std::collections::HashMap;

/// Merges in the order in which they are tried, as transformers derives them for its tokenizers.
pub(in crate::text) fn of_scores<'a>(pieces: &'a [(String, f32)]) -> Vec<[&'a str; 2]> {
    let ranks: HashMap<&str, usize> = pieces.iter().enumerate().map(|(i, (piece, _))| (piece.as_str(), i)).collect();
    let mut merges: Vec<(f32, [&str; 2])> = Vec::new();
    for (piece, score) in pieces {
        let cuts = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
        let mut own: Vec<(usize, usize, [&'a str; 2])> =
            cuts.filter_map(|(left, right)| Some((*ranks.get(left)?, *ranks.get(right)?, [left, right]))).collect();
        own.sort_by_key(|(left, right, _)| (*left, *right));
        merges.extend(own.into_iter().map(|(_, _, pair)| (*score, pair)));
    }
    let length = |text: &str| text.chars().count();
    // Best scores first, then the longest; else they stay in order.
    merges.sort_by(|(a, [a_left, a_right]), (b, [b_left, b_right])| {
        let lengths = (length(b_left), length(b_right)).cmp(&(length(a_left), length(a_right)));
        b.total_cmp(a).then(lengths)
    });
    merges.into_iter().map(|(_, pair)| pair).collect()
}
