//! Running weighted medians, by sums over a binary indexed tree (Fenwick 1994).

/// Weights and weighted values of the numbers added so far, by their rank among all that may come.
#[derive(Debug, Default)]
pub struct Fenwick {
    /// Node `i`, counted from 1, sums as many ranks up to `i` as its lowest bit says.
    nodes: Vec<[f64; 2]>,
    weight: f64,
    weighted: f64,
}

/// The median of some numbers, and how far they are from it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Median {
    /// The weighted median: the mean of the two middle numbers where the weight splits evenly between them.
    pub value: f64,
    /// The weighted sum of distances to it.
    pub distance: f64,
}

impl Fenwick {
    /// Forgets all numbers; ranks will be below `n`.
    pub fn clear(&mut self, n: usize) {
        self.nodes.clear();
        self.nodes.resize(n + 1, [0.0; 2]);
        (self.weight, self.weighted) = (0.0, 0.0);
    }

    /// Adds the number `value` of `rank`.
    pub fn add(&mut self, rank: usize, weight: f64, value: f64) {
        let weighted = weight * value;
        self.weight += weight;
        self.weighted += weighted;
        let mut at = rank + 1;
        while let Some(node) = self.nodes.get_mut(at) {
            node[0] += weight;
            node[1] += weighted;
            at += at & at.wrapping_neg();
        }
    }

    /// The median of the numbers added, of which there is one at least. `sorted` are all that may come.
    #[must_use]
    pub fn median(&self, sorted: &[f64]) -> Median {
        let half = self.weight / 2.0;
        let (upper, below, weighted_below) = self.descend(|weight| weight <= half);
        let upper = sorted[upper.min(sorted.len() - 1)];
        let value = if below == half {
            let (lower, ..) = self.descend(|weight| weight < half);
            sorted[lower] / 2.0 + upper / 2.0
        } else {
            upper
        };
        // Numbers between both middle ones count as nothing, on whichever side.
        let above = (self.weighted - weighted_below) - value * (self.weight - below);
        Median { value, distance: above + (value * below - weighted_below) }
    }

    /// How many ranks from the first on `fit` by their weight together, with that weight and their weighted values.
    fn descend(&self, fit: impl Fn(f64) -> bool) -> (usize, f64, f64) {
        let (mut at, mut weight, mut weighted) = (0, 0.0, 0.0);
        let mut step = self.nodes.len().next_power_of_two() / 2;
        while step > 0 {
            if let Some(node) = self.nodes.get(at + step)
                && fit(weight + node[0])
            {
                at += step;
                weight += node[0];
                weighted += node[1];
            }
            step /= 2;
        }
        (at, weight, weighted)
    }
}

#[cfg(test)]
mod tests {
    use pgml_core::Run;

    use super::*;

    /// By definition, over numbers with whole weights.
    fn plain(numbers: &[(f64, f64)]) -> Median {
        let mut all: Vec<f64> = numbers.iter().flat_map(|(value, weight)| vec![*value; *weight as usize]).collect();
        all.sort_unstable_by(f64::total_cmp);
        let value = all[(all.len() - 1) / 2] / 2.0 + all[all.len() / 2] / 2.0;
        Median { value, distance: all.iter().map(|x| (x - value).abs()).sum() }
    }

    #[test]
    fn every_running_median_is_that_of_the_numbers_so_far() {
        let mut rng = Run::new().rng(5);
        for n in [1, 2, 3, 8, 40] {
            let values: Vec<f64> = (0..n).map(|_| f64::from(rng.u8(..20))).collect();
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
            let sorted: Vec<f64> = order.iter().map(|i| values[*i]).collect();
            let mut fenwick = Fenwick::default();
            fenwick.clear(n);
            let mut seen = Vec::new();
            for (i, value) in values.iter().enumerate() {
                let weight = f64::from(rng.u8(1..4));
                seen.push((*value, weight));
                fenwick.add(order.iter().position(|j| *j == i).expect("a rank"), weight, *value);
                let (ours, expected) = (fenwick.median(&sorted), plain(&seen));
                assert_eq!(ours.value, expected.value, "{seen:?}");
                assert!((ours.distance - expected.distance).abs() < 1e-9, "{seen:?}");
            }
        }
    }
}
