//! What a split is judged by. The engine sums rows; a criterion says what a row adds and how good a sum is.
//!
//! Every criterion here is additive: a leaf with the sum `s` fits its rows better by `score(s)` than no leaf at all, and
//! a split gains `score(left) + score(right) − score(node)`. That holds for impurities (whose part that no split can
//! change cancels) as for the Newton step of gradient boosting.

use std::marker::PhantomData;

use super::search::Bounds;

/// Judges splits by the sums of the rows on either side.
pub trait Criterion: Sync {
    /// What the engine carries along for each row, so that summing needs no look-up.
    type Item: Copy + Send + Sync;

    /// Where a sum is kept: an array of fixed length stays in registers, a vector has any length.
    type Sum: Default + Clone + AsRef<[f64]> + AsMut<[f64]>;

    /// The sum of no rows, of [`Criterion::width`] numbers.
    fn zero(&self) -> Self::Sum;

    /// How many numbers a sum has.
    fn width(&self) -> usize;

    /// Adds one row to a sum of [`Criterion::width`] numbers.
    fn add(&self, item: Self::Item, sum: &mut [f64]);

    /// Adds one row to a sum if it `counts`, without a branch to mispredict where that is possible.
    #[inline]
    fn add_if(&self, counts: bool, item: Self::Item, sum: &mut [f64]) {
        if counts {
            self.add(item, sum);
        }
    }

    /// The weight of the rows in a sum.
    fn weight(&self, sum: &[f64]) -> f64;

    /// How well a leaf fits the rows of a sum; negative infinity when no leaf may hold them.
    fn score(&self, sum: &[f64]) -> f64;

    /// Whether nothing is left to tell apart.
    fn is_pure(&self, items: &[Self::Item]) -> bool;

    /// How many numbers a leaf holds.
    fn n_values(&self) -> usize;

    /// Appends the [`Criterion::n_values`] numbers of a leaf.
    fn leaf(&self, sum: &[f64], values: &mut Vec<f64>);

    /// The one number of a leaf that constrained features order.
    fn level(&self, sum: &[f64]) -> f64 {
        sum[1] / sum[0]
    }

    /// Brings the values of a leaf, of which [`Criterion::level`] is one, within bounds.
    fn clip(values: &mut [f64], bounds: Bounds) {
        values[0] = bounds.nearest(values[0]);
    }
}

/// A row of a classification.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassItem {
    /// The weight of the row.
    pub weight: f64,
    /// The index of its class.
    pub class: u32,
}

/// Which impurity a classification tree lowers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassImpurity {
    /// Gini: the chance that two rows drawn from a leaf differ in class.
    Gini,
    /// Entropy, in bits.
    Entropy,
}

/// Classification: a sum holds the weight of each class, a leaf the share of each class.
///
/// `S` keeps the sums: `[f64; 2]` for two classes, `Vec<f64>` for any number.
#[derive(Debug, Clone, Copy)]
pub struct ClassCriterion<S> {
    n_classes: usize,
    impurity: ClassImpurity,
    sums: PhantomData<fn() -> S>,
}

impl<S> ClassCriterion<S> {
    /// Tells apart `n_classes` classes by lowering `impurity`.
    #[must_use]
    pub fn new(n_classes: usize, impurity: ClassImpurity) -> Self {
        Self { n_classes, impurity, sums: PhantomData }
    }
}

/// Sums of two numbers or of any number.
pub trait ClassSum: Default + Clone + AsRef<[f64]> + AsMut<[f64]> {
    /// Zeros for `n_classes` classes.
    fn zeros(n_classes: usize) -> Self;
}

impl ClassSum for [f64; 2] {
    fn zeros(n_classes: usize) -> Self {
        debug_assert_eq!(n_classes, 2, "an array of two for two classes");
        [0.0; 2]
    }
}

impl ClassSum for Vec<f64> {
    fn zeros(n_classes: usize) -> Self {
        vec![0.0; n_classes]
    }
}

impl<S: ClassSum> Criterion for ClassCriterion<S> {
    type Item = ClassItem;
    type Sum = S;

    fn zero(&self) -> S {
        S::zeros(self.n_classes)
    }

    fn width(&self) -> usize {
        self.n_classes
    }

    #[inline]
    fn add(&self, item: ClassItem, sum: &mut [f64]) {
        sum[item.class as usize] += item.weight;
    }

    #[inline]
    fn add_if(&self, counts: bool, item: ClassItem, sum: &mut [f64]) {
        sum[item.class as usize] += if counts { item.weight } else { 0.0 };
    }

    #[inline]
    fn weight(&self, sum: &[f64]) -> f64 {
        sum.iter().sum()
    }

    #[inline]
    fn score(&self, sum: &[f64]) -> f64 {
        let weight: f64 = sum.iter().sum();
        match self.impurity {
            // weight · Gini = weight − Σ wᵢ² / weight.
            ClassImpurity::Gini => sum.iter().map(|w| w * w).sum::<f64>() / weight,
            // −weight · entropy = Σ wᵢ log₂(wᵢ / weight).
            ClassImpurity::Entropy => sum.iter().filter(|w| **w > 0.0).map(|w| w * (w / weight).log2()).sum(),
        }
    }

    fn is_pure(&self, items: &[ClassItem]) -> bool {
        items.iter().all(|item| item.class == items[0].class)
    }

    fn n_values(&self) -> usize {
        self.n_classes
    }

    fn leaf(&self, sum: &[f64], values: &mut Vec<f64>) {
        let weight = self.weight(sum);
        values.extend(sum.iter().map(|w| w / weight));
    }

    fn level(&self, sum: &[f64]) -> f64 {
        sum[1] / self.weight(sum)
    }

    fn clip(values: &mut [f64], bounds: Bounds) {
        values[1] = bounds.nearest(values[1]);
        values[0] = 1.0 - values[1];
    }
}

/// A row of a regression with one target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueItem {
    /// The weight of the row.
    pub weight: f64,
    /// Its target.
    pub target: f64,
}

/// Which loss a regression tree lowers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueLoss {
    /// The squared difference to the leaf's mean.
    SquaredError,
    /// Half the Poisson deviance from the leaf's mean, which must be positive.
    Poisson,
}

impl ValueLoss {
    /// [`Criterion::score`] of rows of `weight` whose targets sum to `total`.
    #[inline]
    fn score(self, weight: f64, total: f64) -> f64 {
        match self {
            Self::SquaredError => total * total / weight,
            // A leaf that predicts 0 has infinite deviance; the bound is scikit-learn's.
            Self::Poisson if total <= f64::EPSILON => f64::NEG_INFINITY,
            Self::Poisson => total * (total / weight).ln(),
        }
    }
}

/// Regression with one target: a sum holds the weight and the weighted target, a leaf the mean.
#[derive(Debug, Clone, Copy)]
pub struct ValueCriterion {
    /// What is to be lowered.
    pub loss: ValueLoss,
}

impl Criterion for ValueCriterion {
    type Item = ValueItem;
    type Sum = [f64; 2];

    fn zero(&self) -> [f64; 2] {
        [0.0; 2]
    }

    fn width(&self) -> usize {
        2
    }

    #[inline]
    fn add(&self, item: ValueItem, sum: &mut [f64]) {
        sum[0] += item.weight;
        sum[1] += item.weight * item.target;
    }

    #[inline]
    fn add_if(&self, counts: bool, item: ValueItem, sum: &mut [f64]) {
        let weight = if counts { item.weight } else { 0.0 };
        sum[0] += weight;
        sum[1] += weight * item.target;
    }

    #[inline]
    fn weight(&self, sum: &[f64]) -> f64 {
        sum[0]
    }

    #[inline]
    fn score(&self, sum: &[f64]) -> f64 {
        self.loss.score(sum[0], sum[1])
    }

    fn is_pure(&self, items: &[ValueItem]) -> bool {
        items.iter().all(|item| item.target == items[0].target)
    }

    fn n_values(&self) -> usize {
        1
    }

    fn leaf(&self, sum: &[f64], values: &mut Vec<f64>) {
        values.push(sum[1] / sum[0]);
    }
}

/// A row of a regression with several targets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointItem {
    /// The weight of the row.
    pub weight: f64,
    /// Where its targets stand.
    pub row: u32,
}

/// Joint regression: a sum holds the weight and each weighted target, a leaf the means. Losses are averaged over targets.
#[derive(Debug, Clone, Copy)]
pub struct JointCriterion<'a> {
    /// The target columns.
    pub targets: &'a [Vec<f64>],
    /// What is to be lowered.
    pub loss: ValueLoss,
}

impl Criterion for JointCriterion<'_> {
    type Item = JointItem;
    type Sum = Vec<f64>;

    fn zero(&self) -> Vec<f64> {
        vec![0.0; 1 + self.targets.len()]
    }

    fn width(&self) -> usize {
        1 + self.targets.len()
    }

    #[inline]
    fn add(&self, item: JointItem, sum: &mut [f64]) {
        sum[0] += item.weight;
        for (total, target) in sum[1..].iter_mut().zip(self.targets) {
            *total += item.weight * target[item.row as usize];
        }
    }

    #[inline]
    fn weight(&self, sum: &[f64]) -> f64 {
        sum[0]
    }

    fn score(&self, sum: &[f64]) -> f64 {
        let scores = sum[1..].iter().map(|total| self.loss.score(sum[0], *total));
        scores.sum::<f64>() / self.targets.len() as f64
    }

    fn is_pure(&self, items: &[JointItem]) -> bool {
        let first = items[0].row as usize;
        self.targets.iter().all(|target| items.iter().all(|item| target[item.row as usize] == target[first]))
    }

    fn n_values(&self) -> usize {
        self.targets.len()
    }

    fn leaf(&self, sum: &[f64], values: &mut Vec<f64>) {
        values.extend(sum[1..].iter().map(|total| total / sum[0]));
    }
}

/// First and second derivative of a loss at a row's present prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientItem {
    /// The first derivative, times the row's weight.
    pub gradient: f64,
    /// The second derivative, times the row's weight.
    pub hessian: f64,
}

/// Gradient boosting: a leaf holds the Newton step `−G / (H + l2)`, and scores `G² / (H + l2)`.
#[derive(Debug, Clone, Copy)]
pub struct NewtonCriterion {
    /// The L2 penalty on leaf values.
    pub l2: f64,
}

impl Criterion for NewtonCriterion {
    type Item = GradientItem;
    type Sum = [f64; 2];

    fn zero(&self) -> [f64; 2] {
        [0.0; 2]
    }

    fn width(&self) -> usize {
        2
    }

    #[inline]
    fn add(&self, item: GradientItem, sum: &mut [f64]) {
        sum[0] += item.hessian;
        sum[1] += item.gradient;
    }

    #[inline]
    fn weight(&self, sum: &[f64]) -> f64 {
        sum[0]
    }

    #[inline]
    fn score(&self, sum: &[f64]) -> f64 {
        sum[1] * sum[1] / (sum[0] + self.l2)
    }

    fn is_pure(&self, _: &[GradientItem]) -> bool {
        // Rows of equal gradient now need not be equal in the rounds to come; boosting stops by gain.
        false
    }

    fn n_values(&self) -> usize {
        1
    }

    fn leaf(&self, sum: &[f64], values: &mut Vec<f64>) {
        values.push(-sum[1] / (sum[0] + self.l2));
    }

    fn level(&self, sum: &[f64]) -> f64 {
        -sum[1] / (sum[0] + self.l2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum<C: Criterion>(criterion: &C, items: &[C::Item]) -> Vec<f64> {
        let mut sum = vec![0.0; criterion.width()];
        items.iter().for_each(|item| criterion.add(*item, &mut sum));
        sum
    }

    #[test]
    fn a_gini_split_gains_the_weighted_fall_of_impurity() {
        let gini = ClassCriterion::<[f64; 2]>::new(2, ClassImpurity::Gini);
        // Impurity of (3, 1) is 1 − 9/16 − 1/16 = 0.375, of (1, 1) 0.5, of (2, 0) 0: the fall is 4·0.375 − 2·0.5.
        let gain = gini.score(&[2.0, 0.0]) + gini.score(&[1.0, 1.0]) - gini.score(&[3.0, 1.0]);
        assert!((gain - 0.5).abs() < 1e-12, "{gain}");
    }

    #[test]
    fn an_entropy_split_gains_the_mutual_information_in_bits() {
        let entropy = ClassCriterion::<Vec<f64>>::new(2, ClassImpurity::Entropy);
        let gain = entropy.score(&[2.0, 0.0]) + entropy.score(&[0.0, 2.0]) - entropy.score(&[2.0, 2.0]);
        assert!((gain - 4.0).abs() < 1e-12, "{gain}");
    }

    #[test]
    fn a_squared_error_split_gains_the_fall_of_the_sum_of_squares() {
        let items = [1.0, 2.0, 6.0].map(|target| ValueItem { weight: 1.0, target });
        let squared = ValueCriterion { loss: ValueLoss::SquaredError };
        let score = |part: &[ValueItem]| squared.score(&sum(&squared, part));
        // Around 3 the squares sum to 14; around 1.5 and 6 to 0.5.
        assert!((score(&items[..2]) + score(&items[2..]) - score(&items) - 13.5).abs() < 1e-12);
    }

    #[test]
    fn a_poisson_leaf_may_not_predict_zero() {
        let poisson = ValueCriterion { loss: ValueLoss::Poisson };
        assert_eq!(poisson.score(&[2.0, 0.0]), f64::NEG_INFINITY);
        let half_deviance = |y: f64, mean: f64| y * (y / mean).ln() - y + mean;
        let gain = poisson.score(&[1.0, 1.0]) + poisson.score(&[1.0, 3.0]) - poisson.score(&[2.0, 4.0]);
        assert!((gain - half_deviance(1.0, 2.0) - half_deviance(3.0, 2.0)).abs() < 1e-12, "{gain}");
    }

    #[test]
    fn equal_targets_score_as_one_target_does() {
        let targets = vec![vec![1.0, 2.0, 6.0]; 3];
        let joint = JointCriterion { targets: &targets, loss: ValueLoss::SquaredError };
        let items = [0, 1, 2].map(|row| JointItem { weight: 2.0, row });
        assert!((joint.score(&sum(&joint, &items)) - 54.0).abs() < 1e-12);
        let mut leaf = Vec::new();
        joint.leaf(&sum(&joint, &items), &mut leaf);
        assert_eq!(leaf, [3.0; 3]);
    }

    #[test]
    fn a_newton_leaf_minimises_the_quadratic_model() {
        let newton = NewtonCriterion { l2: 1.0 };
        let total =
            sum(&newton, &[GradientItem { gradient: 3.0, hessian: 1.0 }, GradientItem { gradient: 1.0, hessian: 2.0 }]);
        let mut leaf = Vec::new();
        newton.leaf(&total, &mut leaf);
        assert_eq!((leaf.as_slice(), newton.score(&total)), (&[-1.0][..], 4.0));
    }
}
