//! Scores that are no numbers.

use super::{History, Processor};

/// `InfNanRemoveLogitsProcessor`: NaN becomes 0, infinities the greatest and least finite number.
#[derive(Debug)]
pub(super) struct RemoveInvalid;

impl Processor for RemoveInvalid {
    fn apply(&mut self, _: &History<'_>, scores: &mut [f32]) {
        for score in scores {
            *score = if score.is_nan() { 0.0 } else { score.clamp(f32::MIN, f32::MAX) };
        }
    }
}
