//! Early stopping: rows that are watched, the score of each round, and when to stop.

use fastrand::Rng;
use pgml_core::{Dataset, Result, bail};

use super::loss::{Link, Loss, Rows};
use super::params::HistGradientBoostingParams;
use crate::trees::amount::Amount;
use crate::trees::boosting::{BinnedRows, GrownTree};

/// What a score is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Score {
    /// The loss, negated.
    Loss,
    /// The share of rows whose class is right.
    Accuracy,
    /// The share of the variance that is explained.
    R2,
}

/// Scores of rounds, the greater the better.
pub(super) struct Watch {
    loss: Loss,
    score: Score,
    scores: Vec<f64>,
    patience: usize,
    tol: f64,
    /// Rows that are not learnt from, where they are watched rather than the training rows.
    pub(super) apart: Option<Apart>,
}

/// Rows that are not learnt from, with their scores so far.
pub(super) struct Apart {
    pub(super) binned: BinnedRows,
    pub(super) y: Vec<f64>,
    pub(super) weight: Option<Vec<f64>>,
    pub(super) raw: Vec<f64>,
}

impl Apart {
    /// Adds the values of one score's new tree.
    pub(super) fn add(&mut self, tree: &GrownTree, score: usize) {
        let n_rows = self.binned.n_rows();
        let raw = &mut self.raw[score * n_rows..][..n_rows];
        raw.iter_mut().enumerate().for_each(|(row, raw)| *raw += tree.predict(&self.binned, row));
    }
}

impl Watch {
    /// Watches scores of `loss`.
    pub(super) fn new(params: &HistGradientBoostingParams, loss: Loss, apart: Option<Apart>) -> Result<Self> {
        let classifies = matches!(loss, Loss::Logistic | Loss::Softmax(_));
        let score = match params.scoring.as_deref() {
            Some("loss") => Score::Loss,
            Some("accuracy") | None if classifies => Score::Accuracy,
            Some("r2") | None if !classifies => Score::R2,
            other => bail!(
                InvalidParameter,
                "scoring {other:?} of hist_gradient_boosting is not for {}",
                if classifies { "classification" } else { "regression" }
            ),
        };
        Ok(Self { loss, score, scores: Vec::new(), patience: params.n_iter_no_change, tol: params.tol, apart })
    }

    /// Notes the score of a round; whether none of the last rounds was better than the one before them.
    pub(super) fn should_stop(&mut self, training: &Rows<'_>, raw: &[f64]) -> bool {
        let score = match &self.apart {
            Some(apart) => {
                let rows = Rows { y: &apart.y, weight: apart.weight.as_deref() };
                self.score(&rows, &apart.raw)
            }
            None => self.score(training, raw),
        };
        self.scores.push(score);
        let Some(before) = self.scores.len().checked_sub(self.patience + 1) else { return false };
        let reference = self.scores[before] + self.tol;
        !self.scores[before + 1..].iter().any(|score| *score > reference)
    }

    fn score(&self, rows: &Rows<'_>, raw: &[f64]) -> f64 {
        match self.score {
            Score::Loss => -self.loss.mean(rows, raw),
            Score::Accuracy => {
                rows.mean(|row| f64::from(u8::from(class_of(raw, row, rows.y.len()) as f64 == rows.y[row])))
            }
            Score::R2 => {
                let middle = rows.mean(|row| rows.y[row]);
                let predicted = |row: usize| if self.loss.link() == Link::Log { raw[row].exp() } else { raw[row] };
                let unexplained = rows.mean(|row| (rows.y[row] - predicted(row)).powi(2));
                1.0 - unexplained / rows.mean(|row| (rows.y[row] - middle).powi(2))
            }
        }
    }
}

/// The class that a row's scores stand for.
fn class_of(raw: &[f64], row: usize, n_rows: usize) -> usize {
    if raw.len() == n_rows {
        return usize::from(raw[row] > 0.0);
    }
    let scores = raw[row..].iter().step_by(n_rows);
    scores
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, (k, score)| if *score > best.1 { (k, *score) } else { best })
        .0
}

/// Rows to learn from and rows to watch, drawn at random; of each class the same share.
pub(super) fn split(data: &Dataset, amount: Amount, rng: &mut Rng) -> Result<(Vec<u32>, Vec<u32>)> {
    let n = data.n_rows();
    let n_watched = match amount {
        Amount::Count(count) => count,
        Amount::Share(share) => (share * n as f64).ceil() as usize,
    };
    if n_watched == 0 || n_watched >= n {
        bail!(
            InvalidParameter,
            "validation_fraction of hist_gradient_boosting sets {n_watched} of {n} rows aside; some must be left to learn from"
        );
    }
    let mut rows: Vec<u32> = (0..n as u32).collect();
    rng.shuffle(&mut rows);
    if let (true, [classes]) = (data.n_classes() > 0, data.targets()) {
        rows.sort_by_key(|row| classes[*row as usize] as u32);
    }
    // Spread evenly over the rows in the order of their classes.
    let is_watched = |place: usize| (place + 1) * n_watched / n > place * n_watched / n;
    let (mut watched, mut learnt) = (Vec::with_capacity(n_watched), Vec::with_capacity(n - n_watched));
    for (place, row) in rows.into_iter().enumerate() {
        if is_watched(place) { watched.push(row) } else { learnt.push(row) }
    }
    watched.sort_unstable();
    learnt.sort_unstable();
    Ok((learnt, watched))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(patience: usize, tol: f64) -> Watch {
        let params = HistGradientBoostingParams { n_iter_no_change: patience, tol, ..Default::default() };
        Watch::new(&params, Loss::AbsoluteError, None).expect("the loss is watched")
    }

    #[test]
    fn training_stops_when_the_last_rounds_bring_nothing() {
        let y = [0.0];
        let rows = Rows { y: &y, weight: None };
        let stops = |mut watch: Watch, losses: &[f64]| {
            losses.iter().map(|loss| watch.should_stop(&rows, &[*loss])).collect::<Vec<_>>()
        };
        assert_eq!(stops(watch(2, 0.0), &[5.0, 4.0, 4.0, 4.0]), [false, false, false, true]);
        assert_eq!(stops(watch(2, 0.0), &[5.0, 4.0, 4.5, 3.9, 3.9]), [false, false, false, false, false]);
        assert_eq!(stops(watch(1, 2.0), &[5.0, 4.0]), [false, true]);
    }

    #[test]
    fn rows_are_set_aside_by_class() {
        let classes: Vec<f64> = (0..1000).map(|row| f64::from(u8::from(row % 10 == 0))).collect();
        let rows: Vec<f64> = (0..1000).map(f64::from).collect();
        let data =
            Dataset::from_rows(&rows, 1).and_then(|data| data.with_classes(classes.clone(), 2)).expect("classes");
        let (learnt, watched) = split(&data, Amount::Share(0.1), &mut Rng::with_seed(0)).expect("rows are left");
        assert_eq!((learnt.len(), watched.len()), (900, 100));
        assert_eq!(watched.iter().filter(|row| classes[**row as usize] == 1.0).count(), 10);
        for too_many in [Amount::Count(1000), Amount::Share(1.0)] {
            assert!(split(&data, too_many, &mut Rng::with_seed(0)).is_err());
        }
    }
}
