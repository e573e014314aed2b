//! One class, or one distribution, from the decisions about all pairs of classes.

use pgml_core::{Parts, Result, bail};

use crate::linear_model::Classes;
use crate::solvers::kernels::axpy;
use crate::solvers::platt::{Coupling, Sigmoid};

/// The pairs of `k` classes in libsvm's order: (0, 1), (0, 2), …
pub fn pairs(k: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..k).flat_map(move |i| (i + 1..k).map(move |j| (i, j)))
}

/// What a classifier knows besides its machines, one machine per pair of seen classes.
pub struct Voting {
    /// The classes.
    pub classes: Classes,
    /// Support vectors are sorted by class: where each class starts, and the end.
    pub starts: Vec<usize>,
    /// Whether equal numbers of votes are decided by the sum of decisions.
    pub break_ties: bool,
    /// One per machine, or none where probabilities were not asked for.
    pub sigmoids: Vec<Sigmoid>,
}

impl Voting {
    /// How many classes the training rows had.
    pub fn n_seen(&self) -> usize {
        self.classes.seen.len()
    }

    /// The class with most votes, the first of equals unless ties are broken. `votes` and `sums` have room for one
    /// number per seen class.
    pub fn vote(&self, decisions: &[f64], votes: &mut [f64], sums: &mut [f64]) -> f64 {
        let k = self.n_seen();
        let by_sums = self.break_ties && k > 2;
        votes.fill(0.0);
        sums.fill(0.0);
        for ((i, j), decision) in pairs(k).zip(decisions) {
            // scikit-learn's two ways differ here too.
            let first = *decision > 0.0 || (by_sums && *decision == 0.0);
            votes[if first { i } else { j }] += 1.0;
            sums[i] += decision;
            sums[j] -= decision;
        }
        if by_sums {
            // Less than half a vote, so that only ties are decided.
            sums.iter_mut().for_each(|s| *s /= 3.0 * (s.abs() + 1.0));
            axpy(1.0, sums, votes);
        }
        let best = (0..k).fold(0, |best, c| if votes[c] > votes[best] { c } else { best });
        f64::from(self.classes.seen[best])
    }

    /// Writes the probability of each class, seen or not. `decisions` are overwritten; `p` has room for one number per
    /// seen class.
    pub fn probabilities(&self, decisions: &mut [f64], coupling: &mut Coupling, p: &mut [f64], out: &mut [f64]) {
        decisions.iter_mut().zip(&self.sigmoids).for_each(|(f, sigmoid)| *f = sigmoid.probability(*f));
        coupling.couple(decisions, p);
        out.fill(0.0);
        self.classes.seen.iter().zip(p).for_each(|(class, p)| out[*class as usize] = *p);
    }

    /// Adds the stored form to `parts`.
    pub fn encode(&self, parts: Parts) -> Result<Parts> {
        let sigmoids: Vec<f64> = self.sigmoids.iter().flat_map(|s| [s.a, s.b]).collect();
        parts
            .with("classes", self.classes.seen.clone())
            .with("class_starts", self.starts.iter().map(|s| *s as u32).collect::<Vec<_>>())
            .with("sigmoids", sigmoids)
            .with_meta("n_classes", &self.classes.n_classes)?
            .with_meta("break_ties", &self.break_ties)
    }

    /// Reads the stored form of a model of `n_vectors` support vectors.
    pub fn decode(parts: &Parts, n_classes: usize, n_vectors: usize) -> Result<Self> {
        let seen = parts.array::<u32>("classes")?.to_vec();
        if seen.len() < 2 || !seen.is_sorted_by(|a, b| a < b) || seen.iter().any(|c| *c as usize >= n_classes) {
            bail!(Corrupted, "stored svm has classes that are not ascending indices below {n_classes}");
        }
        let k = seen.len();
        let starts: Vec<usize> = parts.array_of::<u32>("class_starts", k + 1)?.iter().map(|s| *s as usize).collect();
        if starts[0] != 0 || starts[k] != n_vectors || !starts.is_sorted() {
            bail!(Corrupted, "stored svm has classes that do not divide its {n_vectors} support vectors");
        }
        let stored = parts.array::<f64>("sigmoids")?;
        if !(stored.is_empty() || stored.len() == k * (k - 1)) || stored.iter().any(|x| !x.is_finite()) {
            bail!(Corrupted, "stored svm has {} numbers of sigmoids for {k} classes", stored.len());
        }
        let sigmoids = stored.chunks_exact(2).map(|ab| Sigmoid { a: ab[0], b: ab[1] }).collect();
        let break_ties = parts.meta("break_ties")?;
        Ok(Self { classes: Classes { n_classes, seen }, starts, break_ties, sigmoids })
    }
}
