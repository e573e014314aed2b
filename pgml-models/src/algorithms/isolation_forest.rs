//! Trees of random splits: what they isolate early is strange.

mod grow;

use pgml_core::estimator::expect_shape;
use pgml_core::{
    AnomalyDetector, Dataset, Estimator, Explain, MatrixRef, Model, Parts, Result, Run, Task, bail, hyperparams,
};
use serde_json::Value;

use self::grow::Grower;
use crate::solvers::blocks::ranges;
use crate::solvers::contamination::{Contamination, label};
use crate::solvers::parallel;
use crate::trees::amount::Amount;
use crate::trees::{FlatBuilder, FlatForest};

hyperparams! {
    /// Parameters of `isolation_forest`.
    pub struct IsolationForestParams {
        /// How many trees.
        n_estimators: usize = 100, range: at_least(1.0);
        /// How many rows each tree isolates: "auto" is at most 256; a count, or a share of all.
        max_samples: Value = Value::from("auto");
        /// The share of training rows that are anomalies, above 0 and at most 0.5; "auto" calls those anomalies that are isolated sooner than the average of random rows.
        contamination: Value = Value::from("auto");
        /// How many features each tree looks at: a count, or a share of all.
        max_features: Amount = Amount::Share(1.0), range: above(0.0);
        /// Whether rows are drawn with replacement.
        bootstrap: bool = false;
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility.
        n_jobs: Option<i32> = None, no_effect: true;
        /// Accepted for compatibility.
        verbose: i32 = 0, no_effect: true;
        /// Accepted for compatibility.
        warm_start: bool = false, no_effect: true;
    }
}

/// Isolation forest.
pub struct IsolationForest;

impl Estimator for IsolationForest {
    const NAME: &'static str = "isolation_forest";
    const DESCRIPTION: &'static str =
        "Finds rows that few random splits isolate: quick for many rows and features of any scale.";
    const SOURCE: &'static str = "Liu, Ting, Zhou 2008; scikit-learn 1.9 IsolationForest";
    const TASKS: &'static [Task] = &[Task::AnomalyDetection];
    const VERSION: u32 = 1;
    type Params = IsolationForestParams;
    type Model = IsolationForestModel;

    fn fit(params: &IsolationForestParams, data: &Dataset, _: Task, run: &Run) -> Result<IsolationForestModel> {
        let contamination = Contamination::read(&params.contamination)?;
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let n_samples = n_samples(&params.max_samples, data.n_rows())?;
        let n_features = match params.max_features {
            Amount::Count(count) if count <= data.n_features() => count,
            Amount::Share(share) if share <= 1.0 => ((share * data.n_features() as f64) as usize).max(1),
            _ => bail!(InvalidParameter, "max_features of isolation_forest exceeds the {} features", data.n_features()),
        };
        let grower = Grower::new(data, n_samples, n_features, params.bootstrap)?;
        let trees = parallel::map(params.n_estimators, run, |tree| {
            run.progress("training", tree as u64, params.n_estimators as u64);
            grower.tree(&mut run.rng(tree as u64), run)
        })?;
        let mut builder = FlatBuilder::new(data.n_features(), 1, 1);
        trees.iter().try_for_each(|tree| builder.push(tree))?;
        let mut model = IsolationForestModel { forest: builder.finish()?, n_samples, threshold: 0.0 };
        // The expected score of rows that are neither.
        model.threshold = 0.5;
        if let Contamination::Share(_) = contamination {
            model.threshold = contamination.threshold(0.5, model.strangeness_of(data, run)?);
        }
        Ok(model)
    }

    fn decode(parts: &Parts) -> Result<IsolationForestModel> {
        let (forest, n_samples): (FlatForest<f32, f64>, usize) = (FlatForest::decode(parts)?, parts.meta("n_samples")?);
        let threshold: f64 = parts.meta("threshold")?;
        if forest.n_trees() == 0 || forest.n_outputs() != 1 || n_samples == 0 || !threshold.is_finite() {
            bail!(Corrupted, "a stored isolation forest of {} trees of {n_samples} rows", forest.n_trees());
        }
        Ok(IsolationForestModel { forest, n_samples, threshold })
    }
}

fn n_samples(param: &Value, n_rows: usize) -> Result<usize> {
    let amount = (param.is_number()).then(|| <Amount as pgml_core::hyperparams::ParamValue>::read(param)).flatten();
    match (param.as_str(), amount) {
        (Some("auto"), _) => Ok(n_rows.min(256)),
        (_, Some(Amount::Count(count))) if count >= 1 => Ok(count.min(n_rows)),
        (_, Some(Amount::Share(share))) if share > 0.0 && share <= 1.0 => Ok(((share * n_rows as f64) as usize).max(1)),
        _ => bail!(
            InvalidParameter,
            "hyperparameter \"max_samples\" of isolation_forest is {param}, but must be auto, a count, or a share"
        ),
    }
}

/// The mean number of splits that a random tree of `n` rows needs to isolate one.
pub(super) fn average_path(n: usize) -> f64 {
    /// Euler's γ.
    const GAMMA: f64 = 0.577_215_664_901_532_9;
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = n as f64;
            2.0 * ((n - 1.0).ln() + GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

/// Trees whose leaves hold how many splits isolate a row.
pub struct IsolationForestModel {
    forest: FlatForest<f32, f64>,
    /// How many rows each tree isolates.
    n_samples: usize,
    /// The strangeness above which a row is an anomaly.
    threshold: f64,
}

impl IsolationForestModel {
    /// The paper's score, from 0 to 1: 0.5 where a row needs as many splits as a random one.
    fn strangeness(&self, rows: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        self.forest.add_leaves(rows, out);
        let usual = self.forest.n_trees() as f64 * average_path(self.n_samples);
        let share = |splits: f64| if usual > 0.0 { splits / usual } else { 1.0 };
        out.iter_mut().for_each(|splits| *splits = (-share(*splits)).exp2());
    }

    fn strangeness_of(&self, data: &Dataset, run: &Run) -> Result<Vec<f64>> {
        let (mut rows, mut scores) = (Vec::new(), vec![0.0; data.n_rows()]);
        for block in ranges(data.n_rows(), 1024) {
            run.check()?;
            data.rows_into(block.clone(), &mut rows);
            self.strangeness(&rows, &mut scores[block]);
        }
        Ok(scores)
    }
}

impl Model for IsolationForestModel {
    fn n_features(&self) -> usize {
        self.forest.n_features()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.anomaly_score_into(rows, out)?;
        label(out);
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let parts = Parts::new().with_meta("n_samples", &self.n_samples)?.with_meta("threshold", &self.threshold)?;
        self.forest.encode(parts)
    }

    fn bytes(&self) -> usize {
        self.forest.bytes()
    }

    fn anomaly_detector(&self) -> Option<&dyn AnomalyDetector> {
        Some(self)
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        Some(self)
    }
}

/// Exact for what the score is made of: how many splits fewer than a random row this one needs to be isolated.
impl Explain for IsolationForestModel {
    fn unit(&self) -> &'static str {
        "splits saved"
    }

    fn explain_row(
        &self,
        row: &[f64],
        _typical: &[f64],
        output: usize,
        contributions: &mut [f64],
        run: &Run,
    ) -> Result<f64> {
        let splits = self.forest.explain(row, output, contributions, run)?;
        let n_trees = self.forest.n_trees() as f64;
        contributions.iter_mut().for_each(|x| *x /= -n_trees);
        Ok(average_path(self.n_samples) - splits / n_trees)
    }

    fn importance(&self, _deviations: &[f64]) -> Result<Vec<f64>> {
        self.forest.importance()
    }
}

impl AnomalyDetector for IsolationForestModel {
    fn anomaly_score_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, 1)?;
        self.strangeness(rows.as_slice(), out);
        out.iter_mut().for_each(|score| *score -= self.threshold);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contributions_sum_to_the_splits_that_the_score_is_made_of() {
        let rows: Vec<f64> = (0..300).map(|i| f64::from(i * i % 83) + if i == 30 { 500.0 } else { 0.0 }).collect();
        let data = Dataset::from_rows(&rows, 3).expect("whole rows");
        let params = IsolationForestParams { n_estimators: 20, ..IsolationForestParams::default() };
        let model = IsolationForest::fit(&params, &data, Task::AnomalyDetection, &Run::new()).expect("fits");
        for row in rows.chunks_exact(3) {
            let (mut contributions, mut score) = ([0.0; 3], [0.0]);
            let base = model.explain_row(row, &[0.0; 3], 0, &mut contributions, &Run::new()).expect("explains");
            let rows = MatrixRef::new(row, 3).expect("a row");
            model.anomaly_score_into(rows, &mut score).expect("scores");
            let saved = average_path(100) * (1.0 + (score[0] + model.threshold).log2());
            assert!((base + contributions.iter().sum::<f64>() - saved).abs() < 1e-9, "{row:?}");
        }
        let mut contributions = [0.0; 3];
        model.explain_row(&rows[30..33], &[0.0; 3], 0, &mut contributions, &Run::new()).expect("explains");
        assert!(contributions[0] > contributions[1].abs() + contributions[2].abs(), "{contributions:?}");
    }

    #[test]
    fn average_paths_equal_scikit_learn() {
        // sklearn.ensemble._iforest._average_path_length of scikit-learn 1.9.1
        let ours: Vec<f64> = [1, 2, 5, 999].into_iter().map(average_path).collect();
        for (ours, expected) in ours.iter().zip([0.0, 1.0, 2.327_020_052_042_847, 12.967_939_884_427_995]) {
            assert!((ours - expected).abs() < 1e-12, "{ours} is not {expected}");
        }
    }
}
