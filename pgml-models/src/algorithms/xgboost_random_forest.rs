//! Random forests by the XGBoost library: one round of many trees, each on its own sample of rows and features.

use std::borrow::Cow;
use std::sync::LazyLock;

use pgml_core::hyperparams::{ParamSpec, match_keys};
use pgml_core::{Dataset, Estimator, Hyperparams, Parts, Result, Run, Task};
use serde_json::{Map, Value};

use super::xgboost::{XgboostModel, XgboostParams, train};

/// The parameters of XGBoost's `XGBRFRegressor` and `XGBRFClassifier`: those of [`XgboostParams`] but for what makes no
/// sense in one round, with other defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct XgboostForestParams(XgboostParams);

/// What a single round of trees has no use for, or is set by `n_estimators`.
const NOT_OURS: [&str; 2] = ["num_parallel_tree", "early_stopping_rounds"];

impl Default for XgboostForestParams {
    fn default() -> Self {
        Self(XgboostParams {
            learning_rate: Some(1.0),
            subsample: Some(0.8),
            colsample_bynode: Some(0.8),
            reg_lambda: Some(1e-5),
            ..XgboostParams::default()
        })
    }
}

impl Hyperparams for XgboostForestParams {
    fn specs() -> &'static [ParamSpec] {
        static SPECS: LazyLock<Vec<ParamSpec>> = LazyLock::new(|| {
            let ours = XgboostParams::specs().iter().filter(|spec| !NOT_OURS.contains(&spec.name));
            ours.map(|spec| adapted(*spec)).collect()
        });
        &SPECS
    }

    fn from_json(algorithm: &str, given: &Map<String, Value>) -> Result<Self> {
        let specs = Self::specs();
        let mut all = Self::default().to_json();
        for (index, value) in match_keys("hyperparameter", algorithm, specs, given)? {
            all.insert(specs[index].name.to_owned(), value.clone());
        }
        Ok(Self(XgboostParams::from_json(algorithm, &all)?))
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut all = self.0.to_json();
        all.retain(|name, _| !NOT_OURS.contains(&name.as_str()));
        all
    }
}

/// A parameter of XGBoost as it is declared here.
fn adapted(mut spec: ParamSpec) -> ParamSpec {
    match spec.name {
        "n_estimators" => {
            spec.doc = "How many trees.";
            spec.aliases = &[];
        }
        "learning_rate" => spec.default = || Value::from(1.0),
        "subsample" | "colsample_bynode" => spec.default = || Value::from(0.8),
        "reg_lambda" => spec.default = || Value::from(1e-5),
        _ => {}
    }
    spec
}

/// `xgboost_random_forest`.
#[derive(Debug)]
pub struct XgboostRandomForest;

impl Estimator for XgboostRandomForest {
    const NAME: &'static str = "xgboost_random_forest";
    const DESCRIPTION: &'static str = "A random forest by the XGBoost library: the average of many trees, each on its own sample of rows and features.";
    const SOURCE: &'static str = "Chen, Guestrin 2016, XGBoost: A Scalable Tree Boosting System; XGBoost 3.2's XGBRFRegressor and XGBRFClassifier";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = XgboostForestParams;
    type Model = XgboostModel;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<XgboostModel> {
        params.fit(Cow::Borrowed(data), task, run)
    }

    fn fit_owned(params: &Self::Params, data: Dataset, task: Task, run: &Run) -> Result<XgboostModel> {
        params.fit(Cow::Owned(data), task, run)
    }

    fn decode(parts: &Parts) -> Result<XgboostModel> {
        XgboostModel::decode(parts)
    }
}

/// A learning rate by which no tree changes the scores that the next one fits: they are 32-bit floats. A power of two, so
/// that leaves are scaled without rounding.
const STANDSTILL: f64 = 1.0 / (1_u64 << 60) as f64;

impl XgboostForestParams {
    fn fit(&self, data: Cow<'_, Dataset>, task: Task, run: &Run) -> Result<XgboostModel> {
        let n_trees = self.0.n_estimators;
        let one_score = data.n_classes() <= 2 && data.targets().len() == 1;
        let plain = self.0.booster() == "gbtree"
            && self.0.updater.is_null()
            && self.0.objective.is_none()
            && self.0.seed_per_iteration.is_none();
        if !(one_score && plain) {
            // Trees of several scores are drawn score by score within the round.
            let params = XgboostParams { n_estimators: 1, num_parallel_tree: Some(n_trees), ..self.0.clone() };
            return train::fit(&params, data, task, run);
        }
        // The same trees, but a round each, after which the run can be cancelled.
        let params = XgboostParams { learning_rate: Some(STANDSTILL), ..self.0.clone() };
        let share = self.0.learning_rate.unwrap_or(0.3) as f32 / n_trees as f32;
        let model = train::fit(&params, data, task, run)?;
        Ok(model.with_leaves(|leaf| leaf / STANDSTILL as f32 * share))
    }
}
