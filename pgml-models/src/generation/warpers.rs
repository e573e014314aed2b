//! What narrows the choice before a token is drawn, in the order and with the numbers of transformers'
//! `generation/logits_process.py`.

use crate::kernels::Team;

use super::GenerationSettings;
use super::candidates::Candidates;
use super::softmax::sum;

/// The narrowing rules of one generation.
#[derive(Debug)]
pub(super) struct Warpers {
    temperature: f32,
    top_h: Option<f64>,
    top_k: usize,
    top_p: f64,
    min_p: Option<f64>,
    typical_p: f64,
    epsilon_cutoff: f64,
    eta_cutoff: f64,
    /// How many candidates each rule leaves at least: beam search needs a choice.
    least: usize,
}

impl Warpers {
    pub fn new(settings: &GenerationSettings) -> Self {
        let least = if settings.num_beams > 1 { settings.eos_token_id.len().max(1) + 1 } else { 1 };
        Self {
            temperature: settings.temperature,
            top_h: settings.top_h,
            top_k: settings.top_k,
            top_p: settings.top_p,
            min_p: settings.min_p,
            typical_p: settings.typical_p,
            epsilon_cutoff: settings.epsilon_cutoff,
            eta_cutoff: settings.eta_cutoff,
            least,
        }
    }

    /// Makes `candidates` those of a row of scores, which is divided by the temperature.
    pub fn apply(&self, team: &Team, row: &mut [f32], candidates: &mut Candidates) {
        if self.temperature != 1.0 {
            // Near zero a temperature would make scores infinite.
            row.iter_mut().for_each(|x| *x = (*x / self.temperature).min(f32::MAX));
        }
        match self.top_h {
            Some(top_h) => {
                self.keep_top_h(team, top_h, row, candidates);
                self.keep_top_k(team, candidates);
            }
            None if self.top_k > 0 => candidates.fill_top(row, self.top_k.max(self.least)),
            None => candidates.fill(row),
        }
        if self.top_p < 1.0 {
            self.keep_top_p(team, candidates);
        }
        if let Some(min_p) = self.min_p {
            self.keep_min_p(team, min_p as f32, candidates);
        }
        if self.typical_p < 1.0 {
            self.keep_typical(team, candidates);
        }
        if self.epsilon_cutoff > 0.0 {
            self.keep_probable(team, self.epsilon_cutoff as f32, candidates);
        }
        if self.eta_cutoff > 0.0 {
            candidates.probabilities(team);
            let epsilon = self.eta_cutoff as f32;
            let eta = epsilon.min(epsilon.sqrt() * (-candidates.entropy()).exp());
            self.keep_probable(team, eta, candidates);
        }
    }

    /// Top-H (Potraghloo and others 2025): the best of a hundred while their entropy stays below a part of the whole.
    fn keep_top_h(&self, team: &Team, top_h: f64, row: &[f32], candidates: &mut Candidates) {
        candidates.fill_top(row, 100);
        candidates.probabilities(team);
        let limit = (f64::from(candidates.entropy()) * top_h) as f32;
        let mut total = 0.0_f64;
        let border = candidates.walk(
            |score| -score,
            |count, ranked| {
                total += f64::from(-ranked.probability * ranked.probability.ln());
                count > 0 && (total as f32 > limit || count >= 100)
            },
        );
        candidates.keep_before(border);
    }

    /// The most probable `top_k`, after another rule.
    fn keep_top_k(&self, team: &Team, candidates: &mut Candidates) {
        if self.top_k > 0 {
            let border = candidates.kth_score(self.top_k.max(self.least));
            candidates.probabilities(team);
            candidates.retain(|score, _| score >= border);
        }
    }

    /// Nucleus sampling (Holtzman and others 2020): the fewest of the most probable that have the mass together.
    fn keep_top_p(&self, team: &Team, candidates: &mut Candidates) {
        let total = sum(candidates.probabilities(team));
        let outside = (1.0 - self.top_p) as f32;
        // Candidates less probable than the outside's mean cannot be in; without them there is little to sort.
        let (hopeless, best) = (outside / candidates.len() as f32, candidates.kth_score(self.least));
        candidates.retain(|score, p| p >= hopeless || score >= best);
        let (least, mut above) = (self.least, 0.0_f64);
        let border = candidates.walk(
            |score| -score,
            |count, ranked| {
                // The sum from the least probable one up to this.
                let up_to = (total - above) as f32;
                above += f64::from(ranked.probability);
                count >= least && up_to <= outside
            },
        );
        candidates.keep_before(border);
    }

    /// Min-p (Nguyen and others 2024): those that are not far less probable than the most probable.
    fn keep_min_p(&self, team: &Team, min_p: f32, candidates: &mut Candidates) {
        let border = min_p * candidates.probabilities(team).iter().copied().fold(0.0, f32::max);
        let best = candidates.kth_score(self.least);
        // Of those that equal the last of the best only as many as are needed, unlike `keep_above`.
        let better = candidates.scores.iter().filter(|score| **score > best).count();
        let mut equal = self.least.saturating_sub(better);
        candidates.retain(|score, p| {
            let needed = score > best || (score == best && equal > 0);
            equal -= usize::from(needed && score == best);
            needed || p >= border
        });
    }

    /// Those at least as probable as `border`.
    fn keep_probable(&self, team: &Team, border: f32, candidates: &mut Candidates) {
        candidates.probabilities(team);
        self.keep_above(border, candidates);
    }

    /// Those at least as probable as `border`, and the best `least` anyway.
    fn keep_above(&self, border: f32, candidates: &mut Candidates) {
        let best = candidates.kth_score(self.least);
        candidates.retain(|score, p| p >= border || score >= best);
    }

    /// Typical sampling (Meister and others 2023): those whose information is nearest to the expected.
    fn keep_typical(&self, team: &Team, candidates: &mut Candidates) {
        candidates.probabilities(team);
        let (entropy, mass, least) = (candidates.entropy(), self.typical_p as f32, self.least);
        let normaliser = candidates.normaliser();
        let distance = |score: f32| (-normaliser.log_probability(score) - entropy).abs();
        let (mut total, mut border, mut first) = (0.0_f64, None, Vec::new());
        candidates.walk(distance, |count, ranked| {
            total += f64::from(ranked.probability);
            if count < least {
                first.push(ranked.place);
            }
            if border.is_none() && total as f32 >= mass {
                border = Some(ranked.key);
            }
            border.is_some() && count + 1 >= least
        });
        let Some(border) = border else { return };
        let mut place = 0..;
        candidates.retain(|score, _| {
            let needed = place.next().is_some_and(|place: u32| first.contains(&place));
            needed || distance(score) <= border
        });
    }
}

#[cfg(test)]
mod tests {
    use pgml_core::Hyperparams;
    use pgml_core::text::GenerateArgs;
    use serde::Deserialize;
    use serde_json::{Map, Value};

    use super::*;

    #[derive(Deserialize)]
    struct Goldens {
        warped: Warped,
    }

    #[derive(Deserialize)]
    struct Warped {
        rows: Vec<Vec<Option<i32>>>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        settings: Map<String, Value>,
        /// For each row the first and last of each run of tokens that are kept.
        kept: Vec<Vec<(u32, u32)>>,
    }

    #[test]
    fn every_rule_keeps_the_tokens_that_transformers_keeps() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/generation.json");
        let text = std::fs::read_to_string(path).expect("the golden file is there");
        let Goldens { warped: Warped { rows, cases } } = serde_json::from_str(&text).expect("the golden file is read");
        let (team, mut candidates) = (Team::new(1), Candidates::default());
        for Case { settings, kept } in cases {
            let args = GenerateArgs::from_json("generate", &settings).expect("valid");
            let warpers = Warpers::new(&GenerationSettings::resolve(&[], &args, None).expect("valid"));
            for (i, (row, kept)) in rows.iter().zip(kept).enumerate() {
                let mut row: Vec<f32> =
                    row.iter().map(|x| x.map_or(f32::NEG_INFINITY, |x| x as f32 / 1000.0)).collect();
                warpers.apply(&team, &mut row, &mut candidates);
                // Of equal scores PyTorch keeps any, so that only the scores are compared.
                let mut wanted: Vec<f32> =
                    kept.iter().flat_map(|(first, last)| &row[*first as usize..=*last as usize]).copied().collect();
                let mut found: Vec<f32> = candidates.ids.iter().map(|id| row[*id as usize]).collect();
                wanted.sort_unstable_by(f32::total_cmp);
                found.sort_unstable_by(f32::total_cmp);
                assert_eq!(found, wanted, "{settings:?}, row {i}");
            }
        }
    }
}
