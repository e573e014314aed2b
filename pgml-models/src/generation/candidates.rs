//! The tokens that one may be drawn from, with their scores.

use crate::kernels::Team;

use super::softmax::{Normaliser, largest, softmax};

/// Tokens that still have a chance, in the order of the vocabulary. The buffers are used again for each token.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// The tokens.
    pub ids: Vec<u32>,
    /// Their scores, all finite.
    pub scores: Vec<f32>,
    /// Their probabilities, once asked for.
    probabilities: Vec<f32>,
    normaliser: Normaliser,
    /// Room for selections.
    kept: Vec<f32>,
    order: Vec<Ranked>,
}

/// One candidate while they are put in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranked {
    /// What they are ordered by, least first.
    pub key: f32,
    /// The candidate's score.
    pub score: f32,
    /// Its probability.
    pub probability: f32,
    /// Its place among the candidates.
    pub place: u32,
}

impl Candidates {
    /// Takes the tokens of a whole row whose score is finite.
    pub fn fill(&mut self, row: &[f32]) {
        self.take(row, f32::MIN);
    }

    /// Takes the `k` tokens of the greatest scores, and those that equal the last of them.
    pub fn fill_top(&mut self, row: &[f32], k: usize) {
        let least = kth_largest(row, k, &mut self.kept);
        self.take(row, least.max(f32::MIN));
    }

    /// Takes the tokens with at least the score `least`.
    fn take(&mut self, row: &[f32], least: f32) {
        self.ids.clear();
        self.scores.clear();
        for (part, start) in row.chunks(64).zip((0_u32..).step_by(64)) {
            if largest(part) >= least {
                for (score, id) in part.iter().zip(start..) {
                    if *score >= least {
                        self.ids.push(id);
                        self.scores.push(*score);
                    }
                }
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Their probabilities among each other.
    pub fn probabilities(&mut self, team: &Team) -> &[f32] {
        self.normaliser = softmax(team, &self.scores, &mut self.probabilities);
        &self.probabilities
    }

    /// What made scores log-probabilities when they were last computed.
    pub fn normaliser(&self) -> Normaliser {
        self.normaliser
    }

    /// The entropy in nats, with the probabilities as last computed.
    pub fn entropy(&self) -> f32 {
        let terms = self.scores.iter().zip(&self.probabilities);
        -terms.map(|(score, p)| f64::from(self.normaliser.log_probability(*score) * p)).sum::<f64>() as f32
    }

    /// Keeps those that `keep` finds good by score and probability (as last computed).
    pub fn retain(&mut self, mut keep: impl FnMut(f32, f32) -> bool) {
        let mut kept = 0;
        for i in 0..self.len() {
            if keep(self.scores[i], self.probabilities[i]) {
                self.ids[kept] = self.ids[i];
                self.scores[kept] = self.scores[i];
                self.probabilities[kept] = self.probabilities[i];
                kept += 1;
            }
        }
        self.ids.truncate(kept);
        self.scores.truncate(kept);
        self.probabilities.truncate(kept);
    }

    /// The score of the `k`-th best; of the last when there are fewer.
    pub fn kth_score(&mut self, k: usize) -> f32 {
        kth_largest(&self.scores, k, &mut self.kept)
    }

    /// Walks through the candidates, least key first, and returns the first for which `until` is true.
    ///
    /// Keys are made from scores; of equal ones the first comes first.
    pub fn walk(&mut self, key: impl Fn(f32) -> f32, mut until: impl FnMut(usize, &Ranked) -> bool) -> Option<Ranked> {
        let by_key = |a: &Ranked, b: &Ranked| a.key.total_cmp(&b.key).then(a.place.cmp(&b.place));
        self.order.clear();
        self.order.extend(
            (self.scores.iter().zip(&self.probabilities).zip(0..)).map(|((&score, &probability), place)| Ranked {
                key: key(score),
                score,
                probability,
                place,
            }),
        );
        // Most walks end early, so only the beginning is sorted, then four times as much, and so on.
        let (mut rest, mut count, mut size) = (self.order.as_mut_slice(), 0, 64);
        while !rest.is_empty() {
            if size < rest.len() {
                rest.select_nth_unstable_by(size, by_key);
            }
            let (part, later) = rest.split_at_mut(size.min(rest.len()));
            part.sort_unstable_by(by_key);
            for ranked in part.iter() {
                if until(count, ranked) {
                    return Some(*ranked);
                }
                count += 1;
            }
            (rest, size) = (later, size * 4);
        }
        None
    }

    /// Keeps those that came before `border` on a walk from the greatest score down.
    pub fn keep_before(&mut self, border: Option<Ranked>) {
        let Some(border) = border else { return };
        let mut place = 0..;
        self.retain(|score, _| {
            let before = place.next().is_some_and(|place: u32| place < border.place);
            score > border.score || (score == border.score && before)
        });
    }
}

/// The `k`-th largest number of a row, −∞ when it has fewer that are larger; of `k` = 0 the largest.
fn kth_largest(row: &[f32], k: usize, kept: &mut Vec<f32>) -> f32 {
    let k = k.clamp(1, row.len().max(1));
    let mut least = f32::NEG_INFINITY;
    kept.clear();
    // The best k so far and as many newcomers again: each selection halves them, and few numbers ever come in.
    for part in row.chunks(64) {
        if largest(part) > least {
            kept.extend(part.iter().copied().filter(|x| *x > least));
            if kept.len() >= 2 * k + 64 {
                least = select(kept, k);
                kept.truncate(k);
            }
        }
    }
    if kept.len() >= k { select(kept, k) } else { least }
}

/// Moves the `k` largest numbers to the front and returns the least of them.
fn select(numbers: &mut [f32], k: usize) -> f32 {
    *numbers.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = fastrand::Rng::with_seed(seed);
        // Few different values, so that there are ties.
        (0..n).map(|_| (rng.f32() * 50.0).round() / 4.0).collect()
    }

    #[test]
    fn the_kth_largest_is_that_of_the_sorted_row() {
        for (n, seed) in [(1, 0), (63, 1), (64, 2), (1000, 3), (9000, 4)] {
            let row = numbers(n, seed);
            let mut sorted = row.clone();
            sorted.sort_unstable_by(|a, b| b.total_cmp(a));
            for k in [1, 2, 50, 900, 9000] {
                let wanted = sorted[k.min(n) - 1];
                assert_eq!(kth_largest(&row, k, &mut Vec::new()), wanted, "{k} of {n}");
            }
        }
        assert_eq!(kth_largest(&[f32::NEG_INFINITY; 3], 2, &mut Vec::new()), f32::NEG_INFINITY);
    }

    #[test]
    fn a_walk_meets_all_in_order() {
        let team = Team::new(1);
        let row = numbers(3000, 7);
        let mut candidates = Candidates::default();
        candidates.fill(&row);
        candidates.probabilities(&team);
        let mut met = Vec::new();
        let end = candidates.walk(
            |score| -score,
            |count, ranked| {
                assert_eq!(count, met.len());
                met.push((ranked.key, ranked.place));
                false
            },
        );
        assert_eq!(met.len(), 3000);
        assert!(met.is_sorted());
        assert!(end.is_none());
    }

    #[test]
    fn minus_infinity_is_no_candidate() {
        let mut candidates = Candidates::default();
        for k in [1, 5] {
            candidates.fill_top(&[1.0, f32::NEG_INFINITY, 2.0], k);
            assert_eq!(candidates.len(), k.min(2));
        }
    }
}
