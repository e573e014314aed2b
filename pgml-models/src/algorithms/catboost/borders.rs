//! Borders between bins of a numeric feature, chosen as CatBoost chooses them (its `grid_creator`).

/// How borders are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BorderType {
    /// Halves the bin whose halving brings the most evenly filled bins, by the sum of logarithms.
    GreedyLogSum,
    /// As that, by the entropy.
    GreedyMinEntropy,
    /// Quantiles.
    Median,
    /// Equal steps.
    Uniform,
    /// Quantiles and equal steps, half of each.
    UniformAndQuantiles,
}

impl BorderType {
    /// The type of this name; the first for an unknown one, which the parameter's choices exclude.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "GreedyMinEntropy" => Self::GreedyMinEntropy,
            "Median" => Self::Median,
            "Uniform" => Self::Uniform,
            "UniformAndQuantiles" => Self::UniformAndQuantiles,
            _ => Self::GreedyLogSum,
        }
    }

    /// At most `most` ascending borders between the `sorted` values; none when they are all the same.
    pub(super) fn choose(self, sorted: &[f32], most: usize) -> Vec<f32> {
        let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return Vec::new() };
        if first == last || most == 0 {
            return Vec::new();
        }
        let mut borders = match self {
            Self::GreedyLogSum => greedy(sorted, most, |w| -(w + 1e-8).ln()),
            Self::GreedyMinEntropy => greedy(sorted, most, |w| w * (w + 1e-8).ln()),
            Self::Median => quantiles(sorted, most),
            Self::Uniform => (0..most).map(|i| first + (i + 1) as f32 * (last - first) / (most + 1) as f32).collect(),
            Self::UniformAndQuantiles => {
                let half = most / 2;
                let step = |i: usize| first + (i + 1) as f32 * (last - first) / (half + 1) as f32;
                let mut borders = quantiles(sorted, most - half);
                borders.extend((0..half).map(|i| border_before(step(i), sorted)));
                borders
            }
        };
        borders.sort_by(f32::total_cmp);
        borders.dedup();
        borders
    }
}

/// A bin of values `start..end` and the better of the two places around its middle value where it could be split.
#[derive(Debug, Clone, Copy)]
struct Bin {
    start: usize,
    end: usize,
    split: usize,
    score: f64,
}

impl Bin {
    fn new(start: usize, end: usize, sorted: &[f32], penalty: fn(f64) -> f64) -> Self {
        let middle = start + (end - start) / 2;
        let value = sorted[middle];
        let before = start + sorted[start..middle].partition_point(|x| *x < value);
        let behind = middle + sorted[middle..end].partition_point(|x| *x <= value);
        let score = |at: usize| {
            if at == start || at == end {
                return f64::NEG_INFINITY;
            }
            // In this order the two ways to split off as many values score the same to the bit.
            -penalty((at - start) as f64) - penalty((end - at) as f64) + penalty((end - start) as f64)
        };
        let (left, right) = (score(before), score(behind));
        let (split, score) = if left >= right { (before, left) } else { (behind, right) };
        Self { start, end, split, score }
    }

    fn splits(&self) -> bool {
        self.split != self.start && self.split != self.end
    }
}

fn greedy(sorted: &[f32], most: usize, penalty: fn(f64) -> f64) -> Vec<f32> {
    let mut heap = Heap(vec![Bin::new(0, sorted.len(), sorted, penalty)]);
    while heap.0.len() <= most && heap.0[0].splits() {
        let top = heap.pop();
        heap.push(Bin::new(top.start, top.split, sorted, penalty));
        heap.push(Bin::new(top.split, top.end, sorted, penalty));
    }
    let inner = heap.0.iter().filter(|bin| bin.start > 0);
    inner.map(|bin| 0.5 * sorted[bin.start - 1] + 0.5 * sorted[bin.start]).collect()
}

/// A binary heap by score. Bins of equal scores are common, and which of them comes first decides where borders are:
/// so this one moves its items exactly as `std::priority_queue` of LLVM's C++ library does, which CatBoost is built with.
struct Heap(Vec<Bin>);

impl Heap {
    fn push(&mut self, bin: Bin) {
        self.0.push(bin);
        self.rise(self.0.len() - 1);
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.0[(at - 1) / 2].score < self.0[at].score {
            self.0.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    /// Takes the greatest. The hole goes down to a leaf along the greater children; the last item fills it and rises.
    fn pop(&mut self) -> Bin {
        let top = self.0[0];
        let n = self.0.len();
        let mut hole = 0;
        while 2 * hole + 1 < n {
            let mut child = 2 * hole + 1;
            if child + 1 < n && self.0[child].score < self.0[child + 1].score {
                child += 1;
            }
            self.0[hole] = self.0[child];
            hole = child;
        }
        self.0[hole] = self.0[n - 1];
        self.0.pop();
        if hole < self.0.len() {
            self.rise(hole);
        }
        top
    }
}

fn quantiles(sorted: &[f32], most: usize) -> Vec<f32> {
    let n = sorted.len();
    let values = (0..most).map(|i| sorted[((i + 1) * n / (most + 1)).min(n - 1)]);
    values.filter(|value| *value != sorted[0]).map(|value| border_before(value, sorted)).collect()
}

/// The border that separates `value` from what lies below it.
fn border_before(value: f32, sorted: &[f32]) -> f32 {
    let at = sorted.partition_point(|x| *x < value);
    match (at.checked_sub(1).map(|below| sorted[below]), sorted.get(at)) {
        (Some(below), Some(above)) => {
            let middle = (above + below) * 0.5;
            if middle == *above { below } else { middle }
        }
        (Some(last), None) => (2.0 * last).max(last + 1.0),
        (None, first) => first.map_or(value, |first| (0.5 * first).min(2.0 * first)),
    }
}

/// The one border that splits the `sorted` target into two parts of least entropy, for target statistics of regressions.
pub(super) fn least_entropy(sorted: &[f32]) -> Option<f32> {
    let penalty = |w: f64| w * (w + 1e-8).ln();
    let (n, mut best) = (sorted.len(), None);
    for at in 1..n {
        if sorted[at - 1] < sorted[at] {
            let error = penalty(at as f64) + penalty((n - at) as f64);
            if best.is_none_or(|(least, _)| error < least) {
                best = Some((error, (sorted[at - 1] + sorted[at]) / 2.0));
            }
        }
    }
    best.map(|(_, border)| border)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_all_told_apart() {
        let values = [1.0, 1.0, 2.0, 4.0];
        for kind in [BorderType::GreedyLogSum, BorderType::GreedyMinEntropy] {
            assert_eq!(kind.choose(&values, 254), [1.5, 3.0]);
        }
        assert!(BorderType::GreedyLogSum.choose(&[2.0; 5], 254).is_empty());
    }

    #[test]
    fn a_bin_is_halved_where_its_values_change() {
        assert_eq!(BorderType::GreedyLogSum.choose(&[0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0], 1), [0.5]);
        assert_eq!(BorderType::Median.choose(&[0.0, 1.0, 2.0, 3.0], 1), [1.5]);
        assert_eq!(BorderType::Uniform.choose(&[0.0, 1.0, 2.0, 4.0], 3), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn the_border_of_least_entropy_halves_the_target() {
        assert_eq!(least_entropy(&[0.0, 1.0, 2.0, 3.0]), Some(1.5));
        assert_eq!(least_entropy(&[1.0, 1.0]), None);
    }
}
