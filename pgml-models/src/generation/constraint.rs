//! Where constrained output takes part.

use std::fmt::Debug;

use pgml_core::Result;

/// Says which tokens may come next, one instance per sequence.
///
/// A constraint allows a token that ends the text where the text is complete, and only there.
pub trait Constraint: Debug + Send {
    /// Sets the scores of tokens that may not come next to −∞; `scores` has one number per token of the vocabulary.
    ///
    /// # Errors
    /// When no token may come next, or the constraint is too large to go on.
    fn mask(&mut self, scores: &mut [f32]) -> Result<()>;

    /// Notes that `token` came next. After one that ends the text it is not called again.
    ///
    /// # Errors
    /// As [`Constraint::mask`].
    fn advance(&mut self, token: u32) -> Result<()>;

    /// A copy of its state, for a branch.
    fn fork(&self) -> Box<dyn Constraint>;
}
