//! Clusters between steep falls and rises of the reachability (section 4.3 of the paper).

use std::ops::RangeInclusive;

use pgml_core::{Result, Run};

use super::Plot;
use crate::labelled_rows::NOISE;

/// A stretch of the plot that falls steeply.
#[derive(Clone, Copy)]
struct Fall {
    start: usize,
    end: usize,
    /// The greatest reachability since.
    highest_since: f64,
}

struct Search<'a> {
    plot: &'a Plot,
    /// The plot, with infinity behind its end: a cluster may last until there.
    heights: Vec<f64>,
    /// One less the steepness.
    share: f64,
    min_samples: usize,
    min_cluster_size: usize,
    correct: bool,
}

/// The label of every row: of clusters within each other the smallest counts.
pub(super) fn labels(
    plot: &Plot,
    xi: f64,
    min_samples: usize,
    min_cluster_size: usize,
    correct: bool,
    run: &Run,
) -> Result<Vec<i32>> {
    let heights = plot.reachability.iter().copied().chain([f64::INFINITY]).collect();
    let search = Search { plot, heights, share: 1.0 - xi, min_samples, min_cluster_size, correct };
    let mut by_place = vec![NOISE; plot.order.len()];
    let mut next = 0;
    for cluster in search.clusters(run)? {
        let places = &mut by_place[cluster];
        if places.iter().all(|label| *label == NOISE) {
            places.fill(next);
            next += 1;
        }
    }
    let mut labels = vec![NOISE; plot.order.len()];
    plot.order.iter().zip(by_place).for_each(|(row, label)| labels[*row as usize] = label);
    Ok(labels)
}

impl Search<'_> {
    fn ratio(&self, at: usize) -> f64 {
        self.heights[at] / self.heights[at + 1]
    }

    fn rises_steeply(&self, at: usize) -> bool {
        self.ratio(at) <= self.share
    }

    fn falls_steeply(&self, at: usize) -> bool {
        self.ratio(at) >= 1.0 / self.share
    }

    /// The clusters as ranges of places, those within others first.
    fn clusters(&self, run: &Run) -> Result<Vec<RangeInclusive<usize>>> {
        let mut falls: Vec<Fall> = Vec::new();
        let mut clusters = Vec::new();
        let (mut at, mut highest) = (0, 0.0_f64);
        for place in 0..self.plot.order.len() {
            if place < at || !(self.rises_steeply(place) || self.falls_steeply(place)) {
                continue;
            }
            run.check()?;
            highest = self.heights[at..=place].iter().fold(highest, |a, b| a.max(*b));
            self.forget_shallow(&mut falls, highest);
            let rises = !self.falls_steeply(place);
            let end = if rises {
                self.extend(place, |i| self.rises_steeply(i), |i| self.ratio(i) > 1.0)
            } else {
                self.extend(place, |i| self.falls_steeply(i), |i| self.ratio(i) < 1.0)
            };
            at = end + 1;
            highest = self.heights[at];
            if rises {
                clusters.extend(falls.iter().rev().filter_map(|fall| self.between(fall, place, end)));
            } else {
                falls.push(Fall { start: place, end, highest_since: 0.0 });
            }
        }
        Ok(clusters)
    }

    /// Drops the falls that began lower than what came since, and notes that in the others.
    fn forget_shallow(&self, falls: &mut Vec<Fall>, highest: f64) {
        if highest == f64::INFINITY {
            falls.clear();
            return;
        }
        falls.retain(|fall| highest <= self.heights[fall.start] * self.share);
        falls.iter_mut().for_each(|fall| fall.highest_since = fall.highest_since.max(highest));
    }

    /// The last steep place of the stretch that begins at `start`: it never turns, and is flat for at most
    /// `min_samples` places on end.
    fn extend(&self, start: usize, is_steep: impl Fn(usize) -> bool, turns: impl Fn(usize) -> bool) -> usize {
        let (mut end, mut flat) = (start, 0);
        for place in start..self.plot.order.len() {
            if is_steep(place) {
                (end, flat) = (place, 0);
            } else if turns(place) {
                return end;
            } else {
                flat += 1;
                if flat > self.min_samples {
                    break;
                }
            }
        }
        end
    }

    /// The cluster from a fall to the rise `rise..=end`, if there is one.
    fn between(&self, fall: &Fall, rise: usize, end: usize) -> Option<RangeInclusive<usize>> {
        let (mut first, mut last) = (fall.start, end);
        let (before, after) = (self.heights[fall.start], self.heights[end + 1]);
        if after * self.share < fall.highest_since {
            return None;
        }
        // Both ends at about the same height.
        if before * self.share >= after {
            while self.heights[first + 1] > after && first < fall.end {
                first += 1;
            }
        } else if after * self.share >= before {
            while last > rise && self.heights[last - 1] > before {
                last -= 1;
            }
        }
        if self.correct {
            (first, last) = self.corrected(first, last)?;
        }
        let is_cluster = last + 1 >= first + self.min_cluster_size && first <= fall.end && last >= rise;
        is_cluster.then_some(first..=last)
    }

    /// Takes rows off the end that were reached from outside (Schubert, Gertz 2018).
    fn corrected(&self, first: usize, mut last: usize) -> Option<(usize, usize)> {
        while first < last {
            let from = self.plot.predecessors[last];
            let inside = || from.is_some_and(|from| self.plot.order[first..last].contains(&from));
            if self.heights[first] > self.heights[last] || inside() {
                return Some((first, last));
            }
            last -= 1;
        }
        None
    }
}
