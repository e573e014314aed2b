//! A batch as it is computed: some of its sequences at a time.

use pgml_core::text::Tokens;

use crate::device::Placement;

/// Most tokens that are computed together. On the CPU a few hundred per thread: what one layer writes is still in the cache
/// when the next one reads it.
pub(crate) fn tokens_at_a_time(placement: &Placement, threads: usize) -> usize {
    if placement.on_host() { 256 * threads } else { usize::MAX }
}

/// Consecutive sequences of at most `max_tokens` in all; a longer one is a group of its own.
pub(crate) fn groups<'a, 'b>(
    batch: &'a [&'b Tokens],
    max_tokens: usize,
) -> impl Iterator<Item = &'a [&'b Tokens]> + use<'a, 'b> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        let mut tokens = rest.first()?.len();
        let fitting = rest[1..].iter().take_while(|sequence| {
            tokens = tokens.saturating_add(sequence.len());
            tokens <= max_tokens
        });
        let (group, others) = rest.split_at(1 + fitting.count());
        rest = others;
        Some(group)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_every_sequence_once_in_order_within_the_limit() {
        let sequences: Vec<Tokens> =
            [3, 9, 1, 4, 20, 4].iter().map(|&n| Tokens { ids: vec![0; n], ..Tokens::default() }).collect();
        let batch: Vec<&Tokens> = sequences.iter().collect();
        let lengths = |limit| -> Vec<Vec<usize>> {
            groups(&batch, limit).map(|group| group.iter().map(|sequence| sequence.len()).collect()).collect()
        };
        assert_eq!(lengths(12), [vec![3, 9], vec![1, 4], vec![20], vec![4]]);
        assert_eq!(lengths(usize::MAX), [vec![3, 9, 1, 4, 20, 4]]);
        assert!(groups(&[], 5).next().is_none());
    }
}
