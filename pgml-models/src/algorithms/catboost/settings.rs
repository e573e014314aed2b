//! What the parameters mean for given data: every default that follows from rows, rounds or loss.

use pgml_core::{Dataset, Result, Task, bail};

use super::borders::BorderType;
use super::ctr_info::{CtrChoice, default_choices, read_choices};
use super::loss::Loss;
use super::params::CatboostParams;

/// How rows are weighted for each tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bootstrap {
    /// All the same.
    No,
    /// By powers of draws from the exponential distribution.
    Bayesian { temperature: f64 },
    /// A share of rows.
    Bernoulli { share: f64 },
    /// A share of rows, those of large derivatives rather (minimal variance sampling, Ibragimov and Gusev 2019).
    Mvs { share: f64, regularisation: Option<f64> },
}

/// How leaf values are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeafMethod {
    /// By first and second derivatives.
    Newton,
    /// By first derivatives.
    Gradient,
    /// By quantiles of what is left.
    Exact,
}

/// Where missing numbers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NanMode {
    /// Below all others.
    Min,
    /// Above all others.
    Max,
    /// Nowhere.
    Forbidden,
}

/// The parameters with all defaults filled in. Numbers that CatBoost keeps in single precision are rounded to it.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub loss: Loss,
    pub dims: usize,
    pub iterations: usize,
    pub learning_rate: f64,
    pub depth: usize,
    pub l2: f64,
    pub border_count: usize,
    pub border_type: BorderType,
    pub bootstrap: Bootstrap,
    pub random_strength: f64,
    pub rsm: f64,
    pub ordered: bool,
    pub fold_multiplier: f64,
    pub method: LeafMethod,
    pub leaf_iterations: usize,
    pub backtracking: bool,
    pub one_hot_max_size: usize,
    pub max_ctr_complexity: usize,
    pub simple_ctr: Vec<CtrChoice>,
    pub combinations_ctr: Vec<CtrChoice>,
    pub model_size_reg: f64,
    pub has_time: bool,
    pub nan_mode: NanMode,
    pub cosine: bool,
    pub from_average: bool,
    pub patience: Option<usize>,
    pub use_best: bool,
}

/// Rounds below which CatBoost saves work.
const FEW_ROUNDS: u32 = 200;

impl Settings {
    pub(super) fn new(params: &CatboostParams, data: &Dataset, task: Task) -> Result<Self> {
        let (n_targets, n_classes) = (data.targets().len(), data.n_classes());
        let loss = Loss::named(params.loss_function.as_deref(), task, n_targets, n_classes)?;
        let patience = match (params.early_stopping_rounds, &params.od_type) {
            (Some(rounds), _) => Some(rounds as usize),
            (None, Some(_)) => Some(20),
            (None, None) => None,
        };
        let asks = params.od_type.is_some() || params.use_best_model == Some(true);
        if asks && params.early_stopping_rounds.is_none() && data.validation().is_none() {
            bail!(
                InvalidParameter,
                "od_type and use_best_model of catboost need rows to watch; early_stopping_rounds sets some aside"
            );
        }
        let use_best = params.use_best_model.unwrap_or(patience.is_some()) && data.validation().is_some();
        let from_average = params.boost_from_average.unwrap_or(loss.starts_from_average());
        if from_average && loss == Loss::MultiClass {
            bail!(InvalidParameter, "boost_from_average of catboost has no meaning for MultiClass");
        }
        let choices = |given| -> Result<Vec<CtrChoice>> { Ok(read_choices(given)?.unwrap_or_else(default_choices)) };
        let (method, leaf_iterations) = leaf_estimation(params, loss, data.n_features())?;
        Ok(Self {
            loss,
            dims: loss.dims(n_targets, n_classes),
            iterations: params.iterations as usize,
            learning_rate: learning_rate(params, loss, data.n_rows(), use_best, from_average),
            depth: params.depth as usize,
            l2: single(params.l2_leaf_reg.unwrap_or(3.0)).max(1e-20),
            border_count: params.border_count as usize,
            border_type: BorderType::named(&params.feature_border_type),
            bootstrap: bootstrap(params, loss, data.n_rows())?,
            random_strength: single(params.random_strength),
            rsm: single(params.rsm),
            ordered: params.boosting_type == "Ordered",
            fold_multiplier: params.fold_len_multiplier,
            method,
            leaf_iterations,
            backtracking: params.leaf_estimation_backtracking != "No" && leaf_iterations > 1,
            one_hot_max_size: params.one_hot_max_size as usize,
            max_ctr_complexity: params
                .max_ctr_complexity
                .map_or(if params.iterations < FEW_ROUNDS { 1 } else { 4 }, |most| most as usize),
            simple_ctr: choices(&params.simple_ctr)?,
            combinations_ctr: choices(&params.combinations_ctr)?,
            model_size_reg: single(params.model_size_reg),
            has_time: params.has_time,
            nan_mode: match params.nan_mode.as_str() {
                "Max" => NanMode::Max,
                "Forbidden" => NanMode::Forbidden,
                _ => NanMode::Min,
            },
            cosine: params.score_function == "Cosine",
            from_average,
            patience,
            use_best,
        })
    }
}

fn single(x: f64) -> f64 {
    f64::from(x as f32)
}

fn leaf_estimation(params: &CatboostParams, loss: Loss, n_features: usize) -> Result<(LeafMethod, usize)> {
    let method = match params.leaf_estimation_method.as_deref() {
        Some("Newton") if loss.is_quantile() => {
            bail!(InvalidParameter, "leaf_estimation_method Newton of catboost has no meaning for MAE and Quantile")
        }
        Some("Exact") if !loss.is_quantile() => {
            bail!(InvalidParameter, "leaf_estimation_method Exact of catboost is for MAE and Quantile alone")
        }
        Some("Newton") => LeafMethod::Newton,
        Some("Gradient") => LeafMethod::Gradient,
        Some(_) => LeafMethod::Exact,
        None if loss.is_quantile() => LeafMethod::Exact,
        None => LeafMethod::Newton,
    };
    let small = params.iterations < FEW_ROUNDS && n_features < 20;
    let default = match (loss, method) {
        _ if small => 1,
        (Loss::Logloss, LeafMethod::Newton) => 10,
        (Loss::Logloss, LeafMethod::Gradient) => 40,
        (Loss::MultiClass, LeafMethod::Gradient) => 10,
        _ => 1,
    };
    Ok((method, params.leaf_estimation_iterations.map_or(default, |n| n as usize)))
}

fn bootstrap(params: &CatboostParams, loss: Loss, n_rows: usize) -> Result<Bootstrap> {
    let several = matches!(loss, Loss::MultiClass | Loss::MultiRmse);
    let kind = params.bootstrap_type.as_deref().unwrap_or(if several { "Bayesian" } else { "MVS" });
    let share = |default| params.subsample.map_or(single(default), single);
    Ok(match kind {
        "Bayesian" if params.subsample.is_some() => {
            bail!(InvalidParameter, "subsample of catboost has no meaning for the Bayesian bootstrap")
        }
        "Bayesian" => Bootstrap::Bayesian { temperature: params.bagging_temperature },
        "Bernoulli" => Bootstrap::Bernoulli { share: share(0.8) },
        "MVS" => Bootstrap::Mvs { share: share(if n_rows < 100 { 1.0 } else { 0.8 }), regularisation: params.mvs_reg },
        _ => Bootstrap::No,
    })
}

/// CatBoost's rule for the step size, measured on its authors' data sets: log-linear in rows and rounds.
fn learning_rate(params: &CatboostParams, loss: Loss, n_rows: usize, use_best: bool, from_average: bool) -> f64 {
    if let Some(given) = params.learning_rate {
        return single(given);
    }
    let steps_given = params.leaf_estimation_method.is_some() || params.leaf_estimation_iterations.is_some();
    let (by_rows, constant, by_rounds) = match (loss, use_best, from_average) {
        _ if steps_given || params.l2_leaf_reg.is_some() => return single(0.03),
        (Loss::Logloss, true, true) => (0.246, -5.127, -0.451),
        (Loss::Logloss, false, true) => (0.408, -7.299, -0.928),
        (Loss::Logloss, true, false) => (0.247, -5.158, -0.435),
        (Loss::Logloss, false, false) => (0.427, -7.525, -0.917),
        (Loss::MultiClass, true, false) => (0.02, -2.364, -0.382),
        (Loss::MultiClass, false, false) => (0.051, -2.889, -0.845),
        (Loss::Rmse, true, true) => (0.157, -4.062, -0.61),
        (Loss::Rmse, false, true) => (0.158, -4.287, -0.813),
        (Loss::Rmse, true, false) => (0.189, -4.383, -0.623),
        (Loss::Rmse, false, false) => (0.178, -4.473, -0.76),
        _ => return single(0.03),
    };
    let at_1000_rounds = (by_rows * (n_rows as f64).ln() + constant).exp();
    let rate = at_1000_rounds * (by_rounds * (f64::from(params.iterations) / 1000.0).ln()).exp();
    single((rate.min(0.5) * 1e6).round() / 1e6)
}
