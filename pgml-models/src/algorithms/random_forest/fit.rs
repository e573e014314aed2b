//! Growing the trees of a forest, in parallel.

use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use pgml_core::run::Reservation;
use pgml_core::{Dataset, Result, Run, Task, bail};
use rayon::prelude::*;

use super::weights::{balanced, draws, row_weights};
use super::{RandomForestModel, RandomForestParams, out_of_bag};
use crate::trees::amount::Amount;
use crate::trees::binning::BinnedData;
use crate::trees::bootstrap::Bootstrap;
use crate::trees::criterion::{
    ClassCriterion, ClassImpurity, ClassItem, Criterion, JointCriterion, JointItem, ValueCriterion, ValueItem,
    ValueLoss,
};
use crate::trees::grower::{self, Growth};
use crate::trees::histogram::SideLimits;
use crate::trees::{FlatBuilder, FlatForest, SourceTree};

/// What growing each tree needs.
pub(super) struct Fit<'a> {
    pub(super) params: &'a RandomForestParams,
    pub(super) data: &'a Dataset,
    pub(super) run: &'a Run,
    growth: Growth,
    pub(super) bootstrap: Option<Bootstrap>,
    /// Weight of each row where trees do not draw rows.
    weight: Option<Vec<f64>>,
}

/// A grown tree, and its share of the memory budget.
pub(super) type Grown = (SourceTree<f32, f64>, Reservation);

impl<'a> Fit<'a> {
    /// Checks what the declarations alone cannot, and derives what all trees share.
    pub(super) fn new(params: &'a RandomForestParams, data: &'a Dataset, task: Task, run: &'a Run) -> Result<Self> {
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

    /// Grows the trees.
    pub(super) fn forest(&self) -> Result<RandomForestModel> {
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
        let oob_score = if self.params.oob_score { Some(out_of_bag::score(self, &trees, width)?) } else { None };
        Ok(RandomForestModel::new(flatten(&trees, self.data.n_features(), width)?, n_classes, oob_score))
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

/// The trees as the flat predictor takes them.
pub(super) fn flatten(trees: &[Grown], n_features: usize, width: usize) -> Result<FlatForest<f32, f64>> {
    let mut builder = FlatBuilder::new(n_features, width, width);
    trees.iter().try_for_each(|(tree, _)| builder.push(tree))?;
    builder.finish()
}
