//! The messages that rows send each other until they agree on exemplars.

use fastrand::Rng;
use pgml_core::run::Reservation;
use pgml_core::{Dataset, Result, Run};

use super::AffinityPropagationParams;
use crate::solvers::distance_rows::{DistanceRows, too_large};
use crate::solvers::kernels::for_each_cpu;
use crate::solvers::neighbours::Metric;
use crate::solvers::reserved::zeros;

/// `n × n` numbers per kind of message.
struct Messages {
    n: usize,
    /// How well row `j` stands for row `i`; on the diagonal how much `i` wants to stand for itself.
    similarity: Vec<f64>,
    /// How much better `j` stands for `i` than any other (from `i` to `j`).
    responsibility: Vec<f64>,
    /// How willing `j` is, by what others told it (from `j` to `i`).
    availability: Vec<f64>,
    _memory: [Reservation; 3],
}

/// The rows that stand for clusters, ascending; none when the messages found none.
pub(super) fn exemplars(data: &Dataset, params: &AffinityPropagationParams, run: &Run) -> Result<Vec<u32>> {
    let mut messages = Messages::new(data, run)?;
    let n = messages.n;
    let preference = match params.preference {
        Some(preference) => preference,
        None => messages.median_similarity(),
    };
    if messages.all_similarities_are_equal() {
        run.warn("affinity_propagation: all rows are equally similar, exemplars are arbitrary");
        let each_its_own = n > 1 && preference > messages.similarity[1];
        return Ok(if each_its_own { (0..n as u32).collect() } else { vec![0] });
    }
    messages.similarity.iter_mut().step_by(n + 1).for_each(|s| *s = preference);
    messages.add_noise(&mut run.rng(0), run)?;
    let found = messages.exchange(params, run)?;
    if found.is_empty() {
        run.warn("affinity_propagation did not converge and found no exemplar: every row is noise; raise damping or max_iter");
        return Ok(Vec::new());
    }
    Ok(messages.refined(found))
}

impl Messages {
    fn new(data: &Dataset, run: &Run) -> Result<Self> {
        let n = data.n_rows();
        let matrix = || zeros(n * n, "each of three matrices of messages between all pairs of rows", run);
        let [similarity, responsibility, availability] = [matrix()?, matrix()?, matrix()?];
        let (mut similarity, memory) = similarity;
        let points = DistanceRows::new(data, Metric::Euclidean, run)?;
        for (i, row) in similarity.chunks_exact_mut(n).enumerate() {
            run.check()?;
            points.distances_into(&points.row(i), 0, row);
            row.iter_mut().for_each(|x| *x *= -*x);
            if row.iter().any(|x| !x.is_finite()) {
                return Err(too_large());
            }
        }
        let memory = [memory, responsibility.1, availability.1];
        Ok(Self { n, similarity, responsibility: responsibility.0, availability: availability.0, _memory: memory })
    }

    /// Over all pairs, a row with itself included.
    fn median_similarity(&mut self) -> f64 {
        let scratch = &mut self.availability;
        scratch.copy_from_slice(&self.similarity);
        let middle = scratch.len() / 2;
        let (below, upper, _) = scratch.select_nth_unstable_by(middle, f64::total_cmp);
        let upper = *upper;
        let lower = below.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        let median = if self.similarity.len().is_multiple_of(2) { (lower + upper) / 2.0 } else { upper };
        scratch.fill(0.0);
        median
    }

    fn all_similarities_are_equal(&self) -> bool {
        let n = self.n;
        let pairs = self.similarity.iter().enumerate().filter(|(at, _)| at / n != at % n);
        n == 1 || pairs.map(|(_, s)| s).all(|s| *s == self.similarity[1])
    }

    /// Parts equal similarities by some units in the last place.
    fn add_noise(&mut self, rng: &mut Rng, run: &Run) -> Result<()> {
        for row in self.similarity.chunks_exact_mut(self.n) {
            run.check()?;
            row.iter_mut().for_each(|s| *s += (f64::EPSILON * *s + 100.0 * f64::MIN_POSITIVE) * normal(rng));
        }
        Ok(())
    }

    /// Sends messages until the exemplars stay the same; returns them.
    fn exchange(&mut self, params: &AffinityPropagationParams, run: &Run) -> Result<Vec<u32>> {
        let (n, patience) = (self.n, params.convergence_iter as usize);
        let mut is_exemplar = vec![false; n];
        // In how many steps on end a row has been what it is.
        let mut steady = vec![0_usize; n];
        let mut heard = vec![0.0; n];
        for step in 0..params.max_iter as usize {
            run.progress("training", step as u64, u64::from(params.max_iter));
            self.send_responsibilities(params.damping, &mut heard, run)?;
            self.send_availabilities(params.damping, &heard, run)?;
            let mut found = false;
            for i in 0..n {
                let at = i * (n + 1);
                let now = self.availability[at] + self.responsibility[at] > 0.0;
                steady[i] = if now == is_exemplar[i] { steady[i] + 1 } else { 1 };
                is_exemplar[i] = now;
                found |= now;
            }
            if step >= patience && found && steady.iter().all(|steps| *steps >= patience) {
                return Ok(positions(&is_exemplar));
            }
        }
        let found = positions(&is_exemplar);
        if !found.is_empty() {
            run.warn("affinity_propagation did not converge: its clusters may be arbitrary; raise max_iter or damping");
        }
        Ok(found)
    }

    /// Also sums into `heard`, per column, what is positive of the new responsibilities off the diagonal.
    fn send_responsibilities(&mut self, damping: f64, heard: &mut [f64], run: &Run) -> Result<()> {
        let n = self.n;
        heard.fill(0.0);
        let rows = self.responsibility.chunks_exact_mut(n).zip(self.similarity.chunks_exact(n));
        for (i, ((r, s), a)) in rows.zip(self.availability.chunks_exact(n)).enumerate() {
            run.check()?;
            let (best, most, second) = two_greatest(a, s);
            let kept = r[best];
            damp_responsibilities(s, most, damping, r);
            r[best] = damping * kept + (1.0 - damping) * (s[best] - second);
            let own = r[i];
            r[i] = 0.0;
            add_positive(r, heard);
            r[i] = own;
        }
        Ok(())
    }

    fn send_availabilities(&mut self, damping: f64, heard: &[f64], run: &Run) -> Result<()> {
        let n = self.n;
        // What column `j` hears: its own responsibility, and what is positive of the others'.
        let totals: Vec<f64> = (0..n).map(|j| heard[j] + self.responsibility[j * (n + 1)]).collect();
        let rows = self.availability.chunks_exact_mut(n).zip(self.responsibility.chunks_exact(n));
        for (i, (a, r)) in rows.enumerate() {
            run.check()?;
            let kept = a[i];
            damp_availabilities(r, &totals, damping, a);
            a[i] = damping * kept + (1.0 - damping) * heard[i];
        }
        Ok(())
    }

    /// In each cluster the row that stands best for all others of it.
    fn refined(&self, mut exemplars: Vec<u32>) -> Vec<u32> {
        let n = self.n;
        let clusters = self.clusters(&exemplars);
        for (k, exemplar) in exemplars.iter_mut().enumerate() {
            let members: Vec<usize> = (0..n).filter(|i| clusters[*i] == k).collect();
            let support = |j: &usize| members.iter().map(|i| self.similarity[i * n + j]).sum::<f64>();
            let best = members.iter().map(|j| (*j, support(j))).reduce(|a, b| if b.1 > a.1 { b } else { a });
            if let Some((best, _)) = best {
                *exemplar = best as u32;
            }
        }
        exemplars.sort_unstable();
        exemplars.dedup();
        exemplars
    }

    /// Which of the exemplars each row is most similar to; an exemplar is its own.
    fn clusters(&self, exemplars: &[u32]) -> Vec<usize> {
        let nearest = |row: &[f64]| {
            let best = (0..exemplars.len()).map(|k| (k, row[exemplars[k] as usize]));
            best.reduce(|a, b| if b.1 > a.1 { b } else { a }).map_or(0, |(k, _)| k)
        };
        let mut clusters: Vec<usize> = self.similarity.chunks_exact(self.n).map(nearest).collect();
        exemplars.iter().enumerate().for_each(|(k, i)| clusters[*i as usize] = k);
        clusters
    }
}

fn positions(flags: &[bool]) -> Vec<u32> {
    (0..flags.len() as u32).filter(|i| flags[*i as usize]).collect()
}

/// A standard normal number (Box, Muller 1958).
fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

/// Where `a + s` is greatest, how great, and how great it is elsewhere.
fn two_greatest(a: &[f64], s: &[f64]) -> (usize, f64, f64) {
    let (mut best, mut most, mut second) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (j, sum) in a.iter().zip(s).map(|(a, s)| a + s).enumerate() {
        if sum > most {
            (best, most, second) = (j, sum, most);
        } else if sum > second {
            second = sum;
        }
    }
    (best, most, second)
}

for_each_cpu! {
    fn damp_responsibilities(s: &[f64], most: f64, damping: f64, r: &mut [f64]) {
        for (r, s) in r.iter_mut().zip(s) {
            *r = damping * *r + (1.0 - damping) * (s - most);
        }
    }
}

for_each_cpu! {
    fn add_positive(values: &[f64], sums: &mut [f64]) {
        for (sum, x) in sums.iter_mut().zip(values) {
            *sum += if *x > 0.0 { *x } else { 0.0 };
        }
    }
}

for_each_cpu! {
    fn damp_availabilities(r: &[f64], totals: &[f64], damping: f64, a: &mut [f64]) {
        for ((a, r), total) in a.iter_mut().zip(r).zip(totals) {
            let others = total - if *r > 0.0 { *r } else { 0.0 };
            *a = damping * *a + (1.0 - damping) * if others < 0.0 { others } else { 0.0 };
        }
    }
}
