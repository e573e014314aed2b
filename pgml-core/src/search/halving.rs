//! Successive halving: all candidates on few rows, the better third of them on three times as many, and so on (Jamieson and
//! Talwalkar 2016; scikit-learn's `HalvingGridSearchCV`).

use serde_json::{Map, Value, json};

use super::trials::{Judge, Trial, mean, results};
use super::{Evaluated, Folds};
use crate::{Result, Run};

/// By how much the candidates become fewer and the rows more.
const FACTOR: usize = 3;
/// Fewer rows say nothing.
const LEAST_ROWS: usize = 20;

/// Judges `candidates` in rounds; the last round has all rows.
pub fn halve(
    candidates: Vec<Map<String, Value>>,
    folds: &Folds<'_>,
    judge: &Judge<'_>,
    run: &Run,
) -> Result<Evaluated> {
    let mut trials: Vec<Vec<Trial>> = vec![Vec::new(); candidates.len()];
    let mut n_rows = vec![0; candidates.len()];
    let mut survivors: Vec<usize> = (0..candidates.len()).collect();
    let shares = rounds(candidates.len(), folds.least_rows());
    for (round, share) in shares.iter().enumerate() {
        run.info(&format!(
            "Round {} of {}: {} candidates on 1/{share} of the rows",
            round + 1,
            shares.len(),
            survivors.len()
        ));
        let mut of_round: Vec<Vec<Trial>> = vec![Vec::new(); survivors.len()];
        for fold in 0..folds.len() {
            let (data, held_out) = folds.part(fold, *share, run)?;
            for (position, candidate) in survivors.iter().enumerate() {
                let done = (fold * survivors.len() + position) as u64;
                run.progress("search", done, (folds.len() * survivors.len()) as u64);
                // Out of time in the middle of a round: the one before decides.
                if round > 0 && judge.is_over() {
                    return finish(candidates, trials, n_rows, &survivors, judge);
                }
                of_round[position].push(judge.judge(&candidates[*candidate], &data, &held_out)?);
                n_rows[*candidate] = data.n_rows();
            }
        }
        for (candidate, of_round) in survivors.iter().zip(of_round) {
            trials[*candidate] = of_round;
        }
        if round + 1 < shares.len() {
            survivors = judge.by_score(survivors, |candidate| mean(&trials[candidate], |t| t.score));
            survivors.truncate(survivors.len().div_ceil(FACTOR));
        }
    }
    finish(candidates, trials, n_rows, &survivors, judge)
}

/// The best of those that came farthest.
fn finish(
    candidates: Vec<Map<String, Value>>,
    trials: Vec<Vec<Trial>>,
    n_rows: Vec<usize>,
    survivors: &[usize],
    judge: &Judge<'_>,
) -> Result<Evaluated> {
    let of_survivors: Vec<Vec<Trial>> = survivors.iter().map(|candidate| trials[*candidate].clone()).collect();
    let best = survivors[judge.best(&of_survivors)?];
    let mut table = results(&candidates, &trials, best);
    table.insert("n_resources".to_owned(), json!(n_rows));
    Ok(Evaluated { best: candidates[best].clone(), results: Value::Object(table) })
}

/// By what the rows are divided in each round. There are enough rounds for one candidate to be left, if there are rows enough
/// for the first.
fn rounds(n_candidates: usize, n_rows: usize) -> Vec<usize> {
    let mut shares = vec![1];
    let (mut left, mut share) = (n_candidates, 1);
    while left > FACTOR && n_rows / (share * FACTOR) >= LEAST_ROWS {
        left = left.div_ceil(FACTOR);
        share *= FACTOR;
        shares.insert(0, share);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_rounds_as_candidates_and_rows_allow() {
        assert_eq!(rounds(3, 1000), [1], "three are few enough for all rows");
        assert_eq!(rounds(27, 1000), [9, 3, 1]);
        assert_eq!(rounds(1000, 1000), [27, 9, 3, 1], "a first round of 37 rows");
        assert_eq!(rounds(27, 50), [1]);
    }
}
