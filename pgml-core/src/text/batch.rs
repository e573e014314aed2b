//! Puts texts of like length together.

use crate::{Result, Run};

use super::Tokens;

/// Batches of indices into a list of token sequences: longest first, each within a budget of tokens.
///
/// Like lengths together waste nothing where a device must pad, and the longest first shows a lack of memory at once.
#[derive(Debug)]
pub struct Batches {
    order: Vec<usize>,
    lengths: Vec<usize>,
    max_texts: usize,
    max_tokens: usize,
}

impl Batches {
    /// Batches of at most `max_texts` texts and `max_tokens` tokens; a text longer than that makes a batch of its own.
    #[must_use]
    pub fn new(lengths: Vec<usize>, max_texts: usize, max_tokens: usize) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&i| lengths[i]);
        Self { order, lengths, max_texts: max_texts.max(1), max_tokens }
    }
}

impl Iterator for Batches {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let mut batch = vec![self.order.pop()?];
        let mut tokens = self.lengths[batch[0]];
        while let Some(&next) = self.order.last() {
            tokens += self.lengths[next];
            if batch.len() == self.max_texts || tokens > self.max_tokens {
                break;
            }
            self.order.pop();
            batch.push(next);
        }
        Some(batch)
    }
}

/// Runs `work` over `items` in batches of like length and returns the results in the items' order.
///
/// # Errors
/// Those of `work`; [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) between batches;
/// [`ErrorKind::Internal`](crate::ErrorKind::Internal) if `work` returns another number of results than it got items.
pub fn in_batches<T>(
    items: &[Tokens],
    max_texts: usize,
    max_tokens: usize,
    run: &Run,
    mut work: impl FnMut(&[&Tokens]) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let lengths = items.iter().map(Tokens::len).collect();
    let mut results: Vec<Option<T>> = items.iter().map(|_| None).collect();
    let mut done = 0;
    for batch in Batches::new(lengths, max_texts, max_tokens) {
        run.check()?;
        let inputs: Vec<&Tokens> = batch.iter().map(|&i| &items[i]).collect();
        for (&i, result) in batch.iter().zip(work(&inputs)?) {
            results[i] = Some(result);
        }
        done += batch.len() as u64;
        run.progress("texts", done, items.len() as u64);
    }
    let complete: Option<Vec<T>> = results.into_iter().collect();
    complete.ok_or_else(|| crate::Error::new(crate::ErrorKind::Internal, "a model returned fewer results than texts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_text_once_longest_first_within_both_limits() {
        let lengths = vec![3, 9, 1, 4, 20, 4];
        let batches: Vec<Vec<usize>> = Batches::new(lengths.clone(), 3, 10).collect();
        assert_eq!(batches[0], [4], "a text beyond the budget comes alone");
        let mut seen: Vec<usize> = batches.concat();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
        for batch in &batches {
            assert!(batch.len() <= 3);
            assert!(batch.len() == 1 || batch.iter().map(|&i| lengths[i]).sum::<usize>() <= 10, "{batch:?}");
        }
    }

    #[test]
    fn results_come_back_in_the_order_of_the_texts() {
        let items: Vec<Tokens> =
            [2, 7, 1, 7].iter().map(|&n| Tokens { ids: vec![n; n as usize], ..Tokens::default() }).collect();
        let lengths = in_batches(&items, 2, 100, &Run::new(), |batch| Ok(batch.iter().map(|t| t.len()).collect()));
        assert_eq!(lengths.expect("works"), [2, 7, 1, 7]);
    }
}
