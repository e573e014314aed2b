//! The best split of a node along one column, judged by its histogram.
//!
//! A split's gain is the fall of the loss' second-order approximation (Chen and Guestrin, XGBoost, KDD 2016, equation 7),
//! with the values of both sides kept within the bounds that monotonic columns above set. Numbers are scanned in their
//! order, with missing values on the right and, where there are any, on the left. Categories are ordered by their mean
//! gradient and scanned from both ends (Fisher, On Grouping for Maximum Homogeneity, 1958), as scikit-learn does.

use super::bins::MISSING_BIN;
use super::histogram::ColumnHistogram;

/// Sums below it are no divisor.
const TINY: f64 = 1e-15;
/// A category of less support does not choose its side, and means are drawn towards 0 as by so many rows.
const CATEGORY_SUPPORT: f64 = 10.0;

/// The rows of a node, or of a side of a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// The sum of their gradients.
    pub gradient: f64,
    /// The sum of their hessians.
    pub hessian: f64,
    /// How many there are.
    pub n_rows: u32,
    /// What is predicted for them, before the learning rate.
    pub value: f64,
}

/// A node that may be split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// Its rows.
    pub side: Side,
    /// The least value of its children.
    pub lower: f64,
    /// The greatest value of its children.
    pub upper: f64,
}

/// What either side of a split must have, and what large values cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The fewest rows.
    pub min_rows: usize,
    /// The least sum of hessians.
    pub min_hessian: f64,
    /// Strength of the L2 penalty on values.
    pub l2: f64,
}

/// Which bins go left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Those up to this one.
    UpTo(u8),
    /// Those of this set, 32 to a word, the lowest bit first. That of missing values may be among them.
    Set([u32; 8]),
}

/// A split of a node's rows in two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Which column is looked at.
    pub column: u32,
    /// Which bins go left.
    pub left_bins: Left,
    /// Whether missing values go left.
    pub missing_left: bool,
    /// The fall of the loss.
    pub gain: f64,
    /// The rows that go left.
    pub left: Side,
    /// The rows that go right.
    pub right: Side,
}

impl Split {
    /// For every bin whether it goes left.
    #[must_use]
    pub fn goes_left(&self) -> [bool; 256] {
        let mut table: [bool; 256] = match self.left_bins {
            Left::UpTo(last) => std::array::from_fn(|bin| bin <= usize::from(last)),
            Left::Set(words) => std::array::from_fn(|bin| words[bin / 32] >> (bin % 32) & 1 == 1),
        };
        table[usize::from(MISSING_BIN)] = self.missing_left;
        table
    }
}

/// What is known of a column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its number.
    pub number: u32,
    /// How many bins it has, without that of missing values.
    pub n_bins: usize,
    /// Whether its bins are categories.
    pub is_categorical: bool,
    /// Whether it has missing values.
    pub has_missing: bool,
    /// 1 where values must not fall as the column grows, −1 where they must not rise, else 0.
    pub monotonic: i8,
}

/// Sums over the bins up to each one, in the order of a scan; a buffer that serves many scans.
pub struct Scan {
    gradient: [f64; 256],
    hessian: [f64; 256],
    n_rows: [f64; 256],
    gain: [f64; 256],
    len: usize,
}

impl Scan {
    /// A buffer.
    #[must_use]
    pub fn new() -> Self {
        Self { gradient: [0.0; 256], hessian: [0.0; 256], n_rows: [0.0; 256], gain: [0.0; 256], len: 0 }
    }
}

impl Default for Scan {
    fn default() -> Self {
        Self::new()
    }
}

/// A candidate: its place in the scan and its gain.
type Candidate = (usize, f64);

/// Searches the splits of one node.
pub struct Search<'a> {
    limits: &'a Limits,
    node: &'a Node,
    /// Whether rows are counted beside the hessians.
    counted: bool,
}

impl<'a> Search<'a> {
    /// A search for splits of `node`.
    #[must_use]
    pub fn new(limits: &'a Limits, node: &'a Node, counted: bool) -> Self {
        Self { limits, node, counted }
    }

    /// The best split along `column`, if any lowers the loss.
    #[must_use]
    pub fn best(&self, column: &Column, histogram: &ColumnHistogram, scan: &mut Scan) -> Option<Split> {
        if column.is_categorical {
            self.by_category(column, histogram, scan)
        } else {
            self.by_order(column, histogram, scan)
        }
    }

    fn by_order(&self, column: &Column, histogram: &ColumnHistogram, scan: &mut Scan) -> Option<Split> {
        // The last bin goes left only where missing values are left for the right side.
        let n_left = column.n_bins - usize::from(!column.has_missing);
        self.scan(histogram, 0..n_left, column.monotonic, false, scan);
        let mut best = first_best(scan).map(|(at, gain)| self.ordered(column, scan, at, gain, false));
        if column.has_missing && column.n_bins > 1 {
            self.scan(histogram, (1..column.n_bins).rev(), column.monotonic, true, scan);
            let better = first_best(scan).filter(|(_, gain)| best.is_none_or(|best| *gain > best.gain));
            best = better.map(|(at, gain)| self.ordered(column, scan, at, gain, true)).or(best);
        }
        best
    }

    fn ordered(&self, column: &Column, scan: &Scan, at: usize, gain: f64, missing_left: bool) -> Split {
        let last = if missing_left { column.n_bins - 2 - at } else { at };
        let scanned = self.side(scan.gradient[at], scan.hessian[at], scan.n_rows[at]);
        let others = self.rest(&scanned);
        let (left, right) = if missing_left { (others, scanned) } else { (scanned, others) };
        Split { column: column.number, left_bins: Left::UpTo(last as u8), missing_left, gain, left, right }
    }

    fn by_category(&self, column: &Column, histogram: &ColumnHistogram, scan: &mut Scan) -> Option<Split> {
        let order = self.categories_by_mean(column, histogram);
        if order.len() < 2 {
            return None;
        }
        let half = order.len().div_ceil(2);
        let bins = |bins: &[u8]| bins.iter().map(|bin| usize::from(*bin)).collect::<Vec<usize>>();
        let forwards = bins(&order[..half]);
        let mut backwards = bins(&order[order.len() - (half - 1)..]);
        backwards.reverse();
        let mut best: Option<Split> = None;
        for bins in [forwards, backwards] {
            self.scan(histogram, bins.iter().copied(), column.monotonic, false, scan);
            let Some((at, gain)) = first_best(scan).filter(|(_, gain)| best.is_none_or(|best| *gain > best.gain))
            else {
                continue;
            };
            let mut set = [0_u32; 8];
            bins[..=at].iter().for_each(|bin| set[bin / 32] |= 1 << (bin % 32));
            let left = self.side(scan.gradient[at], scan.hessian[at], scan.n_rows[at]);
            best = Some(Split {
                column: column.number,
                left_bins: Left::Set(set),
                missing_left: bins[..=at].contains(&usize::from(MISSING_BIN)),
                gain,
                left,
                right: self.rest(&left),
            });
        }
        best
    }

    /// The categories with enough support, by their mean gradient. Missing values are a category too.
    fn categories_by_mean(&self, column: &Column, histogram: &ColumnHistogram) -> Vec<u8> {
        let rows_per_hessian = f64::from(self.node.side.n_rows) / self.node.side.hessian;
        let missing = column.has_missing.then_some(MISSING_BIN);
        let bins = (0..column.n_bins as u8).chain(missing);
        let mut means: Vec<(f64, u8)> = bins
            .filter(|bin| histogram.sums[usize::from(*bin)][1] * rows_per_hessian >= CATEGORY_SUPPORT)
            .map(|bin| {
                let [gradient, hessian] = histogram.sums[usize::from(bin)];
                (gradient / (hessian + CATEGORY_SUPPORT), bin)
            })
            .collect();
        means.sort_by(|a, b| a.0.total_cmp(&b.0));
        means.into_iter().map(|(_, bin)| bin).collect()
    }

    /// The gain of every split that takes the bins up to one of `bins`, in their order, to the left side, or to the
    /// right one where the scan comes `from_right`.
    fn scan(
        &self,
        histogram: &ColumnHistogram,
        bins: impl ExactSizeIterator<Item = usize>,
        monotonic: i8,
        from_right: bool,
        scan: &mut Scan,
    ) {
        scan.len = bins.len();
        let (mut gradient, mut hessian, mut n_rows) = (0.0, 0.0, 0_u32);
        for (at, bin) in bins.enumerate().take(256) {
            gradient += histogram.sums[bin][0];
            hessian += histogram.sums[bin][1];
            n_rows = n_rows.wrapping_add(histogram.rows[bin]);
            (scan.gradient[at], scan.hessian[at], scan.n_rows[at]) = (gradient, hessian, f64::from(n_rows));
        }
        if !self.counted {
            scan.n_rows = scan.hessian;
        }
        let bounded = self.node.lower > f64::NEG_INFINITY || self.node.upper < f64::INFINITY || monotonic != 0;
        let falls = if from_right { -monotonic } else { monotonic };
        if bounded { self.gains::<true>(scan, falls) } else { self.gains::<false>(scan, falls) }
    }

    /// Fills in the gains; −1 where a side has too little or the values are not in the order of `monotonic`.
    fn gains<const BOUNDED: bool>(&self, scan: &mut Scan, monotonic: i8) {
        let len = scan.len.min(256);
        let (gradients, hessians) = (&scan.gradient[..len], &scan.hessian[..len]);
        let (n_rows, gains) = (&scan.n_rows[..len], &mut scan.gain[..len]);
        let Node { side, lower, upper } = *self.node;
        let Limits { min_rows, min_hessian, l2 } = *self.limits;
        let (min_rows, all_rows) = (min_rows as f64, f64::from(side.n_rows));
        let loss = side.gradient * side.value;
        let (rises, falls) = (monotonic > 0, monotonic < 0);
        for i in 0..len {
            let (g, h, n) = (gradients[i], hessians[i], n_rows[i]);
            let (g_rest, h_rest, n_rest) = (side.gradient - g, side.hessian - h, all_rows - n);
            let mut value = -g / (h + l2 + TINY);
            let mut value_rest = -g_rest / (h_rest + l2 + TINY);
            let mut allowed = (n >= min_rows) & (n_rest >= min_rows) & (h >= min_hessian) & (h_rest >= min_hessian);
            if BOUNDED {
                value = clip(value, lower, upper);
                value_rest = clip(value_rest, lower, upper);
                allowed &= !(rises & (value > value_rest)) & !(falls & (value < value_rest));
            }
            let gain = loss - g * value - g_rest * value_rest;
            gains[i] = if allowed { gain } else { -1.0 };
        }
    }

    fn side(&self, gradient: f64, hessian: f64, n_rows: f64) -> Side {
        let value = clip(-gradient / (hessian + self.limits.l2 + TINY), self.node.lower, self.node.upper);
        Side { gradient, hessian, n_rows: n_rows as u32, value }
    }

    /// The rows of the node that are not on `side`.
    fn rest(&self, side: &Side) -> Side {
        let all = &self.node.side;
        let n_rows = f64::from(all.n_rows) - f64::from(side.n_rows);
        self.side(all.gradient - side.gradient, all.hessian - side.hessian, n_rows)
    }
}

#[inline(always)]
fn clip(value: f64, lower: f64, upper: f64) -> f64 {
    if value < lower {
        lower
    } else if value > upper {
        upper
    } else {
        value
    }
}

/// The first of the greatest gains, if it is above 0.
fn first_best(scan: &Scan) -> Option<Candidate> {
    let gains = &scan.gain[..scan.len.min(256)];
    let greatest = gains.iter().fold(0.0, |best, gain| if *gain > best { *gain } else { best });
    if greatest > 0.0 { gains.iter().position(|gain| *gain == greatest).map(|at| (at, greatest)) } else { None }
}
