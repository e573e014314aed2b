//! Random forests (Breiman 2001), grown by our tree engine with scikit-learn's names, defaults and semantics.

use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use pgml_core::estimator::expect_shape;
use pgml_core::run::Reservation;
use pgml_core::{
    Classifier, Dataset, Error, ErrorKind, Estimator, MatrixRef, Model, Parts, Result, Run, Task, bail, hyperparams,
};
use rayon::prelude::*;

use crate::trees::amount::{Amount, MaxFeatures};
use crate::trees::binning::BinnedData;
use crate::trees::bootstrap::Bootstrap;
use crate::trees::criterion::{
    ClassCriterion, ClassImpurity, ClassItem, Criterion, JointCriterion, JointItem, ValueCriterion, ValueItem,
    ValueLoss,
};
use crate::trees::grower::{self, Growth};
use crate::trees::histogram::SideLimits;
use crate::trees::{FlatBuilder, FlatForest, SourceTree};

hyperparams! {
    /// Parameters of random forests: those of scikit-learn 1.9's `RandomForestClassifier` and `RandomForestRegressor`.
    pub struct RandomForestParams {
        /// How many trees.
        n_estimators: usize = 100, range: at_least(1.0);
        /// What splits lower. `auto`: `gini` for classification, `squared_error` for regression.
        criterion: String = "auto".to_owned(),
            choices: ["auto", "gini", "entropy", "log_loss", "squared_error", "friedman_mse", "poisson"];
        /// Most steps from the root of a tree to a leaf; unlimited when null.
        max_depth: Option<usize> = None, range: at_least(1.0);
        /// Fewest rows of a node that is split, as a count or a share of all rows.
        min_samples_split: Amount = Amount::Count(2), range: above(0.0);
        /// Fewest rows of a leaf, as a count or a share of all rows.
        min_samples_leaf: Amount = Amount::Count(1), range: above(0.0);
        /// Least share of a tree's weight in a leaf.
        min_weight_fraction_leaf: f64 = 0.0, range: between(0.0, 0.5);
        /// Features that a split looks at: a count, a share, `sqrt`, `log2`, null for all, or `auto`: `sqrt` for classification, all for regression.
        max_features: MaxFeatures = MaxFeatures::Auto, range: above(0.0), choices: ["auto", "sqrt", "log2"];
        /// Most leaves of a tree, which then grows best split first; unlimited when null.
        max_leaf_nodes: Option<usize> = None, range: at_least(2.0);
        /// Least fall of impurity, weighted by the node's share of rows, for which a node is split.
        min_impurity_decrease: f64 = 0.0, range: at_least(0.0);
        /// Whether each tree learns from rows drawn with replacement, else from all.
        bootstrap: bool = true;
        /// Whether to estimate the score by the rows that each tree did not draw, as metric `oob_score`.
        oob_score: bool = false;
        /// How many rows each tree draws, as a count or a share; as many as there are when null.
        max_samples: Option<Amount> = None, range: above(0.0);
        /// Weights by class: `balanced` makes classes weigh the same, `balanced_subsample` in each tree's rows.
        class_weight: Option<String> = None, choices: ["balanced", "balanced_subsample"];
        /// Complexity below which branches are pruned: the fall of impurity per leaf that they must bring.
        ccp_alpha: f64 = 0.0, range: at_least(0.0);
        /// Seed of all random choices; that of the training when null.
        random_state: Option<u64> = None;
        /// How many threads. Without effect: the server's settings decide.
        n_jobs: Option<i64> = None, no_effect: true;
        /// How much to report.
        verbose: Option<i64> = None, no_effect: true;
        /// Whether to go on from an earlier fit.
        warm_start: bool = false, no_effect: true;
    }
}

/// `random_forest`.
#[derive(Debug)]
pub struct RandomForest;

impl Estimator for RandomForest {
    const NAME: &'static str = "random_forest";
    const DESCRIPTION: &'static str =
        "The average of many deep decision trees, each grown on other rows and features; strong without tuning";
    const SOURCE: &'static str =
        "L. Breiman, Random Forests, Machine Learning 45 (2001); parameters of scikit-learn 1.9's random forests";
    const TASKS: &'static [Task] = &[Task::Regression, Task::Classification];
    const VERSION: u32 = 1;
    type Params = RandomForestParams;
    type Model = RandomForestModel;

    fn fit(params: &Self::Params, data: &Dataset, task: Task, run: &Run) -> Result<Self::Model> {
        let seeded = run.clone().with_seed(params.random_state.unwrap_or(run.seed()));
        // A pool of its own: its threads inherit the calling thread's signal mask, those of a global pool would not.
        rayon::ThreadPoolBuilder::new()
            .num_threads(run.threads())
            .build()
            .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot start {} threads: {e}", run.threads())))?
            .install(|| Fit::new(params, data, task, &seeded)?.forest())
    }

    fn decode(parts: &Parts) -> Result<Self::Model> {
        let n_classes: usize = parts.meta("n_classes")?;
        let model =
            RandomForestModel { forest: FlatForest::decode(parts)?, n_classes, oob_score: parts.meta("oob_score")? };
        if model.forest.n_trees() == 0 || (n_classes > 0 && n_classes != model.forest.n_outputs()) {
            bail!(Corrupted, "a stored forest of {} trees and {n_classes} classes", model.forest.n_trees());
        }
        Ok(model)
    }
}

/// What growing each tree needs.
struct Fit<'a> {
    params: &'a RandomForestParams,
    data: &'a Dataset,
    run: &'a Run,
    growth: Growth,
    bootstrap: Option<Bootstrap>,
    /// Weight of each row where trees do not draw rows.
    weight: Option<Vec<f64>>,
}

/// A grown tree, and its share of the memory budget.
type Grown = (SourceTree<f32, f64>, Reservation);

impl<'a> Fit<'a> {
    fn new(params: &'a RandomForestParams, data: &'a Dataset, task: Task, run: &'a Run) -> Result<Self> {
        check(params, data, task)?;
        let weight = row_weights(params, data)?;
        let bootstrap = if params.bootstrap {
            let n_draws = draws(params.max_samples, data.n_rows(), weight.as_deref())?;
            Some(Bootstrap::new(data.n_rows(), n_draws, weight.as_deref()))
        } else {
            None
        };
        let n = data.n_rows();
        let growth = Growth {
            max_depth: params.max_depth.unwrap_or(usize::MAX),
            max_leaves: params.max_leaf_nodes,
            min_rows_to_split: params.min_samples_split.of(n, 2),
            // The least weight is a share of each tree's own.
            sides: SideLimits { min_rows: params.min_samples_leaf.of(n, 1), min_weight: 0.0 },
            min_gain: params.min_impurity_decrease,
            max_features: params.max_features.of(data.n_features(), task == Task::Classification),
        };
        Ok(Self { params, data, run, growth, bootstrap, weight })
    }

    fn forest(&self) -> Result<RandomForestModel> {
        let _binned = self.run.reserve(BinnedData::bytes_for(self.data), "binning the features")?;
        let binned = BinnedData::new(self.data, self.run)?;
        let loss = if self.params.criterion == "poisson" { ValueLoss::Poisson } else { ValueLoss::SquaredError };
        let trees = match self.data.targets() {
            [classes] if self.data.n_classes() > 0 => {
                let entropy = matches!(self.params.criterion.as_str(), "entropy" | "log_loss");
                let impurity = if entropy { ClassImpurity::Entropy } else { ClassImpurity::Gini };
                let item = |row: usize, weight| ClassItem { weight, class: classes[row] as u32 };
                match self.data.n_classes() {
                    2 => self.trees(&binned, &ClassCriterion::<[f64; 2]>::new(2, impurity), item)?,
                    n => self.trees(&binned, &ClassCriterion::<Vec<f64>>::new(n, impurity), item)?,
                }
            }
            [target] => {
                self.trees(&binned, &ValueCriterion { loss }, |row, weight| ValueItem { weight, target: target[row] })?
            }
            targets => {
                let criterion = JointCriterion { targets, loss };
                self.trees(&binned, &criterion, |row, weight| JointItem { weight, row: row as u32 })?
            }
        };
        let width = self.data.n_classes().max(self.data.targets().len());
        let n_classes = self.data.n_classes();
        let oob_score = if self.params.oob_score { Some(self.oob_score(&trees, width)?) } else { None };
        Ok(RandomForestModel { forest: flatten(&trees, self.data.n_features(), width)?, n_classes, oob_score })
    }

    fn trees<C: Criterion>(
        &self,
        binned: &BinnedData,
        criterion: &C,
        item: impl Fn(usize, f64) -> C::Item + Sync,
    ) -> Result<Vec<Grown>> {
        let (done, total) = (AtomicU64::new(0), self.params.n_estimators as u64);
        self.run.progress("training", 0, total);
        let grow = |tree: u64| {
            let mut rng = self.run.rng(tree);
            let weights = self.tree_weights(&mut rng);
            let _scratch = self.run.reserve(grower::bytes_for::<C>(weights.len()), "growing a tree")?;
            let growth = self.growth_for(&weights);
            let rows: Vec<u32> = weights.iter().map(|(row, _)| *row).collect();
            let items = weights.into_iter().map(|(row, weight)| item(row as usize, weight)).collect();
            let mut tree = grower::grow(binned, rows, items, criterion, &growth, &mut rng, self.run)?;
            if self.params.ccp_alpha > 0.0 {
                tree.prune(self.params.ccp_alpha);
            }
            let source = tree.to_source();
            let bytes = size_of_val(source.nodes.as_slice()) + size_of_val(source.values.as_slice());
            let reservation = self.run.reserve(bytes as u64, "the forest")?;
            self.run.progress("training", done.fetch_add(1, Ordering::Relaxed) + 1, total);
            Ok((source, reservation))
        };
        (0..total).into_par_iter().map(grow).collect()
    }

    /// The rows that a tree learns from, with their weights.
    fn tree_weights(&self, rng: &mut Rng) -> Vec<(u32, f64)> {
        let rows = 0..self.data.n_rows() as u32;
        let Some(bootstrap) = &self.bootstrap else {
            let weighted = rows.map(|row| (row, self.weight.as_ref().map_or(1.0, |weight| weight[row as usize])));
            return weighted.filter(|(_, weight)| *weight > 0.0).collect();
        };
        let counts = bootstrap.counts(rng);
        let drawn = rows.zip(&counts).filter(|(_, count)| **count > 0).map(|(row, count)| (row, f64::from(*count)));
        if self.params.class_weight.as_deref() != Some("balanced_subsample") {
            return drawn.collect();
        }
        let classes = &self.data.targets()[0];
        let by_class = balanced(self.data, |row| f64::from(counts[row]));
        drawn.map(|(row, count)| (row, count * by_class[classes[row as usize] as usize])).collect()
    }

    fn growth_for(&self, weights: &[(u32, f64)]) -> Growth {
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let min_weight = self.params.min_weight_fraction_leaf * total;
        Growth { sides: SideLimits { min_weight, ..self.growth.sides }, ..self.growth }
    }

    /// How well each row is predicted by the trees that did not draw it: accuracy, or R² (averaged over targets).
    fn oob_score(&self, trees: &[Grown], width: usize) -> Result<f64> {
        let Some(bootstrap) = &self.bootstrap else {
            bail!(InvalidParameter, "oob_score of random_forest needs bootstrap, which is false");
        };
        let n_rows = self.data.n_rows();
        let _sums = self.run.reserve(8 * (n_rows * (width + 1)) as u64, "the out-of-bag score")?;
        let (mut sums, mut votes) = (vec![0.0; n_rows * width], vec![0_u32; n_rows]);
        let (mut x, mut guess) = (Vec::new(), vec![0.0; ROWS_AT_A_TIME * width]);
        for (tree, grown) in trees.iter().enumerate() {
            let counts = bootstrap.counts(&mut self.run.rng(tree as u64));
            let flat = flatten(std::slice::from_ref(grown), self.data.n_features(), width)?;
            let spared: Vec<usize> = (0..n_rows).filter(|row| counts[*row] == 0).collect();
            for rows in spared.chunks(ROWS_AT_A_TIME) {
                self.run.check()?;
                x.clear();
                x.extend(rows.iter().flat_map(|row| self.data.features().iter().map(|f| f.values.get(*row))));
                let guess = &mut guess[..rows.len() * width];
                guess.fill(0.0);
                flat.add_leaves(&x, guess);
                for (row, guess) in rows.iter().zip(guess.chunks_exact(width)) {
                    sums[row * width..][..width].iter_mut().zip(guess).for_each(|(sum, y)| *sum += y);
                    votes[*row] += 1;
                }
            }
        }
        if votes.contains(&0) {
            self.run.warn("some rows were drawn by every tree, so they do not count in oob_score; use more trees");
        }
        Ok(score(self.data, &sums, &votes, width))
    }
}

/// What the declarations alone cannot check.
fn check(params: &RandomForestParams, data: &Dataset, task: Task) -> Result<()> {
    let is_classification = task == Task::Classification;
    if data.targets().is_empty() || (is_classification && (data.targets().len() != 1 || data.n_classes() == 0)) {
        bail!(NotSupported, "random_forest for {task} cannot learn {} target columns", data.targets().len());
    }
    let criterion = params.criterion.as_str();
    let for_classes = matches!(criterion, "gini" | "entropy" | "log_loss");
    if criterion != "auto" && for_classes != is_classification {
        let allowed =
            if is_classification { "gini, entropy, log_loss" } else { "squared_error, friedman_mse, poisson" };
        bail!(InvalidParameter, "criterion \"{criterion}\" of random_forest is not for {task}; use one of {allowed}");
    }
    if !is_classification && params.class_weight.is_some() {
        bail!(InvalidParameter, "class_weight of random_forest is for classification, not for {task}");
    }
    if !params.bootstrap && (params.max_samples.is_some() || params.oob_score) {
        bail!(InvalidParameter, "max_samples and oob_score of random_forest need bootstrap, which is false");
    }
    if matches!(params.min_samples_split, Amount::Count(1)) {
        bail!(InvalidParameter, "min_samples_split of random_forest is 1, but must be at least 2, or a share of rows");
    }
    for (name, amount) in
        [("min_samples_split", params.min_samples_split), ("min_samples_leaf", params.min_samples_leaf)]
    {
        if matches!(amount, Amount::Share(share) if share > 1.0) {
            bail!(InvalidParameter, "{name} of random_forest is neither a count nor a share of at most 1");
        }
    }
    if data.targets().iter().flatten().any(|y| !y.is_finite()) {
        bail!(InvalidData, "a target is missing (NULL or NaN) or infinite");
    }
    let is_poisson = criterion == "poisson";
    if is_poisson && data.targets().iter().any(|t| t.iter().any(|y| *y < 0.0) || t.iter().sum::<f64>() <= 0.0) {
        bail!(InvalidData, "criterion \"poisson\" needs targets of at least 0 that are not all 0");
    }
    Ok(())
}

/// The weights of rows times those of their classes; `None` when all are 1.
fn row_weights(params: &RandomForestParams, data: &Dataset) -> Result<Option<Vec<f64>>> {
    let per_tree = params.bootstrap && params.class_weight.as_deref() == Some("balanced_subsample");
    if params.class_weight.is_none() || per_tree {
        return Ok(data.weight().map(<[f64]>::to_vec));
    }
    let weight = |row: usize| data.weight().map_or(1.0, |weight| weight[row]);
    let by_class = balanced(data, weight);
    let classes = data.target()?;
    Ok(Some(classes.iter().enumerate().map(|(row, class)| weight(row) * by_class[*class as usize]).collect()))
}

/// The weight per class that makes all classes present weigh the same, and all rows together what they do.
fn balanced(data: &Dataset, weight: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; data.n_classes()];
    data.targets()[0].iter().enumerate().for_each(|(row, class)| sums[*class as usize] += weight(row));
    let present = sums.iter().filter(|sum| **sum > 0.0).count() as f64;
    let total: f64 = sums.iter().sum();
    sums.iter().map(|sum| if *sum > 0.0 { total / (present * sum) } else { 0.0 }).collect()
}

/// How many rows each tree draws.
fn draws(max_samples: Option<Amount>, n_rows: usize, weight: Option<&[f64]>) -> Result<usize> {
    // As in scikit-learn 1.9, a share is of the weight, so that weights mean repeated rows.
    let all = weight.map_or(n_rows as f64, |weight| weight.iter().sum());
    let n_draws = match max_samples {
        None => n_rows,
        Some(Amount::Count(count)) => count,
        Some(Amount::Share(share)) => ((share * all) as usize).max(1),
    };
    if n_draws > u32::MAX as usize {
        bail!(InvalidParameter, "max_samples of random_forest asks for {n_draws} rows, more than fit a tree");
    }
    Ok(n_draws)
}

fn flatten(trees: &[Grown], n_features: usize, width: usize) -> Result<FlatForest<f32, f64>> {
    let mut builder = FlatBuilder::new(n_features, width, width);
    trees.iter().try_for_each(|(tree, _)| builder.push(tree))?;
    builder.finish()
}

/// Accuracy or mean R² of the sums of votes, over rows that have any.
fn score(data: &Dataset, sums: &[f64], votes: &[u32], width: usize) -> f64 {
    let voted: Vec<usize> = (0..votes.len()).filter(|row| votes[*row] > 0).collect();
    if data.n_classes() > 0 {
        let right = |row: &&usize| largest(&sums[**row * width..][..width]) as f64 == data.targets()[0][**row];
        return voted.iter().filter(right).count() as f64 / voted.len() as f64;
    }
    let r2 = |t: usize| {
        let y = &data.targets()[t];
        let mean = voted.iter().map(|row| y[*row]).sum::<f64>() / voted.len() as f64;
        let guess = |row: usize| sums[row * width + t] / f64::from(votes[row]);
        let rest: f64 = voted.iter().map(|row| (y[*row] - guess(*row)).powi(2)).sum();
        1.0 - rest / voted.iter().map(|row| (y[*row] - mean).powi(2)).sum::<f64>()
    };
    (0..width).map(r2).sum::<f64>() / width as f64
}

/// The position of the largest value, the first of equal ones.
fn largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

/// A trained random forest. Leaves hold class shares or means; predictions are their averages over trees.
#[derive(Debug)]
pub struct RandomForestModel {
    forest: FlatForest<f32, f64>,
    /// 0 for regression.
    n_classes: usize,
    oob_score: Option<f64>,
}

/// Rows whose class sums are held at a time.
const ROWS_AT_A_TIME: usize = 256;

impl RandomForestModel {
    fn average(&self, rows: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        self.forest.add_leaves(rows, out);
        let n_trees = self.forest.n_trees() as f64;
        out.iter_mut().for_each(|sum| *sum /= n_trees);
    }
}

impl Model for RandomForestModel {
    fn n_features(&self) -> usize {
        self.forest.n_features()
    }

    fn n_outputs(&self) -> usize {
        if self.n_classes > 0 { 1 } else { self.forest.n_outputs() }
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, self.n_outputs())?;
        if self.n_classes == 0 {
            self.average(rows.as_slice(), out);
            return Ok(());
        }
        let mut sums = vec![0.0; ROWS_AT_A_TIME.min(out.len()) * self.n_classes];
        let blocks = rows.as_slice().chunks(ROWS_AT_A_TIME * self.n_features());
        for (rows, out) in blocks.zip(out.chunks_mut(ROWS_AT_A_TIME)) {
            let sums = &mut sums[..out.len() * self.n_classes];
            self.average(rows, sums);
            out.iter_mut()
                .zip(sums.chunks_exact(self.n_classes))
                .for_each(|(class, sums)| *class = largest(sums) as f64);
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let parts = Parts::new().with_meta("n_classes", &self.n_classes)?.with_meta("oob_score", &self.oob_score)?;
        self.forest.encode(parts)
    }

    fn bytes(&self) -> usize {
        self.forest.bytes()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        (self.n_classes > 0).then_some(self)
    }

    fn own_metrics(&self) -> Vec<(&'static str, f64)> {
        self.oob_score.map(|score| ("oob_score", score)).into_iter().collect()
    }
}

impl Classifier for RandomForestModel {
    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, self.n_classes)?;
        self.average(rows.as_slice(), out);
        Ok(())
    }
}
