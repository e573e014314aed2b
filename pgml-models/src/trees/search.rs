//! What the engine asks of a kind of target: what a node would be as a leaf, and which split of it is best.

use fastrand::Rng;

use super::binning::{BinnedFeature, at_most};

/// A split of a node's rows in two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Which feature is looked at.
    pub feature: u32,
    /// Rows with at most this value go left; infinity when only missing values go right.
    pub threshold: f32,
    /// The same as rows are divided by it.
    pub last: Last,
    /// Whether missing values go left; `None` when the node has none.
    pub missing_left: Option<bool>,
    /// The score of both sides together.
    pub score: f64,
    /// The value half-way between both sides; 0 where the feature's order does not matter.
    pub middle: f64,
}

/// The last that goes left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Last {
    /// A bin.
    Bin(u8),
    /// The rank of a value.
    Rank(u32),
    /// A value, where features are not binned.
    Value(f32),
}

/// What either side of a split must have.
#[derive(Debug, Clone, Copy)]
pub struct SideLimits {
    /// The fewest rows.
    pub min_rows: usize,
    /// The least weight.
    pub min_weight: f64,
}

/// The values that a node may have for predictions to rise, or fall, along constrained features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

impl Bounds {
    /// Any value.
    pub const NONE: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// The value within bounds that is nearest to `value`.
    #[must_use]
    pub fn nearest(self, value: f64) -> f64 {
        value.max(self.low).min(self.high)
    }

    /// The bounds of both sides of a split at `middle` along a feature of this `sign`.
    #[must_use]
    pub fn halves(self, sign: i8, middle: f64) -> [Self; 2] {
        let (below, above) = (Self { high: middle, ..self }, Self { low: middle, ..self });
        match sign {
            0 => [self, self],
            1.. => [below, above],
            ..0 => [above, below],
        }
    }
}

/// A feature, as the search along it sees it.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// Its number.
    pub index: u32,
    /// Its values.
    pub feature: &'a BinnedFeature,
    /// The values of all features, row by row, where features were not binned.
    pub rows: &'a [f32],
    /// 1 where predictions may only rise with the feature, −1 where only fall, else 0.
    pub sign: i8,
    /// What the node's value must keep.
    pub bounds: Bounds,
}

impl Column<'_> {
    /// The value half-way between both sides' if they keep the feature's order and the node's bounds.
    #[inline]
    #[must_use]
    pub fn middle(&self, levels: impl FnOnce() -> [f64; 2]) -> Option<f64> {
        if self.sign == 0 {
            return Some(0.0);
        }
        let [left, right] = levels();
        let Bounds { low, high } = self.bounds;
        let within = left.min(right) >= low && left.max(right) <= high;
        (within && (left - right) * f64::from(self.sign) <= 0.0).then_some(left / 2.0 + right / 2.0)
    }
}

/// The rows of a node.
#[derive(Debug, Clone, Copy)]
pub struct NodeRows<'a, I> {
    /// Their numbers.
    pub rows: &'a [u32],
    /// What the search knows of each, in the same order.
    pub items: &'a [I],
}

/// What a node is before it is split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How well it would fit its rows as a leaf: more is better, and differences are gains.
    pub score: f64,
    /// The weight of its rows.
    pub weight: f64,
    /// Whether nothing is left to tell apart.
    pub is_pure: bool,
}

/// Searches splits for one kind of target; its buffers serve every node of a tree.
pub trait Search {
    /// What is carried along for each row, so that summing needs no look-up.
    type Item: Copy + Send + Sync;

    /// Turns to a node, and appends the numbers that it would hold as a leaf.
    fn open(&mut self, items: &[Self::Item], values: &mut Vec<f64>) -> Summary;

    /// Improves `best` by the best split of the node last opened along a column, if it is better. Tells whether the
    /// node's rows differ in the feature.
    fn improve(&mut self, node: NodeRows<'_, Self::Item>, column: Column<'_>, best: &mut Option<Split>) -> bool;

    /// As [`Search::improve`], with one threshold that is drawn between the node's least and greatest value. Features are
    /// [`BinnedData::unsorted`](super::binning::BinnedData::unsorted).
    fn improve_at_random(
        &mut self,
        node: NodeRows<'_, Self::Item>,
        column: Column<'_>,
        rng: &mut Rng,
        best: &mut Option<Split>,
    ) -> bool;

    /// Brings the values of a leaf within bounds.
    fn clip(values: &mut [f64], bounds: Bounds);
}

/// Rows whose values are read row by row: those of all features then stay in the first-level cache.
const FEW_ROWS: usize = 512;

/// Draws thresholds; its buffer serves every node of a tree.
#[derive(Debug, Default)]
pub struct Draws {
    values: Vec<f32>,
}

/// A threshold that was drawn.
#[derive(Debug)]
pub struct Drawn<'a> {
    /// The threshold.
    pub threshold: f32,
    /// Whether missing values go left; `None` when the node has none.
    pub missing_left: Option<bool>,
    values: &'a [f32],
}

impl Draws {
    /// Draws a threshold between the least and the greatest value of `rows`, which were not binned; `None` when they do
    /// not differ.
    pub fn draw(&mut self, rows: &[u32], column: Column<'_>, rng: &mut Rng) -> Option<Drawn<'_>> {
        self.values.clear();
        let raw = &column.feature.raw;
        if rows.len() <= FEW_ROWS {
            let (width, index) = (column.rows.len() / raw.len(), column.index as usize);
            self.values.extend(rows.iter().map(|row| column.rows[*row as usize * width + index]));
        } else {
            self.values.extend(rows.iter().map(|row| raw[*row as usize]));
        }
        let (mut low, mut high, mut any_missing) = (f32::INFINITY, f32::NEG_INFINITY, false);
        for x in &self.values {
            // NaN is neither less nor greater.
            low = if *x < low { *x } else { low };
            high = if *x > high { *x } else { high };
            any_missing |= x.is_nan();
        }
        if low > high || (low == high && !any_missing) {
            return None;
        }
        let threshold = at_most(f64::from(low) + rng.f64() * (f64::from(high) - f64::from(low)));
        // Rounding can carry the threshold to the very end; something must go right.
        let threshold = if threshold < high { threshold } else { low };
        Some(Drawn { threshold, missing_left: any_missing.then(|| rng.bool()), values: &self.values })
    }
}

impl Drawn<'_> {
    /// Whether each of the rows goes left.
    pub fn sides(&self) -> impl Iterator<Item = bool> {
        let missing_left = self.missing_left.unwrap_or(false);
        self.values.iter().map(move |x| *x <= self.threshold || (missing_left && x.is_nan()))
    }
}
