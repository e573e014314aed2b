//! Boosting: round by round, a tree for every score.

use std::borrow::Cow;
use std::ops::Range;

use pgml_core::{Dataset, Feature, Result, Run, Task, bail};

use super::constraints;
use super::loss::{Loss, Rows};
use super::model::HistGradientBoostingModel;
use super::params::HistGradientBoostingParams;
use super::watch::{self, Apart, Watch};
use crate::algorithms::task_params::{refuse_other_tasks, regression_targets};
use crate::linear_model::Classes;
use crate::solvers::class_weight;
use crate::trees::boosting::split::Limits;
use crate::trees::boosting::{BinMap, BinnedRows, Grower, GrownTree, Growth};
use crate::trees::{FlatBuilder, FlatForest};

/// Nodes of a smaller sum of hessians are not split.
const MIN_HESSIAN: f64 = 1e-3;
/// Streams of random numbers.
const DRAWS_OF_ROWS: u64 = 0;
const DRAWS_OF_FEATURES: u64 = 1;

/// Learns from `data`, in the pool of the calling thread.
pub(super) fn fit(
    params: &HistGradientBoostingParams,
    data: &Dataset,
    task: Task,
    run: &Run,
) -> Result<HistGradientBoostingModel> {
    let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
    let problem = Problem::new(params, data, task)?;
    let columns = Columns::new(params, data)?;
    let stops = params.early_stopping.applies(data.n_rows());
    // Rows that are watched, and those that are not, are copies.
    let copies = if stops && params.validation_fraction.is_some() { data.bytes() } else { 0 };
    let _memory = run.reserve(bytes(data, problem.loss.n_scores()) + copies, "boosting")?;
    let (training, watched) = match params.validation_fraction.filter(|_| stops) {
        Some(amount) => {
            let (learnt, watched) = watch::split(data, amount, &mut run.rng(DRAWS_OF_ROWS))?;
            (problem.select(&learnt), Some(problem.select(&watched)))
        }
        None => (problem, None),
    };
    let maps = BinnedRows::maps(&columns.of(&training.data), training.weight.as_deref(), params.max_bins, run)?;
    let binned = training.bin(&columns, maps, run)?;
    let growth = growth(params, data, &columns)?;
    if training.loss.n_scores() > 1 && !growth.monotonic.is_empty() {
        bail!(InvalidParameter, "monotonic_cst of hist_gradient_boosting is not for more than two classes");
    }
    let rows = training.rows();
    let baseline = training.loss.baseline(&rows);
    let watch = match stops {
        true => {
            let apart = watched.map(|watched| watched.apart(&columns, &binned, &baseline, run)).transpose()?;
            Some(Watch::new(params, training.loss, apart)?)
        }
        false => None,
    };
    let boosting =
        Boosting { params, loss: training.loss, rows, binned: &binned, growth: &growth, columns: &columns, run };
    let forest = boosting.forest(&baseline, watch)?;
    HistGradientBoostingModel::new(forest, baseline, training.loss.link(), training.classes)
}

/// Bytes that boosting takes beside its trees' histograms.
fn bytes(data: &Dataset, n_scores: usize) -> u64 {
    let per_row = 32 + 16 * n_scores as u64;
    BinnedRows::bytes_for(data) + Grower::bytes_for(data.n_rows()) + per_row * data.n_rows() as u64
}

/// What is to be learnt.
struct Problem<'a> {
    loss: Loss,
    data: Cow<'a, Dataset>,
    /// Values, or positions among the classes that were seen.
    y: Vec<f64>,
    weight: Option<Vec<f64>>,
    classes: Option<Classes>,
}

impl<'a> Problem<'a> {
    fn new(params: &HistGradientBoostingParams, data: &'a Dataset, task: Task) -> Result<Self> {
        let other_tasks: &[&str] = if task == Task::Regression { &["class_weight"] } else { &["quantile"] };
        refuse_other_tasks("hist_gradient_boosting", params, task, other_tasks)?;
        if (params.loss == "log_loss") != (task == Task::Classification) && params.loss != "auto" {
            bail!(InvalidParameter, "the loss {} of hist_gradient_boosting is not for {task}", params.loss);
        }
        if params.max_features > 1.0 {
            bail!(
                InvalidParameter,
                "max_features of hist_gradient_boosting is {}, but must be at most 1",
                params.max_features
            );
        }
        let target = data.target()?;
        if task == Task::Regression {
            regression_targets(data)?;
            let loss = regression_loss(params)?;
            loss.check(target)?;
            let weight = data.weight().map(<[f64]>::to_vec);
            return Ok(Self { loss, data: Cow::Borrowed(data), y: target.to_vec(), weight, classes: None });
        }
        let classes = Classes::seen_in(target, data.n_classes())?;
        let loss = match classes.seen.len() {
            2 => Loss::Logistic,
            n => Loss::Softmax(n),
        };
        let weight = if params.class_weight.is_null() {
            data.weight().map(<[f64]>::to_vec)
        } else {
            let factors = class_weight::factors(&params.class_weight, target, data.n_classes(), None)?;
            let weigh = |(row, class): (usize, &f64)| data.weight().map_or(1.0, |w| w[row]) * factors[*class as usize];
            Some(target.iter().enumerate().map(weigh).collect::<Vec<f64>>())
        };
        if weight.as_ref().is_some_and(|weight| weight.iter().all(|w| *w == 0.0)) {
            bail!(InvalidParameter, "class_weight leaves every row without weight");
        }
        let y = classes.positions(target).into_iter().map(f64::from).collect();
        Ok(Self { loss, data: Cow::Borrowed(data), y, weight, classes: Some(classes) })
    }

    /// Some of the rows.
    fn select(&self, rows: &[u32]) -> Problem<'static> {
        let pick = |values: &Vec<f64>| rows.iter().map(|row| values[*row as usize]).collect();
        Problem {
            loss: self.loss,
            data: Cow::Owned(self.data.select(rows)),
            y: pick(&self.y),
            weight: self.weight.as_ref().map(pick),
            classes: self.classes.clone(),
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows { y: &self.y, weight: self.weight.as_deref() }
    }

    fn bin(&self, columns: &Columns, maps: Vec<BinMap>, run: &Run) -> Result<BinnedRows> {
        let features: Vec<&Feature> = columns.of(&self.data).into_iter().map(|(feature, _)| feature).collect();
        BinnedRows::new(&features, maps, run)
    }

    /// These rows as rows that are watched.
    fn apart(self, columns: &Columns, training: &BinnedRows, baseline: &[f64], run: &Run) -> Result<Apart> {
        let binned = self.bin(columns, training.all_maps().to_vec(), run)?;
        let raw = start(baseline, self.y.len());
        Ok(Apart { binned, y: self.y, weight: self.weight, raw })
    }
}

fn regression_loss(params: &HistGradientBoostingParams) -> Result<Loss> {
    if params.quantile.is_some() && params.loss != "quantile" {
        bail!(InvalidParameter, "quantile of hist_gradient_boosting needs the loss quantile");
    }
    Ok(match params.loss.as_str() {
        "absolute_error" => Loss::AbsoluteError,
        "gamma" => Loss::Gamma,
        "poisson" => Loss::Poisson,
        "quantile" => match params.quantile.filter(|q| *q > 0.0 && *q < 1.0) {
            Some(quantile) => Loss::Quantile(quantile),
            None => {
                bail!(InvalidParameter, "the loss quantile of hist_gradient_boosting needs quantile, between 0 and 1")
            }
        },
        _ => Loss::SquaredError,
    })
}

/// The scores of `n_rows` rows before the first tree.
fn start(baseline: &[f64], n_rows: usize) -> Vec<f64> {
    baseline.iter().flat_map(|score| std::iter::repeat_n(*score, n_rows)).collect()
}

/// Which feature each column of bins is: categories first, as scikit-learn has them, since of equal splits the first
/// column's is taken.
struct Columns {
    features: Vec<u32>,
    /// The categories of each column, those of rows that are watched among them.
    categories: Vec<Option<BinMap>>,
}

impl Columns {
    fn new(params: &HistGradientBoostingParams, data: &Dataset) -> Result<Self> {
        let is_categorical = constraints::categorical(&params.categorical_features, data)?;
        let (mut features, numeric): (Vec<u32>, Vec<u32>) =
            (0..data.n_features() as u32).partition(|feature| is_categorical[*feature as usize]);
        let categories = |feature: &u32| BinMap::of_categories(&data.features()[*feature as usize], params.max_bins);
        let mut maps = features.iter().map(|feature| categories(feature).map(Some)).collect::<Result<Vec<_>>>()?;
        maps.resize(data.n_features(), None);
        features.extend(numeric);
        Ok(Self { features, categories: maps })
    }

    /// The features of `data` in the order of columns.
    fn of<'a>(&self, data: &'a Dataset) -> Vec<(&'a Feature, Option<BinMap>)> {
        let feature = |feature: &u32| &data.features()[*feature as usize];
        self.features.iter().map(feature).zip(self.categories.iter().cloned()).collect()
    }

    fn column_of(&self, feature: usize) -> u32 {
        self.features.iter().position(|other| *other as usize == feature).map_or(0, |column| column as u32)
    }
}

fn growth(params: &HistGradientBoostingParams, data: &Dataset, columns: &Columns) -> Result<Growth> {
    let signs = constraints::monotonic(&params.monotonic_cst, data)?;
    let monotonic: Vec<i8> = columns.features.iter().map(|feature| signs[*feature as usize]).collect();
    if monotonic.iter().zip(&columns.categories).any(|(sign, map)| *sign != 0 && map.is_some()) {
        bail!(InvalidParameter, "monotonic_cst of hist_gradient_boosting names a categorical feature");
    }
    let set = |set: Vec<usize>| {
        let mut set: Vec<u32> = set.into_iter().map(|feature| columns.column_of(feature)).collect();
        set.sort_unstable();
        set
    };
    Ok(Growth {
        max_leaves: params.max_leaf_nodes,
        max_depth: params.max_depth.unwrap_or(usize::MAX),
        limits: Limits { min_rows: params.min_samples_leaf, min_hessian: MIN_HESSIAN, l2: params.l2_regularization },
        max_features: params.max_features,
        monotonic: if monotonic.iter().all(|sign| *sign == 0) { Vec::new() } else { monotonic },
        interactions: constraints::interactions(&params.interaction_cst, data)?.into_iter().map(set).collect(),
    })
}

/// What every round needs.
struct Boosting<'a> {
    params: &'a HistGradientBoostingParams,
    loss: Loss,
    rows: Rows<'a>,
    binned: &'a BinnedRows,
    growth: &'a Growth,
    columns: &'a Columns,
    run: &'a Run,
}

impl Boosting<'_> {
    fn forest(&self, baseline: &[f64], mut watch: Option<Watch>) -> Result<FlatForest<f64, f64>> {
        let (n_rows, n_scores) = (self.rows.y.len(), self.loss.n_scores());
        let mut raw = start(baseline, n_rows);
        let mut pairs = vec![vec![[0.0, 1.0]; n_rows]; n_scores];
        let mut grower = Grower::new(self.binned, self.growth, self.run);
        let mut rng = self.run.rng(DRAWS_OF_FEATURES);
        let counted = !self.loss.has_unit_hessian() || self.rows.weight.is_some();
        let mut forest = FlatBuilder::new(self.columns.features.len(), 1, n_scores);
        let mut stop = watch.as_mut().is_some_and(|watch| watch.should_stop(&self.rows, &raw));
        let total = self.params.max_iter as u64;
        for round in 0..total {
            if stop {
                break;
            }
            self.run.progress("training", round, total);
            self.loss.gradients(&self.rows, &raw, &mut pairs);
            for score in 0..n_scores {
                let mut tree = grower.grow(&pairs[score], counted, &mut rng)?;
                let raw = &mut raw[score * n_rows..][..n_rows];
                self.set_leaves(&mut tree, grower.rows(), raw)?;
                for leaf in tree.leaves().map(|leaf| &tree.nodes[leaf]) {
                    grower.rows()[leaf.rows.clone()].iter().for_each(|row| raw[*row as usize] += leaf.value);
                }
                if let Some(apart) = watch.as_mut().and_then(|watch| watch.apart.as_mut()) {
                    apart.add(&tree, score);
                }
                let cover = |range: Range<usize>| match self.rows.weight {
                    None => range.len() as f64,
                    Some(weight) => grower.rows()[range].iter().map(|row| weight[*row as usize]).sum(),
                };
                forest.push(&tree.to_source(self.binned.all_maps(), &self.columns.features, score, cover))?;
            }
            stop = watch.as_mut().is_some_and(|watch| watch.should_stop(&self.rows, &raw));
        }
        self.run.progress("training", total, total);
        forest.finish()
    }

    /// Sets leaves to what is added: the share of their value that is learnt at a time.
    fn set_leaves(&self, tree: &mut GrownTree, rows: &[u32], raw: &[f64]) -> Result<()> {
        for node in tree.nodes.iter_mut().filter(|node| node.split.is_none()) {
            if self.loss.has_bend() {
                let rows = &rows[node.rows.clone()];
                let residuals = rows.iter().map(|row| self.rows.y[*row as usize] - raw[*row as usize]).collect();
                let weight = |weight: &[f64]| rows.iter().map(|row| weight[*row as usize]).collect::<Vec<f64>>();
                let weight = self.rows.weight.map(weight);
                let is_weightless = weight.as_ref().is_some_and(|weight| weight.iter().all(|w| *w == 0.0));
                node.value = if is_weightless { 0.0 } else { self.loss.best_constant(residuals, weight) };
            }
            node.value *= self.params.learning_rate;
            if !node.value.is_finite() {
                bail!(InvalidData, "boosting overflows: targets or weights are too large, scale them");
            }
        }
        Ok(())
    }
}
