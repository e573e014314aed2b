//! Which sequences of a batch are computed at once.

use pgml_core::text::Tokens;

use crate::device::Placement;

/// The most scores of one head of attention at once. With a dozen heads that is 100 MB, within the 128 MiB that every Vulkan
/// driver lets a shader see.
const DEVICE_SCORES: usize = 2 << 20;

/// What some sequences take together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// How many there are.
    pub sequences: usize,
    /// Their tokens in all.
    pub tokens: usize,
    /// Those of the longest.
    pub longest: usize,
}

impl Size {
    fn with(self, sequence: &Tokens) -> Self {
        Self {
            sequences: self.sequences + 1,
            tokens: self.tokens.saturating_add(sequence.len()),
            longest: self.longest.max(sequence.len()),
        }
    }

    /// Whether they are computed at once. On the CPU a few hundred tokens per thread: what one layer writes is still in the
    /// cache when the next one reads it.
    pub fn fits(&self, placement: &Placement, threads: usize) -> bool {
        if placement.on_host() { self.tokens <= 256 * threads } else { self.fits_a_device() }
    }

    /// Devices pad each sequence to the longest.
    fn fits_a_device(&self) -> bool {
        self.sequences.saturating_mul(self.longest.saturating_mul(self.longest)) <= DEVICE_SCORES
    }
}

/// Consecutive sequences that fit; one that does not is a group of its own.
pub(crate) fn groups<'a, 'b>(
    batch: &'a [&'b Tokens],
    fits: impl Fn(&Size) -> bool,
) -> impl Iterator<Item = &'a [&'b Tokens]> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        let mut size = Size::default().with(rest.first()?);
        let fitting = rest[1..].iter().take_while(|sequence| {
            size = size.with(sequence);
            fits(&size)
        });
        let (group, others) = rest.split_at(1 + fitting.count());
        rest = others;
        Some(group)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths of the sequences in each group.
    fn grouped(lengths: &[usize], fits: impl Fn(&Size) -> bool) -> Vec<Vec<usize>> {
        let sequences: Vec<Tokens> = lengths.iter().map(|&n| Tokens { ids: vec![0; n], ..Tokens::default() }).collect();
        let batch: Vec<&Tokens> = sequences.iter().collect();
        groups(&batch, fits).map(|group| group.iter().map(|sequence| sequence.len()).collect()).collect()
    }

    #[test]
    fn groups_hold_every_sequence_once_in_order_within_the_limit() {
        let lengths = [3, 9, 1, 4, 20, 4];
        assert_eq!(grouped(&lengths, |size| size.tokens <= 12), [vec![3, 9], vec![1, 4], vec![20], vec![4]]);
        assert_eq!(grouped(&lengths, |_| true), [lengths]);
        assert!(grouped(&[], |_| true).is_empty());
    }

    #[test]
    fn a_long_text_among_short_ones_does_not_pad_them_all_to_its_length() {
        let mut lengths = vec![8; 1000];
        lengths[500] = 4096;
        let sizes: Vec<usize> = grouped(&lengths, Size::fits_a_device).iter().map(Vec::len).collect();
        assert_eq!(sizes, [500, 1, 499]);
    }
}
