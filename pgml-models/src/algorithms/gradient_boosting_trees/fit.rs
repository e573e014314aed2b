//! The rounds of boosting.

use std::collections::VecDeque;

use fastrand::Rng;
use pgml_core::{Dataset, Result, Run, Task, bail};
use serde_json::Value;

use super::loss::{LeafRow, Loss};
use super::{GradientBoostingModel, GradientBoostingParams};
use crate::linear_model::Classes;
use crate::trees::bootstrap;
use crate::trees::forest::weighted_rows;
use crate::trees::grower::{Grown, Splitter};
use crate::trees::learner::{Draw, Learner};
use crate::trees::recipe::Recipe;
use crate::trees::{FlatBuilder, SourceTree};

/// Boosts trees on one target.
pub(super) fn boost(
    params: &GradientBoostingParams,
    data: &Dataset,
    task: Task,
    run: &Run,
) -> Result<GradientBoostingModel> {
    let Some(patience) = params.n_iter_no_change else {
        return Boosting::new(params, data, task, run)?.model(None);
    };
    let (train, held_out) = hold_out(params, data, run)?;
    let boosting = Boosting::new(params, &train, task, run)?;
    let n_classes = boosting.classes.as_ref().map_or(0, |classes| classes.seen.len());
    if task == Task::Classification && n_classes < Classes::seen_in(data.target()?, data.n_classes())?.seen.len() {
        bail!(InvalidData, "a class has no row left to learn from; lower validation_fraction or use another seed");
    }
    let watch = Watch { data: &held_out, patience, tol: params.tol };
    boosting.model(Some(watch))
}

/// Rows to learn from and rows to watch; each class is in both by its share.
fn hold_out(params: &GradientBoostingParams, data: &Dataset, run: &Run) -> Result<(Dataset, Dataset)> {
    let n = data.n_rows();
    let _copy = run.reserve(data.bytes(), "holding out rows")?;
    let n_held_out = (params.validation_fraction * n as f64).ceil() as usize;
    if n_held_out >= n {
        bail!(InvalidData, "validation_fraction leaves no row of {n} to learn from");
    }
    let mut rng = run.rng(1);
    let mut groups = vec![Vec::new(); data.n_classes().max(1)];
    for row in 0..n as u32 {
        let group = if data.n_classes() > 0 { data.target()?[row as usize] as usize } else { 0 };
        groups[group].push(row);
    }
    groups.iter_mut().for_each(|group| rng.shuffle(group));
    // Every so many rows of all, group by group: each group is thinned evenly.
    let order: Vec<u32> = groups.concat();
    let is_held_out = |i: usize| (i + 1) * n_held_out / n > i * n_held_out / n;
    let pick = |held_out: bool| {
        let mut rows: Vec<u32> = (0..n).filter(|i| is_held_out(*i) == held_out).map(|i| order[i]).collect();
        rows.sort_unstable();
        data.select(&rows)
    };
    Ok((pick(false), pick(true)))
}

/// What is watched to end early.
struct Watch<'a> {
    data: &'a Dataset,
    patience: usize,
    tol: f64,
}

/// What all rounds have in common.
struct Boosting<'a> {
    params: &'a GradientBoostingParams,
    data: &'a Dataset,
    task: Task,
    run: &'a Run,
    recipe: Recipe,
    loss: Loss,
    /// `None` for regression.
    classes: Option<Classes>,
    /// Values, or positions among the classes seen.
    target: Vec<f64>,
}

impl<'a> Boosting<'a> {
    fn new(params: &'a GradientBoostingParams, data: &'a Dataset, task: Task, run: &'a Run) -> Result<Self> {
        let classes = match task {
            Task::Classification => Some(Classes::seen_in(data.target()?, data.n_classes())?),
            _ => None,
        };
        let n_seen = classes.as_ref().map_or(0, |classes| classes.seen.len());
        let loss = match params.loss.as_str() {
            "absolute_error" => Loss::AbsoluteError,
            "huber" => Loss::Huber { alpha: params.alpha, delta: 0.0 },
            "quantile" => Loss::Quantile(params.alpha),
            "exponential" if n_seen != 2 => {
                bail!(InvalidParameter, "loss \"exponential\" tells two classes apart, not {n_seen}")
            }
            "exponential" => Loss::Exponential,
            _ if n_seen == 2 => Loss::Binomial,
            _ if n_seen > 2 => Loss::Multinomial(n_seen),
            _ => Loss::SquaredError,
        };
        let target = positions(data, classes.as_ref())?;
        Ok(Self { params, data, task, run, recipe: recipe(params), loss, classes, target })
    }

    /// Boosts, and ends early if nothing improves that is watched.
    fn model(mut self, watch: Option<Watch<'_>>) -> Result<GradientBoostingModel> {
        let (params, data, run) = (self.params, self.data, self.run);
        let n_scores = self.loss.n_scores();
        let doubles = data.n_rows() as u64 * (2 * n_scores as u64 + 4);
        let _scores = run.reserve(8 * doubles, "boosting")?;
        let init = match params.init {
            Some(_) => vec![0.0; n_scores],
            None => self.loss.best_constants(&self.target, data.weight()),
        };
        let learner = Learner::new(&self.recipe, data, self.task, run)?;
        let mut raw: Vec<Vec<f64>> = init.iter().map(|x| vec![*x; data.n_rows()]).collect();
        let mut watched = watch.map(|watch| Watched::new(watch, &init, self.classes.as_ref())).transpose()?;
        let mut trees = Vec::new();
        let mut memory = Vec::new();
        let mut rng = run.rng(0);
        for round in 0..params.n_estimators {
            run.progress("training", round as u64, params.n_estimators as u64);
            let rows = self.rows(&mut rng);
            self.loss.turn(&self.target, &raw[0], data.weight());
            let steps = self.loss.steps(&self.target, &raw);
            for (score, steps) in steps.iter().enumerate() {
                run.check()?;
                let tree = self.add_tree(&learner, score, steps, &rows, &mut raw[score], &mut rng)?;
                let bytes = size_of_val(tree.nodes.as_slice()) + size_of_val(tree.values.as_slice());
                memory.push(run.reserve(bytes as u64, "the trees")?);
                trees.push(tree);
            }
            if let Some(watched) = &mut watched
                && !watched.improves(self.loss, &trees[trees.len() - n_scores..])?
            {
                break;
            }
        }
        let mut forest = FlatBuilder::new(data.n_features(), 1, n_scores);
        trees.iter().try_for_each(|tree| forest.push(tree))?;
        GradientBoostingModel::new(forest.finish()?, init, self.loss.link(), self.classes)
    }

    /// The rows of a round, with their weight.
    fn rows(&self, rng: &mut Rng) -> Vec<(u32, f64)> {
        let (n, weight) = (self.data.n_rows(), self.data.weight());
        if self.params.subsample >= 1.0 {
            return weighted_rows(n, weight);
        }
        let n_drawn = ((self.params.subsample * n as f64) as usize).max(1);
        let drawn = bootstrap::distinct(n, n_drawn, None, rng);
        let weighted = drawn.into_iter().map(|row| (row, weight.map_or(1.0, |weight| weight[row as usize])));
        weighted.filter(|(_, weight)| *weight > 0.0).collect()
    }

    /// Grows a tree to the steps of one score, gives its leaves the values that lower the loss most, and moves the scores.
    fn add_tree(
        &self,
        learner: &Learner<'_>,
        score: usize,
        steps: &[f64],
        rows: &[(u32, f64)],
        raw: &mut [f64],
        rng: &mut Rng,
    ) -> Result<SourceTree<f32, f64>> {
        let mut grown = learner.grow_to_fit(steps, Draw { rows: rows.to_vec(), features: None }, rng)?;
        for (leaf, value) in self.leaf_values(&grown, score, steps, raw) {
            grown.tree.values[leaf as usize] = self.params.learning_rate * value;
        }
        let leaves = learner.leaves(&grown)?;
        raw.iter_mut().zip(leaves).for_each(|(raw, leaf)| *raw += grown.tree.values[leaf as usize]);
        let mut source = grown.tree.to_source();
        source.output = score;
        Ok(source)
    }

    fn leaf_values(&self, grown: &Grown, score: usize, steps: &[f64], raw: &[f64]) -> Vec<(u32, f64)> {
        let is_multinomial = matches!(self.loss, Loss::Multinomial(_));
        let of_row = |row: &u32| {
            let row = *row as usize;
            let target = self.target[row];
            let target = if is_multinomial { f64::from(u8::from(target as usize == score)) } else { target };
            let weight = self.data.weight().map_or(1.0, |weight| weight[row]);
            LeafRow { weight, target, raw: raw[row], step: steps[row] }
        };
        let value = |(leaf, rows): (u32, &[u32])| {
            (leaf, self.loss.leaf(rows.iter().map(of_row), grown.tree.values[leaf as usize]))
        };
        grown.leaves().map(value).collect()
    }
}

/// The target: values, or positions among the classes seen.
fn positions(data: &Dataset, classes: Option<&Classes>) -> Result<Vec<f64>> {
    let target = data.target()?;
    Ok(match classes {
        Some(classes) => classes.positions(target).into_iter().map(f64::from).collect(),
        None => target.to_vec(),
    })
}

fn recipe(params: &GradientBoostingParams) -> Recipe {
    Recipe {
        algorithm: "gradient_boosting_trees",
        criterion: "auto".to_owned(),
        splitter: Splitter::Best,
        max_depth: params.max_depth,
        min_samples_split: params.min_samples_split,
        min_samples_leaf: params.min_samples_leaf,
        min_weight_fraction_leaf: params.min_weight_fraction_leaf,
        max_features: params.max_features,
        max_leaf_nodes: params.max_leaf_nodes,
        min_impurity_decrease: params.min_impurity_decrease,
        ccp_alpha: params.ccp_alpha,
        monotonic_cst: Value::Null,
    }
}

/// The scores of held-out rows, and the losses of the last rounds.
struct Watched<'a> {
    watch: Watch<'a>,
    target: Vec<f64>,
    rows: Vec<f64>,
    raw: Vec<Vec<f64>>,
    last: VecDeque<f64>,
}

impl<'a> Watched<'a> {
    fn new(watch: Watch<'a>, init: &[f64], classes: Option<&Classes>) -> Result<Self> {
        let n = watch.data.n_rows();
        Ok(Self {
            target: positions(watch.data, classes)?,
            rows: watch.data.to_rows(),
            raw: init.iter().map(|x| vec![*x; n]).collect(),
            last: VecDeque::from(vec![f64::INFINITY; watch.patience]),
            watch,
        })
    }

    /// Whether the trees of a round made the loss less than any of the last ones by `tol` at least.
    fn improves(&mut self, loss: Loss, trees: &[SourceTree<f32, f64>]) -> Result<bool> {
        for (raw, tree) in self.raw.iter_mut().zip(trees) {
            let mut alone = FlatBuilder::new(self.watch.data.n_features(), 1, 1);
            alone.push(&SourceTree { output: 0, ..tree.clone() })?;
            alone.finish()?.add_leaves(&self.rows, raw);
        }
        let now = loss.mean_loss(&self.target, &self.raw, self.watch.data.weight());
        let improves = self.last.iter().any(|loss| now + self.watch.tol < *loss);
        self.last.pop_front();
        self.last.push_back(now);
        Ok(improves)
    }
}
