//! Joint regression by algorithms that learn one target: a model for each, as scikit-learn's `MultiOutputRegressor` has.

use pgml_core::estimator::expect_shape;
use pgml_core::{Dataset, Explain, MatrixRef, Model, Parts, Result, Run, bail};

/// More targets than that are no joint regression but a damaged file.
const MAX_TARGETS: usize = 10_000;
/// Rows that are predicted at a time where there are several targets.
const BLOCK: usize = 256;

/// One model per target. A single one is stored as itself.
#[derive(Debug, Clone, PartialEq)]
pub struct PerTarget<M> {
    models: Vec<M>,
}

impl<M: Model> PerTarget<M> {
    /// Fits each target of `data` alone: `fit` is given a data set of one target. Without targets, it is given none.
    ///
    /// # Errors
    /// Those of `fit`.
    pub fn fit(data: &Dataset, mut fit: impl FnMut(&Dataset) -> Result<M>) -> Result<Self> {
        if data.targets().len() <= 1 {
            return Ok(Self { models: vec![fit(data)?] });
        }
        let mut alone = data.clone();
        let fit_one = |target: &Vec<f64>| {
            alone = std::mem::take(&mut alone).with_only_target(target.clone())?;
            fit(&alone)
        };
        Ok(Self { models: data.targets().iter().map(fit_one).collect::<Result<_>>()? })
    }

    /// The models, in the order of the targets.
    #[must_use]
    pub fn models(&self) -> &[M] {
        &self.models
    }

    /// Rebuilds what [`Model::encode`] wrote; `decode` reads the model of one target.
    ///
    /// # Errors
    /// Those of `decode`; [`Corrupted`](pgml_core::ErrorKind::Corrupted) when the models do not fit together.
    pub fn decode(parts: &Parts, decode: impl Fn(&Parts) -> Result<M>) -> Result<Self> {
        if !parts.meta.contains_key("n_targets") {
            return Ok(Self { models: vec![decode(parts)?] });
        }
        let n_targets: usize = parts.meta("n_targets")?;
        if !(2..=MAX_TARGETS).contains(&n_targets) {
            bail!(Corrupted, "a stored model of {n_targets} targets");
        }
        let models: Vec<M> = (0..n_targets).map(|t| decode(&parts.nested(&prefix(t)))).collect::<Result<_>>()?;
        if models.iter().any(|m| m.n_features() != models[0].n_features() || m.n_outputs() != 1) {
            bail!(Corrupted, "the stored models of {n_targets} targets do not take the same features");
        }
        Ok(Self { models })
    }
}

fn prefix(target: usize) -> String {
    format!("target{target}.")
}

impl<M: Model> Model for PerTarget<M> {
    fn n_features(&self) -> usize {
        self.models[0].n_features()
    }

    fn n_outputs(&self) -> usize {
        if let [only] = self.models.as_slice() { only.n_outputs() } else { self.models.len() }
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        if let [only] = self.models.as_slice() {
            return only.predict_into(rows, out);
        }
        let (n_features, n_targets) = (self.n_features(), self.models.len());
        expect_shape(&rows, n_features, out, n_targets)?;
        let mut column = vec![0.0; BLOCK.min(rows.n_rows())];
        let blocks = rows.as_slice().chunks(BLOCK * n_features).zip(out.chunks_mut(BLOCK * n_targets));
        for (rows, out) in blocks {
            let rows = MatrixRef::new(rows, n_features)?;
            let column = &mut column[..rows.n_rows()];
            for (t, model) in self.models.iter().enumerate() {
                model.predict_into(rows, column)?;
                out.iter_mut().skip(t).step_by(n_targets).zip(&*column).for_each(|(out, y)| *out = *y);
            }
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        if let [only] = self.models.as_slice() {
            return only.encode();
        }
        let mut all = Parts::new().with_meta("n_targets", &self.models.len())?;
        for (t, model) in self.models.iter().enumerate() {
            all = all.with_nested(&prefix(t), model.encode()?);
        }
        Ok(all)
    }

    fn bytes(&self) -> usize {
        self.models.iter().map(Model::bytes).sum()
    }

    fn classifier(&self) -> Option<&dyn pgml_core::Classifier> {
        if let [only] = self.models.as_slice() { only.classifier() } else { None }
    }

    fn anomaly_detector(&self) -> Option<&dyn pgml_core::AnomalyDetector> {
        if let [only] = self.models.as_slice() { only.anomaly_detector() } else { None }
    }

    fn explainer(&self) -> Option<&dyn Explain> {
        self.models.iter().all(|model| model.explainer().is_some()).then_some(self)
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        if let [only] = self.models.as_slice() { only.own_metrics() } else { Vec::new() }
    }
}

impl<M: Model> PerTarget<M> {
    /// What explains the target `output`, and its number there.
    fn explainer_of(&self, output: usize) -> Result<(&dyn Explain, usize)> {
        let (model, output) = match self.models.as_slice() {
            [only] => (Some(only), output),
            several => (several.get(output), 0),
        };
        let Some(explainer) = model.and_then(Model::explainer) else {
            bail!(NotSupported, "target {output} of the model cannot be explained");
        };
        Ok((explainer, output))
    }
}

impl<M: Model> Explain for PerTarget<M> {
    fn unit(&self) -> &'static str {
        self.explainer_of(0).map_or("value", |(explainer, _)| explainer.unit())
    }

    fn explain_row(
        &self,
        row: &[f64],
        typical: &[f64],
        output: usize,
        contributions: &mut [f64],
        run: &Run,
    ) -> Result<f64> {
        let (explainer, output) = self.explainer_of(output)?;
        explainer.explain_row(row, typical, output, contributions, run)
    }

    fn importance(&self, deviations: &[f64]) -> Result<Vec<f64>> {
        let mut sums = vec![0.0; self.n_features()];
        for model in self.models.iter().filter_map(Model::explainer) {
            let shares = model.importance(deviations)?;
            sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
        }
        Ok(pgml_core::explain::shares(sums))
    }
}

#[cfg(test)]
mod tests {
    use pgml_core::{Estimator, Run, Task};

    use super::*;
    use crate::algorithms::ridge::{Ridge, RidgeParams};
    use crate::linear_model::LinearModel;

    fn two_targets() -> Dataset {
        let rows = [1.0, 2.0, 2.0, 1.0, 3.0, 5.0, 4.0, 3.0, 0.0, 1.0];
        let data = Dataset::from_rows(&rows, 2).and_then(|d| d.with_target(vec![1.0, 2.0, 3.0, 5.0, 8.0]));
        data.and_then(|d| d.with_target(vec![5.0, 4.0, 3.0, 1.0, 0.5])).expect("five rows")
    }

    fn fitted(data: &Dataset) -> PerTarget<LinearModel> {
        let run = Run::new();
        PerTarget::fit(data, |one| Ridge::fit(&RidgeParams::default(), one, Task::Regression, &run)).expect("fits")
    }

    fn predictions(model: &dyn Model, data: &Dataset) -> Vec<f64> {
        let rows = data.to_rows();
        let mut out = vec![0.0; data.n_rows() * model.n_outputs()];
        model.predict_into(MatrixRef::new(&rows, 2).expect("whole rows"), &mut out).expect("predicts");
        out
    }

    #[test]
    fn each_target_is_learnt_as_if_it_were_alone_and_comes_back_from_storage() {
        let data = two_targets();
        let joint = fitted(&data);
        // Ridge learns several targets itself, each as if it were alone.
        let native = Ridge::fit(&RidgeParams::default(), &data, Task::Regression, &Run::new()).expect("fits");
        for (ours, theirs) in predictions(&joint, &data).iter().zip(predictions(&native, &data)) {
            assert!((ours - theirs).abs() < 1e-12, "{ours} is not {theirs}");
        }
        let parts = joint.encode().expect("encodes");
        assert_eq!(PerTarget::decode(&parts, LinearModel::decode), Ok(joint));
    }

    #[test]
    fn a_single_target_is_stored_as_the_model_itself() {
        let data = two_targets();
        let data = data.clone().with_only_target(data.targets()[1].clone()).expect("five rows");
        let model = fitted(&data);
        assert_eq!(model.encode(), model.models()[0].encode());
    }

    #[test]
    fn damaged_numbers_of_targets_are_refused() {
        let mut parts = fitted(&two_targets()).encode().expect("encodes");
        for n_targets in [0, 1, 3, usize::MAX] {
            parts = parts.with_meta("n_targets", &n_targets).expect("JSON");
            assert!(PerTarget::decode(&parts, LinearModel::decode).is_err(), "{n_targets} targets");
        }
    }
}
