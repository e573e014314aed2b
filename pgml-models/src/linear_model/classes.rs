//! Classes that scores stand for.

use pgml_core::{Parts, Result, bail};

use super::Squash;

/// Which classes the scores stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes {
    /// All classes, seen or not.
    pub n_classes: usize,
    /// The classes that the training rows had, ascending, at least two. Two share one score, that of the second.
    pub seen: Vec<u32>,
}

impl Classes {
    /// The classes among `indices`.
    ///
    /// # Errors
    /// [`InvalidData`](pgml_core::ErrorKind::InvalidData) when there are fewer than two.
    pub fn seen_in(indices: &[f64], n_classes: usize) -> Result<Self> {
        let mut present = vec![false; n_classes];
        indices.iter().for_each(|c| present[*c as usize] = true);
        let seen: Vec<u32> = (0..n_classes as u32).filter(|c| present[*c as usize]).collect();
        if seen.len() < 2 {
            bail!(InvalidData, "classification needs at least two classes, but the training rows have {}", seen.len());
        }
        Ok(Self { n_classes, seen })
    }

    /// The position among the seen classes of each class index.
    #[must_use]
    pub fn positions(&self, indices: &[f64]) -> Vec<u32> {
        let mut position = vec![0; self.n_classes];
        self.seen.iter().zip(0..).for_each(|(c, p)| position[*c as usize] = p);
        indices.iter().map(|c| position[*c as usize]).collect()
    }

    /// The position of `class` among the seen ones.
    ///
    /// # Errors
    /// [`NotSupported`](pgml_core::ErrorKind::NotSupported) when no training row had it.
    pub fn position(&self, class: usize) -> Result<usize> {
        match self.seen.iter().position(|seen| *seen as usize == class) {
            Some(position) => Ok(position),
            None => bail!(NotSupported, "no training row had class {class}, so nothing speaks for it"),
        }
    }

    /// Writes what two classes share: `second` for the second, the rest for the first, 0 for all that were not seen.
    pub fn share(&self, second: f64, out: &mut [f64]) {
        out.fill(0.0);
        out[self.seen[0] as usize] = 1.0 - second;
        out[self.seen[1] as usize] = second;
    }

    /// Adds the stored form to `parts`.
    ///
    /// # Errors
    /// As [`Parts::with_meta`].
    pub fn encode(&self, parts: Parts) -> Result<Parts> {
        parts.with("classes", self.seen.clone()).with_meta("n_classes", &self.n_classes)
    }

    /// Reads what [`Classes::encode`] wrote.
    ///
    /// # Errors
    /// [`Corrupted`](pgml_core::ErrorKind::Corrupted) unless they are at least two, ascending and known.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let classes = Self { n_classes: parts.meta("n_classes")?, seen: parts.array::<u32>("classes")?.to_vec() };
        let ascending = classes.seen.windows(2).all(|pair| pair[0] < pair[1]);
        if classes.seen.len() < 2 || !ascending || classes.seen.iter().any(|c| *c as usize >= classes.n_classes) {
            bail!(Corrupted, "stored classes are not ascending indices below {}", classes.n_classes);
        }
        Ok(classes)
    }

    /// Scores per row: one for two classes, else one per class.
    #[must_use]
    pub fn n_scores(&self) -> usize {
        if self.seen.len() == 2 { 1 } else { self.seen.len() }
    }

    /// The class of the highest score, the first of equals, or of the sign of the only one.
    pub(super) fn decide(&self, scores: &[f64]) -> f64 {
        if let ([first, second], [score]) = (&self.seen[..], scores) {
            return f64::from(if *score > 0.0 { *second } else { *first });
        }
        let (mut best, mut best_score) = (0, f64::NEG_INFINITY);
        for (k, score) in scores.iter().enumerate() {
            (best, best_score) = if *score > best_score { (k, *score) } else { (best, best_score) };
        }
        f64::from(self.seen[best])
    }

    /// Writes the softmax of the scores of the seen classes; `out` has zeros for all classes.
    pub(super) fn softmax(&self, scores: &[f64], out: &mut [f64]) {
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for (class, score) in self.seen.iter().zip(scores) {
            out[*class as usize] = (score - highest).exp();
            total += out[*class as usize];
        }
        self.seen.iter().for_each(|class| out[*class as usize] /= total);
    }

    /// Writes what each seen class's own score makes of it, brought to a sum of 1; `out` has zeros for all classes.
    pub(super) fn one_vs_rest(&self, squash: Squash, scores: &[f64], out: &mut [f64]) {
        let mut total = 0.0;
        for (class, score) in self.seen.iter().zip(scores) {
            out[*class as usize] = squash.probability(*score);
            total += out[*class as usize];
        }
        let equal = 1.0 / self.seen.len() as f64;
        for class in &self.seen {
            let p = &mut out[*class as usize];
            // Where no class wants the row, none is more probable than another.
            *p = if total > 0.0 { *p / total } else { equal };
        }
    }
}
