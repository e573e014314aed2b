//! The continuations that a round of beam search looks at.

use crate::generation::candidates::Candidates;
use crate::generation::softmax::largest;

/// A token that one of the beams may go on with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Which beam.
    pub beam: usize,
    /// The token.
    pub token: u32,
    /// The sum of all its tokens' scores.
    pub score: f32,
    /// Its place among the chosen.
    pub rank: usize,
    /// What it was chosen by.
    key: f64,
}

/// The continuations with the greatest keys over all beams.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// Those chosen, best first.
    pub chosen: Vec<Candidate>,
    wanted: usize,
    /// What a key must exceed to be chosen.
    least: f64,
}

impl Selection {
    /// Forgets all; `wanted` are to be chosen.
    pub fn begin(&mut self, wanted: usize) {
        self.chosen.clear();
        (self.wanted, self.least) = (wanted, f64::NEG_INFINITY);
    }

    /// Offers all tokens of a beam with a score each, which are ordered by it.
    pub fn take(&mut self, beam: usize, score: f32, row: &[f32]) {
        for (part, start) in row.chunks(64).zip((0_u32..).step_by(64)) {
            if f64::from(largest(part) + score) > self.least {
                for (x, token) in part.iter().zip(start..) {
                    let score = x + score;
                    self.offer(Candidate { beam, token, score, rank: 0, key: f64::from(score) });
                }
            }
        }
    }

    /// Offers some tokens of a beam, drawn by their probability over all beams, each once.
    pub fn draw(&mut self, beam: usize, score: f32, candidates: &Candidates, rng: &mut fastrand::Rng) {
        for (x, &token) in candidates.scores.iter().zip(&candidates.ids) {
            let score = x + score;
            // The greatest of such keys are distributed as draws without putting back (Gumbel 1954; Kool and others 2019).
            let key = f64::from(score) - (-rng.f64().ln()).ln();
            self.offer(Candidate { beam, token, score, rank: 0, key });
        }
    }

    fn offer(&mut self, candidate: Candidate) {
        if candidate.key > self.least {
            self.chosen.push(candidate);
            if self.chosen.len() >= 2 * self.wanted + 64 {
                self.narrow();
            }
        }
    }

    /// Keeps as many as wanted. Beams and tokens come in order, so of equals the first ones stay.
    fn narrow(&mut self) {
        self.chosen.sort_by(|a, b| b.key.total_cmp(&a.key));
        self.chosen.truncate(self.wanted);
        if let Some(last) = self.chosen.get(self.wanted - 1) {
            self.least = last.key;
        }
    }

    /// Puts the chosen in order.
    pub fn finish(&mut self) {
        self.narrow();
        self.chosen.iter_mut().zip(0..).for_each(|(candidate, rank)| candidate.rank = rank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Team;

    #[test]
    fn the_best_of_all_beams_are_chosen_the_first_of_equals() {
        let rows: Vec<Vec<f32>> = (0..3).map(|r| (0..500).map(|i| ((i * 7 + r * 3) % 100) as f32).collect()).collect();
        let mut all: Vec<(f32, usize, u32)> = Vec::new();
        let mut selection = Selection::default();
        selection.begin(40);
        for (beam, row) in rows.iter().enumerate() {
            selection.take(beam, -(beam as f32), row);
            all.extend(row.iter().zip(0..).map(|(x, token)| (x - beam as f32, beam, token)));
        }
        selection.finish();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let chosen: Vec<_> = selection.chosen.iter().map(|c| (c.score, c.beam, c.token)).collect();
        assert_eq!(chosen, all[..40]);
    }

    #[test]
    fn draws_come_first_as_often_as_they_are_probable() {
        let team = Team::new(1);
        let mut candidates = Candidates::default();
        candidates.fill(&[0.0, 1.0, f32::NEG_INFINITY, -1.0]);
        let probabilities: Vec<f32> = candidates.probabilities(&team).to_vec();
        let mut rng = fastrand::Rng::with_seed(5);
        let (mut counts, draws) = ([0_u32; 4], 50_000);
        for _ in 0..draws {
            let mut selection = Selection::default();
            selection.begin(3);
            selection.draw(0, 0.0, &candidates, &mut rng);
            selection.finish();
            assert_eq!(selection.chosen.len(), 3);
            counts[selection.chosen[0].token as usize] += 1;
        }
        let chi_squared: f64 = [0, 1, 3].iter().zip(probabilities).fold(0.0, |total, (&token, p)| {
            let expected = f64::from(p) * f64::from(draws);
            total + (f64::from(counts[token]) - expected).powi(2) / expected
        });
        // The 99.9th percentile with 2 degrees of freedom.
        assert!(chi_squared < 13.8, "{chi_squared}");
    }
}
