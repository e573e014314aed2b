//! A small sound algorithm, and the same with one fault each: they prove that the suite accepts and catches.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pgml_core::estimator::expect_shape;
use pgml_core::hyperparams::ParamSpec;
use pgml_core::{
    Algorithm, Classifier, Dataset, Entry, Estimator, Floats, Hyperparams, MatrixRef, Model, Parts, Result, Run, Task,
    bail,
};
use serde_json::{Map, Value};

/// What is wrong with a [`Sample`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    ForgetsItsSeed,
    CountsThreads,
    LooksAtItsNeighbours,
    LosesAValueInStorage,
    TrustsItsParts,
    AnswersNan,
    ReadsAnyShape,
    IgnoresCancel,
    SumsToLess,
    PredictsTheLeastProbable,
    LearnsNothing,
    PanicsOnOneRow,
    IgnoresWeights,
    LearnsFromWhatItWatches,
    KeepsItsMemory,
    IgnoresItsParameters,
}

macro_rules! samples {
    ($($constant:ident = $code:literal: $fault:ident),+ $(,)?) => {
        const fn fault_of(code: u8) -> Fault {
            match code { $($code => Fault::$fault,)+ _ => Fault::None }
        }
        $(static $constant: &[&dyn Algorithm] = &[&Entry::<Sample<$code>>::NEW];)+
    };
}

samples! {
    FORGETS = 1: ForgetsItsSeed,
    COUNTS = 2: CountsThreads,
    LOOKS = 3: LooksAtItsNeighbours,
    LOSES = 4: LosesAValueInStorage,
    TRUSTS = 5: TrustsItsParts,
    NANS = 6: AnswersNan,
    READS = 7: ReadsAnyShape,
    IGNORES = 8: IgnoresCancel,
    SUMS = 9: SumsToLess,
    LEAST = 10: PredictsTheLeastProbable,
    NOTHING = 11: LearnsNothing,
    PANICS = 12: PanicsOnOneRow,
    WEIGHTLESS = 13: IgnoresWeights,
    WATCHES = 14: LearnsFromWhatItWatches,
    KEEPS = 15: KeepsItsMemory,
    IDLE = 16: IgnoresItsParameters,
}

/// The algorithm without a fault.
pub static SOUND: &[&dyn Algorithm] = &[&Entry::<Sample<0>>::NEW];

/// One whose hyperparameters are not what they say.
static CARELESS: &[&dyn Algorithm] = &[&Entry::<Careless>::NEW];

/// Each fault with the checks that must catch it.
pub static FAULTS: &[(&[&dyn Algorithm], &[&str])] = &[
    (FORGETS, &["same_seed_gives_the_same_bytes"]),
    (COUNTS, &["two_threads_give_the_bytes_of_one"]),
    (LOOKS, &["a_batch_is_predicted_as_its_rows"]),
    (LOSES, &["a_stored_model_predicts_the_same_bits"]),
    (TRUSTS, &["a_damaged_model_is_refused_or_harmless"]),
    (
        NANS,
        &[
            "missing_and_infinite_values_work_or_are_refused_in_training",
            "missing_and_infinite_values_work_or_are_refused_in_prediction",
        ],
    ),
    (READS, &["rows_of_another_width_are_refused", "outputs_of_another_length_are_refused"]),
    (IGNORES, &["a_cancelled_fit_ends_soon"]),
    (SUMS, &["probabilities_lie_in_range_and_sum_to_one"]),
    (LEAST, &["the_most_probable_class_is_predicted"]),
    (NOTHING, &["it_beats_the_trivial_baseline"]),
    (CARELESS, &["names_and_docs_are_there", "values_out_of_bounds_are_refused", "defaults_resolve_and_come_back"]),
    (PANICS, &["one_row_is_learnt_or_refused"]),
    (WEIGHTLESS, &["weights_change_what_is_learnt_or_are_refused"]),
    (WATCHES, &["rows_to_watch_are_not_learnt_from_without_being_asked"]),
    (KEEPS, &["reserved_memory_is_given_back", "a_tight_memory_budget_is_an_error_or_enough"]),
    (IDLE, &["every_parameter_has_an_effect"]),
];

pgml_core::hyperparams! {
    /// Parameters of the sample.
    pub struct SampleParams {
        /// How far what is learnt is pulled towards what says nothing.
        smoothing: f64 = 1e-6, range: above(0.0), aliases: ["epsilon"];
        /// How differences are measured.
        metric: String = "squared".to_owned(), choices: ["squared", "absolute"], no_effect: true;
        /// Most rows that are looked at; all when null.
        max_rows: Option<u32> = None, range: at_least(1.0), no_effect: true;
    }
}

/// Gaussian naive Bayes for classes, the line through the best single feature for numbers; fault number `CODE`.
pub struct Sample<const CODE: u8>;

/// What a [`Sample`] has learnt.
pub struct SampleModel {
    fault: Fault,
    n_features: usize,
    /// 0 for regression.
    n_classes: usize,
    threads: usize,
    /// Regression: feature, slope, intercept. Else per class: the logarithm of its share, then mean and variance of
    /// each feature.
    weights: Vec<f64>,
}

impl<const CODE: u8> Estimator for Sample<CODE> {
    const NAME: &'static str = "sample";
    const DESCRIPTION: &'static str = "Learns just enough to be judged.";
    const SOURCE: &'static str = "Hand and Yu 2001, Idiot's Bayes: not so stupid after all?";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = SampleParams;
    type Model = SampleModel;

    fn fit(params: &SampleParams, data: &Dataset, task: Task, run: &Run) -> Result<SampleModel> {
        let fault = fault_of(CODE);
        if fault != Fault::AnswersNan {
            data.require_finite()?;
        }
        if fault == Fault::IgnoresCancel && task == Task::Regression && data.n_rows() > 1000 {
            // Longer than any crowd on the machine would excuse.
            while !run.is_cancelled() {
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(1100).mul_f64(crate::cancelling::crowding() + 0.5));
        }
        assert!(fault != Fault::PanicsOnOneRow || data.n_rows() > 1, "one row");
        if data.weight().is_some() && fault != Fault::IgnoresWeights {
            bail!(NotSupported, "the sample takes no weights");
        }
        if fault == Fault::KeepsItsMemory {
            std::mem::forget(run.reserve(100, "the sample")?);
        }
        let data = data.validation().filter(|_| fault == Fault::LearnsFromWhatItWatches).unwrap_or(data);
        let params = if fault == Fault::IgnoresItsParameters { &SampleParams::default() } else { params };
        let mut weights = match task {
            Task::Classification => class_weights(params, data, run)?,
            _ => line(params, data, run)?,
        };
        if fault == Fault::LearnsNothing {
            weights.fill(0.0);
        }
        let n_classes = if task == Task::Classification { data.n_classes() } else { 0 };
        Ok(SampleModel { fault, n_features: data.n_features(), n_classes, threads: run.threads(), weights })
    }

    fn decode(parts: &Parts) -> Result<SampleModel> {
        let (n_features, n_classes) =
            (parts.meta::<u32>("n_features")? as usize, parts.meta::<u32>("n_classes")? as usize);
        let fault = fault_of(CODE);
        let expected = if n_classes == 0 { 3 } else { n_classes * (1 + 2 * n_features) };
        let weights = match fault {
            Fault::TrustsItsParts => parts.array("weights")?,
            _ => parts.array_of("weights", expected)?,
        };
        let best_feature = if n_classes == 0 { weights[0] } else { 0.0 };
        if fault != Fault::TrustsItsParts && !(0.0..n_features as f64).contains(&best_feature) {
            bail!(Corrupted, "stored feature {best_feature} is not among {n_features}");
        }
        let threads = parts.meta::<u32>("threads")? as usize;
        Ok(SampleModel { fault, n_features, n_classes, threads, weights: weights.to_vec() })
    }
}

/// Share, means and variances of every class; a class without rows has share 0.
fn class_weights(params: &SampleParams, data: &Dataset, run: &Run) -> Result<Vec<f64>> {
    let y = data.target()?;
    let mut weights = Vec::new();
    for class in 0..data.n_classes() {
        let members: Vec<u32> = (0..y.len() as u32).filter(|row| y[*row as usize] == class as f64).collect();
        weights.push((members.len() as f64 / y.len() as f64).ln());
        for feature in data.features() {
            run.check()?;
            let (mean, variance) = moments(&feature.values.select(&members));
            let (_, of_all) = moments(&feature.values);
            weights.extend([mean, variance + params.smoothing * of_all + f64::MIN_POSITIVE]);
        }
    }
    Ok(weights)
}

/// Mean and variance; 0 without values.
fn moments(values: &Floats) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n)
}

/// The least-squares line through the feature that explains most.
fn line(params: &SampleParams, data: &Dataset, run: &Run) -> Result<Vec<f64>> {
    let y = data.target()?;
    let (y_mean, _) = moments(&Floats::F64(y.to_vec()));
    let mut best = (0.0, vec![0.0, 0.0, y_mean]);
    for (index, feature) in data.features().iter().enumerate() {
        run.check()?;
        let (mean, variance) = moments(&feature.values);
        let products = feature.values.iter().zip(y).map(|(x, y)| (x - mean) * (y - y_mean));
        let covariance = products.sum::<f64>() / y.len() as f64;
        let explained = covariance * covariance / variance;
        if variance > 0.0 && explained > best.0 {
            let slope = covariance / (variance * (1.0 + params.smoothing));
            best = (explained, vec![index as f64, slope, y_mean - slope * mean]);
        }
    }
    Ok(best.1)
}

impl SampleModel {
    fn check(&self, rows: &MatrixRef<'_>, out: &[f64], per_row: usize) -> Result<()> {
        if self.fault != Fault::ReadsAnyShape {
            expect_shape(rows, self.n_features, out, per_row)?;
        }
        if self.fault != Fault::AnswersNan && rows.as_slice().iter().any(|x| !x.is_finite()) {
            bail!(InvalidData, "a value is missing or infinite");
        }
        Ok(())
    }

    /// Logarithm of the joint density of row and class.
    fn score(&self, row: &[f64], class: usize) -> f64 {
        let stride = 1 + 2 * self.n_features;
        let weights = &self.weights[class * stride..(class + 1) * stride];
        let terms = row.iter().zip(weights[1..].chunks_exact(2));
        let density = terms.map(|(x, w)| (x - w[0]).powi(2) / w[1] + w[1].ln());
        weights[0] - 0.5 * density.sum::<f64>()
    }

    fn predict(&self, row: &[f64]) -> f64 {
        if self.n_classes == 0 {
            return row[self.weights[0] as usize] * self.weights[1] + self.weights[2];
        }
        let sign = if self.fault == Fault::PredictsTheLeastProbable { -1.0 } else { 1.0 };
        let mut proba = vec![0.0; self.n_classes];
        self.proba(row, &mut proba);
        let better = |best: usize, class: usize| if sign * proba[class] > sign * proba[best] { class } else { best };
        (0..self.n_classes).fold(0, better) as f64
    }

    fn proba(&self, row: &[f64], out: &mut [f64]) {
        out.iter_mut().enumerate().for_each(|(class, p)| *p = self.score(row, class));
        let most = out.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        out.iter_mut().for_each(|p| *p = (*p - most).exp());
        let sum: f64 = out.iter().sum();
        let share = if self.fault == Fault::SumsToLess { 0.999 } else { 1.0 };
        out.iter_mut().for_each(|p| *p *= share / sum);
    }
}

impl Model for SampleModel {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.check(&rows, out, 1)?;
        rows.rows().zip(out.iter_mut()).for_each(|(row, out)| *out = self.predict(row));
        if self.fault == Fault::LooksAtItsNeighbours && out.len() > 1 {
            out.swap(0, 1);
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let serial = if self.fault == Fault::ForgetsItsSeed { serial } else { 0 };
        let threads = if self.fault == Fault::CountsThreads { self.threads } else { 1 };
        let lossy = self.weights.iter().map(|w| f64::from(*w as f32)).collect();
        let weights = if self.fault == Fault::LosesAValueInStorage { lossy } else { self.weights.clone() };
        Parts::new()
            .with("weights", weights)
            .with_meta("n_features", &self.n_features)?
            .with_meta("n_classes", &self.n_classes)?
            .with_meta("threads", &threads)?
            .with_meta("serial", &serial)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * self.weights.len()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        (self.n_classes > 0).then_some(self)
    }
}

impl Classifier for SampleModel {
    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.check(&rows, out, self.n_classes)?;
        rows.rows().zip(out.chunks_mut(self.n_classes)).for_each(|(row, out)| self.proba(row, out));
        Ok(())
    }
}

/// The sound algorithm with hyperparameters that are not what they say.
struct Careless;

impl Estimator for Careless {
    const NAME: &'static str = "Careless";
    const DESCRIPTION: &'static str = "Says little";
    const SOURCE: &'static str = "";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = CarelessParams;
    type Model = SampleModel;

    fn fit(_: &CarelessParams, data: &Dataset, task: Task, run: &Run) -> Result<SampleModel> {
        Sample::<0>::fit(&SampleParams::default(), data, task, run)
    }

    fn decode(parts: &Parts) -> Result<SampleModel> {
        Sample::<0>::decode(parts)
    }
}

/// Declares bounds, checks none, and writes no docs.
#[derive(Debug, Clone, Default)]
struct CarelessParams;

impl Hyperparams for CarelessParams {
    fn specs() -> &'static [ParamSpec] {
        static SPECS: LazyLock<Vec<ParamSpec>> =
            LazyLock::new(|| SampleParams::specs().iter().map(|spec| ParamSpec { doc: "", ..*spec }).collect());
        &SPECS
    }

    fn from_json(_: &str, _: &Map<String, Value>) -> Result<Self> {
        Ok(Self)
    }

    fn to_json(&self) -> Map<String, Value> {
        Map::new()
    }
}
