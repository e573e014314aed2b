//! Algorithms that are small enough to predict their predictions.

use std::collections::BTreeSet;

use pgml_core::estimator::expect_shape;
use pgml_core::{
    Algorithm, Classifier, Dataset, Entry, Estimator, MatrixRef, Model, Parts, Result, Run, Task, Transform,
};
use pgml_core::{bail, hyperparams};

pub static NEAREST: &dyn Algorithm = &Entry::<Nearest>::NEW;
pub static CONSTANT: &dyn Algorithm = &Entry::<Constant>::NEW;
pub static ECHO: &dyn Algorithm = &Entry::<Echo>::NEW;

hyperparams! {
    /// Nearest neighbour has nothing to set.
    pub struct NoParams {}
}

hyperparams! {
    /// Parameters of the constant.
    pub struct ConstantParams {
        /// What is added to the mean.
        offset: f64 = 0.0, range: at_least(-10.0), aliases: ["shift"];
        /// Not used.
        depth: u32 = 1;
        /// Predicts how many rows there are to watch.
        early_stopping_rounds: Option<u32> = None;
    }
}

/// Predicts what the nearest training row has; the first of equally near ones.
pub struct Nearest;

/// Predicts the weighted mean of the training targets plus `offset`. An offset of 9 makes it NaN.
pub struct Constant;

/// Its components are the features that it is given.
pub struct Echo;

pub struct NearestModel {
    rows: Vec<f64>,
    targets: Vec<Vec<f64>>,
    n_features: usize,
    n_classes: usize,
}

pub struct ConstantModel {
    means: Vec<f64>,
    n_features: usize,
}

pub struct EchoModel {
    pub n_features: usize,
}

impl Estimator for Nearest {
    const NAME: &'static str = "nearest";
    const DESCRIPTION: &'static str = "The nearest row.";
    const SOURCE: &'static str = "Cover and Hart 1967";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = NoParams;
    type Model = NearestModel;

    fn fit(_: &NoParams, data: &Dataset, task: Task, _: &Run) -> Result<NearestModel> {
        data.require_finite()?;
        let n_classes = if task == Task::Classification { data.n_classes() } else { 0 };
        let targets = data.targets().to_vec();
        Ok(NearestModel { rows: data.to_rows(), targets, n_features: data.n_features(), n_classes })
    }

    fn decode(_: &Parts) -> Result<NearestModel> {
        bail!(NotSupported, "not stored")
    }
}

impl NearestModel {
    fn nearest(&self, row: &[f64]) -> usize {
        let distance = |other: &[f64]| other.iter().zip(row).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let distances = self.rows.chunks(self.n_features).map(distance).enumerate();
        distances.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index)
    }
}

impl Model for NearestModel {
    fn n_features(&self) -> usize {
        self.n_features
    }
    fn n_outputs(&self) -> usize {
        self.targets.len()
    }
    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, self.n_outputs())?;
        for (row, out) in rows.rows().zip(out.chunks_mut(self.n_outputs())) {
            let nearest = self.nearest(row);
            out.iter_mut().zip(&self.targets).for_each(|(out, target)| *out = target[nearest]);
        }
        Ok(())
    }
    fn encode(&self) -> Result<Parts> {
        bail!(NotSupported, "not stored")
    }
    fn bytes(&self) -> usize {
        8 * self.rows.len()
    }
    fn classifier(&self) -> Option<&dyn Classifier> {
        (self.n_classes > 0).then_some(self)
    }
}

impl Classifier for NearestModel {
    fn n_classes(&self) -> usize {
        self.n_classes
    }
    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        out.fill(0.0);
        for (row, out) in rows.rows().zip(out.chunks_mut(self.n_classes)) {
            out[self.targets[0][self.nearest(row)] as usize] = 1.0;
        }
        Ok(())
    }
}

impl Estimator for Constant {
    const NAME: &'static str = "constant";
    const DESCRIPTION: &'static str = "The mean.";
    const SOURCE: &'static str = "scikit-learn's DummyRegressor";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = ConstantParams;
    type Model = ConstantModel;

    fn fit(params: &ConstantParams, data: &Dataset, _: Task, run: &Run) -> Result<ConstantModel> {
        run.check()?;
        if let Some(groups) = data.group() {
            let runs = groups.chunk_by(|a, b| a == b).count();
            assert_eq!(runs, groups.iter().collect::<BTreeSet<_>>().len(), "groups stand together");
        }
        if params.early_stopping_rounds.is_some() {
            let watched = data.validation().map_or(0, Dataset::n_rows) as f64;
            return Ok(ConstantModel { means: vec![watched], n_features: data.n_features() });
        }
        let weight = |row: usize| data.weight().map_or(1.0, |w| w[row]);
        let total: f64 = (0..data.n_rows()).map(weight).sum();
        let mean = |t: &Vec<f64>| t.iter().enumerate().map(|(row, y)| weight(row) * y).sum::<f64>() / total;
        let offset = if params.offset == 9.0 { f64::NAN } else { params.offset };
        let means = data.targets().iter().map(|t| mean(t) + offset).collect();
        Ok(ConstantModel { means, n_features: data.n_features() })
    }

    fn decode(_: &Parts) -> Result<ConstantModel> {
        bail!(NotSupported, "not stored")
    }
}

impl Model for ConstantModel {
    fn n_features(&self) -> usize {
        self.n_features
    }
    fn n_outputs(&self) -> usize {
        self.means.len()
    }
    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, self.means.len())?;
        out.chunks_mut(self.means.len()).for_each(|out| out.copy_from_slice(&self.means));
        Ok(())
    }
    fn encode(&self) -> Result<Parts> {
        bail!(NotSupported, "not stored")
    }
    fn bytes(&self) -> usize {
        8 * self.means.len()
    }
}

impl Estimator for Echo {
    const NAME: &'static str = "echo";
    const DESCRIPTION: &'static str = "The row itself.";
    const SOURCE: &'static str = "none";
    const TASKS: &'static [Task] = &[Task::Decomposition, Task::Clustering, Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = NoParams;
    type Model = EchoModel;

    fn fit(_: &NoParams, data: &Dataset, _: Task, _: &Run) -> Result<EchoModel> {
        Ok(EchoModel { n_features: data.n_features() })
    }

    fn decode(_: &Parts) -> Result<EchoModel> {
        bail!(NotSupported, "not stored")
    }
}

impl Model for EchoModel {
    fn n_features(&self) -> usize {
        self.n_features
    }
    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, 1)?;
        out.fill(0.0);
        Ok(())
    }
    fn encode(&self) -> Result<Parts> {
        bail!(NotSupported, "not stored")
    }
    fn bytes(&self) -> usize {
        0
    }
    fn transformer(&self) -> Option<&dyn Transform> {
        Some(self)
    }
    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        vec![("cumulative_explained_variance", 1.0)]
    }
}

impl Transform for EchoModel {
    fn n_components(&self) -> usize {
        self.n_features
    }
    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features, out, self.n_features)?;
        out.copy_from_slice(rows.as_slice());
        Ok(())
    }
}
