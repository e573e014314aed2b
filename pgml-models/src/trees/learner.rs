//! Grows trees of one recipe over weighted rows of one data set, whatever their target is.

use fastrand::Rng;
use pgml_core::run::Reservation;
use pgml_core::{Dataset, Result, Run, Task, bail};

use super::binning::BinnedData;
use super::criterion::{
    ClassCriterion, ClassImpurity, ClassItem, JointCriterion, JointItem, ValueCriterion, ValueItem, ValueLoss,
};
use super::grower::{self, Grown, Growth, Sample, Splitter};
use super::histogram::SumSearch;
use super::median::MedianSearch;
use super::recipe::Recipe;
use super::search::{Search, SideLimits};
use super::tree::Tree;

/// Rows that walk between two looks at the cancel flag.
const WALK: usize = 1 << 14;

/// What growing each tree of a training needs.
#[derive(Debug)]
pub struct Learner<'a> {
    recipe: &'a Recipe,
    data: &'a Dataset,
    binned: BinnedData,
    growth: Growth,
    judge: Judge,
    run: &'a Run,
    _memory: Reservation,
}

/// What splits lower, for the targets at hand.
#[derive(Debug, Clone, Copy)]
enum Judge {
    Classes(ClassImpurity),
    Value(ValueLoss),
    Joint(ValueLoss),
    AbsoluteError,
}

/// What one tree learns from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draw {
    /// Rows with their weight, ascending.
    pub rows: Vec<(u32, f64)>,
    /// Features; all of them when `None`.
    pub features: Option<Vec<u32>>,
}

impl<'a> Learner<'a> {
    /// Checks the recipe against the data, and bins the features, in parallel in the calling thread's pool.
    ///
    /// # Errors
    /// When they do not fit, or there is not enough memory, or the run was cancelled.
    pub fn new(recipe: &'a Recipe, data: &'a Dataset, task: Task, run: &'a Run) -> Result<Self> {
        recipe.check(data, task)?;
        let growth = recipe.growth(data)?;
        let memory = run.reserve(BinnedData::bytes_for(data), "binning the features")?;
        let binned = match recipe.splitter {
            Splitter::Best => BinnedData::new(data, run)?,
            Splitter::Random => BinnedData::unsorted(data, run)?,
        };
        let loss = if recipe.criterion == "poisson" { ValueLoss::Poisson } else { ValueLoss::SquaredError };
        let judge = match recipe.criterion.as_str() {
            "absolute_error" => Judge::AbsoluteError,
            "entropy" | "log_loss" => Judge::Classes(ClassImpurity::Entropy),
            _ if data.n_classes() > 0 => Judge::Classes(ClassImpurity::Gini),
            _ if data.targets().len() == 1 => Judge::Value(loss),
            _ => Judge::Joint(loss),
        };
        Ok(Self { recipe, data, binned, growth, judge, run, _memory: memory })
    }

    /// The rows that are learnt from.
    #[must_use]
    pub fn data(&self) -> &'a Dataset {
        self.data
    }

    /// The recipe.
    #[must_use]
    pub fn recipe(&self) -> &'a Recipe {
        self.recipe
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &'a Run {
        self.run
    }

    /// How many numbers a leaf holds: the share of each class, or the value of each target.
    #[must_use]
    pub fn width(&self) -> usize {
        self.data.n_classes().max(self.data.targets().len())
    }

    /// Grows a tree, and prunes it if the recipe says so.
    ///
    /// # Errors
    /// When there is not enough memory or the run was cancelled.
    pub fn grow(&self, draw: Draw, rng: &mut Rng) -> Result<Grown> {
        let growth = self.growth_for(&draw.rows);
        let (targets, sides) = (self.data.targets(), growth.sides);
        let class = |row: u32, weight| ClassItem { weight, class: targets[0][row as usize] as u32 };
        let joint = |row: u32, weight| JointItem { weight, row };
        match self.judge {
            Judge::Classes(impurity) if self.data.n_classes() == 2 => {
                let criterion = ClassCriterion::<[f64; 2]>::new(2, impurity);
                self.grow_by(SumSearch::new(&criterion, sides), class, draw, &growth, rng)
            }
            Judge::Classes(impurity) => {
                let criterion = ClassCriterion::<Vec<f64>>::new(self.data.n_classes(), impurity);
                self.grow_by(SumSearch::new(&criterion, sides), class, draw, &growth, rng)
            }
            Judge::Value(loss) => {
                let item = |row: u32, weight| ValueItem { weight, target: targets[0][row as usize] };
                self.grow_by(SumSearch::new(&ValueCriterion { loss }, sides), item, draw, &growth, rng)
            }
            Judge::Joint(loss) => {
                self.grow_by(SumSearch::new(&JointCriterion { targets, loss }, sides), joint, draw, &growth, rng)
            }
            Judge::AbsoluteError => self.grow_by(MedianSearch::new(targets, sides), joint, draw, &growth, rng),
        }
    }

    /// Grows a tree that fits `target` by squared error instead of the data's own target.
    ///
    /// # Errors
    /// As [`Learner::grow`].
    pub fn grow_to_fit(&self, target: &[f64], draw: Draw, rng: &mut Rng) -> Result<Grown> {
        let growth = self.growth_for(&draw.rows);
        let criterion = ValueCriterion { loss: ValueLoss::SquaredError };
        let item = |row: u32, weight| ValueItem { weight, target: target[row as usize] };
        self.grow_by(SumSearch::new(&criterion, growth.sides), item, draw, &growth, rng)
    }

    fn grow_by<S: Search>(
        &self,
        search: S,
        item: impl Fn(u32, f64) -> S::Item,
        draw: Draw,
        growth: &Growth,
        rng: &mut Rng,
    ) -> Result<Grown> {
        if draw.rows.is_empty() {
            bail!(InvalidData, "every row has weight 0");
        }
        let _scratch = self.run.reserve(grower::bytes_for::<S::Item>(draw.rows.len()), "growing a tree")?;
        let sample = Sample {
            data: &self.binned,
            features: draw.features.unwrap_or_else(|| (0..self.data.n_features() as u32).collect()),
            rows: draw.rows.iter().map(|(row, _)| *row).collect(),
            items: draw.rows.iter().map(|(row, weight)| item(*row, *weight)).collect(),
        };
        drop(draw.rows);
        let mut grown = grower::grow(sample, search, growth, rng, self.run)?;
        if self.recipe.ccp_alpha > 0.0 {
            grown.tree.prune(self.recipe.ccp_alpha);
        }
        Ok(grown)
    }

    fn growth_for(&self, rows: &[(u32, f64)]) -> Growth {
        let weight: f64 = rows.iter().map(|(_, weight)| weight).sum();
        let min_weight = self.recipe.min_weight_fraction_leaf * weight;
        Growth { sides: SideLimits { min_weight, ..self.growth.sides }, ..self.growth.clone() }
    }

    /// The leaf, a node of the tree, that each row of the data reaches.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`](pgml_core::ErrorKind::Cancelled).
    pub fn leaves(&self, grown: &Grown) -> Result<Vec<u32>> {
        const UNKNOWN: u32 = u32::MAX;
        let mut leaves = vec![UNKNOWN; self.data.n_rows()];
        for (leaf, rows) in grown.leaves() {
            rows.iter().for_each(|row| leaves[*row as usize] = leaf);
        }
        // What the tree did not learn from has to walk.
        for (block, rows) in leaves.chunks_mut(WALK).enumerate() {
            self.run.check()?;
            let unknown = rows.iter_mut().enumerate().filter(|(_, leaf)| **leaf == UNKNOWN);
            unknown.for_each(|(i, leaf)| *leaf = self.leaf_of(&grown.tree, (block * WALK + i) as u32));
        }
        Ok(leaves)
    }

    fn leaf_of(&self, tree: &Tree, row: u32) -> u32 {
        let mut at = 0;
        while let Some(branch) = tree.nodes[at as usize].branch {
            let x = self.binned.features[branch.feature as usize].value(row);
            let goes_left = if x.is_nan() { branch.missing_left } else { x <= branch.threshold };
            at = if goes_left { branch.left } else { branch.right };
        }
        at
    }
}
