//! From a point to the mean of the rows around it, and on, until it stays.

use std::collections::HashMap;

use pgml_core::{Result, Run};

use crate::solvers::neighbours::{Metric, Neighbour, Neighbours};
use crate::solvers::parallel;

/// Starts per piece of parallel work.
const PIECE: usize = 512;

/// Where climbing ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Peak {
    pub place: Vec<f64>,
    /// Rows within the bandwidth of the last step.
    pub n_rows: usize,
}

/// Where a point leads to, and in at most how many steps.
#[derive(Clone)]
struct Way {
    peak: Peak,
    steps: u32,
}

struct Climber<'a> {
    rows: &'a [f64],
    d: usize,
    neighbours: &'a Neighbours,
    bandwidth: f64,
    max_iter: u32,
    /// The ways from points that were on one: equal points go on equally.
    known: HashMap<Vec<u64>, Way>,
    near: Vec<Neighbour>,
}

/// The different peaks that are reached from `seeds` (row-major); a seed without rows around it reaches none.
pub(super) fn peaks(
    rows: &[f64],
    seeds: &[f64],
    d: usize,
    bandwidth: f64,
    max_iter: u32,
    run: &Run,
) -> Result<Vec<Peak>> {
    let neighbours = Neighbours::new(rows, d, Metric::Euclidean, run)?;
    let n = seeds.len() / d;
    let pieces = parallel::map(n.div_ceil(PIECE), run, |piece| {
        let (known, near) = (HashMap::new(), Vec::new());
        let mut climber = Climber { rows, d, neighbours: &neighbours, bandwidth, max_iter, known, near };
        run.progress("training", (piece * PIECE) as u64, n as u64);
        let seeds = seeds[piece * PIECE * d..].chunks_exact(d).take(PIECE);
        seeds.map(|seed| climber.climb(seed, run)).collect::<Result<Vec<Option<Peak>>>>()
    })?;
    let mut peaks: Vec<Peak> = Vec::new();
    let mut places: HashMap<Vec<u64>, usize> = HashMap::new();
    for peak in pieces.into_iter().flatten().flatten() {
        // Of equal places the last one's rows count, as in scikit-learn.
        let at = *places.entry(bits(&peak.place)).or_insert(peaks.len());
        if at == peaks.len() {
            peaks.push(peak);
        } else {
            peaks[at] = peak;
        }
    }
    Ok(peaks)
}

impl Climber<'_> {
    fn climb(&mut self, seed: &[f64], run: &Run) -> Result<Option<Peak>> {
        let mut way: Vec<Vec<u64>> = Vec::new();
        let mut place = seed.to_vec();
        let end = loop {
            run.check()?;
            let steps = way.len() as u32;
            if let Some(rest) = self.known.get(&bits(&place)).filter(|rest| steps + rest.steps <= self.max_iter) {
                break rest.clone();
            }
            let Some((mean, n_rows)) = self.mean_around(&place) else { return Ok(None) };
            let moved = mean.iter().zip(&place).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
            let peak = Peak { place: mean.clone(), n_rows };
            if moved <= 1e-3 * self.bandwidth {
                way.push(bits(&place));
                break Way { peak, steps: 0 };
            }
            if steps == self.max_iter {
                // It ends for want of steps, which another start may have left.
                return Ok(Some(peak));
            }
            way.push(bits(&place));
            place = mean;
        };
        let total = way.len() as u32 + end.steps;
        for (steps, place) in (0..).zip(way) {
            self.known.insert(place, Way { peak: end.peak.clone(), steps: total - steps });
        }
        Ok(Some(end.peak))
    }

    /// The mean of the rows within the bandwidth, and how many they are.
    fn mean_around(&mut self, place: &[f64]) -> Option<(Vec<f64>, usize)> {
        self.neighbours.within_radius(place, self.bandwidth, &mut self.near);
        let n = self.near.len();
        if n == 0 {
            return None;
        }
        let mut mean = vec![0.0; self.d];
        for near in &self.near {
            let row = &self.rows[near.index as usize * self.d..][..self.d];
            mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        mean.iter_mut().for_each(|sum| *sum /= n as f64);
        Some((mean, n))
    }
}

fn bits(place: &[f64]) -> Vec<u64> {
    place.iter().map(|x| (x + 0.0).to_bits()).collect()
}
