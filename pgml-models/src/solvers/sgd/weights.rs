//! A vector that is cheap to shrink, and its running average.

use super::super::padded_rows::{LANES, dot, total};

/// Below this the factor is multiplied in: numbers divided by it would lose their range.
const LEAST_FACTOR: f64 = 1e-6;

/// `factor · values`, with the norms that it had when a row was last added.
pub(super) struct Weights {
    pub values: Vec<f64>,
    pub factor: f64,
    pub squares: f64,
    pub absolutes: f64,
    average: Option<Average>,
}

/// The mean of all vectors so far is `(values + a · weights) / b` (Bottou 2012, section 5.1): a step costs no more for it.
struct Average {
    values: Vec<f64>,
    a: f64,
    b: f64,
}

impl Weights {
    /// Zeros; `width` is that of padded rows.
    pub fn new(width: usize, averaged: bool) -> Self {
        let average = averaged.then(|| Average { values: vec![0.0; width], a: 0.0, b: 1.0 });
        Self { values: vec![0.0; width], factor: 1.0, squares: 0.0, absolutes: 0.0, average }
    }

    #[inline(always)]
    pub fn dot(&self, x: &[f64]) -> f64 {
        self.factor * dot(&self.values, x)
    }

    #[inline(always)]
    pub fn shrink(&mut self, by: f64) {
        self.factor *= by;
        self.squares *= by * by;
        self.absolutes *= by.abs();
        if self.factor < LEAST_FACTOR {
            self.settle();
        }
    }

    #[inline(always)]
    pub fn add(&mut self, x: &[f64], times: f64) {
        // `times` is what everything waits for: the division is done by then.
        let times = times * self.factor.recip();
        let (mut squares, mut absolutes) = ([0.0; LANES], [0.0; LANES]);
        for (w, x) in self.values.as_chunks_mut::<LANES>().0.iter_mut().zip(x.as_chunks::<LANES>().0) {
            for l in 0..LANES {
                w[l] += x[l] * times;
                squares[l] += w[l] * w[l];
                absolutes[l] += w[l].abs();
            }
        }
        self.squares = total(squares) * self.factor * self.factor;
        self.absolutes = total(absolutes) * self.factor;
    }

    /// Takes the present vector into the average as number `count` from 1; `times · x` was just added.
    #[inline(always)]
    pub fn count_in(&mut self, x: &[f64], times: f64, count: f64) {
        let Some(average) = &mut self.average else { return };
        let times = -average.a * times / self.factor;
        for (w, x) in average.values.as_chunks_mut::<LANES>().0.iter_mut().zip(x.as_chunks::<LANES>().0) {
            for l in 0..LANES {
                w[l] += x[l] * times;
            }
        }
        let share = 1.0 / count;
        if count > 1.0 {
            average.b /= 1.0 - share;
        }
        average.a += share * average.b * self.factor;
    }

    /// Pulls every value towards zero by what the penalty has come to and it has not yet paid (Tsuruoka, Tsujii,
    /// Ananiadou 2009).
    #[inline(always)]
    pub fn pay(&mut self, due: f64, paid: &mut [f64]) {
        let factor = self.factor;
        let pull = |w: &mut f64, paid: &mut f64| {
            let before = *w;
            if before > 0.0 {
                *w = (before - (due + *paid) / factor).max(0.0);
            } else if before < 0.0 {
                *w = (before + (due - *paid) / factor).min(0.0);
            }
            *paid += factor * (*w - before);
            *w - before
        };
        match &mut self.average {
            None => self.values.iter_mut().zip(paid).for_each(|(w, paid)| {
                pull(w, paid);
            }),
            // The vectors so far keep their mean.
            Some(Average { values, a, .. }) => {
                for ((w, paid), mean) in self.values.iter_mut().zip(paid).zip(values) {
                    *mean -= *a * pull(w, paid);
                }
            }
        }
    }

    /// Multiplies the factors in.
    pub fn settle(&mut self) {
        if let Some(average) = &mut self.average {
            for (mean, w) in average.values.iter_mut().zip(&self.values) {
                *mean = (*mean + average.a * w) / average.b;
            }
            (average.a, average.b) = (0.0, 1.0);
        }
        self.values.iter_mut().for_each(|w| *w *= self.factor);
        self.factor = 1.0;
    }

    /// The settled average, if there is one.
    pub fn average(&self) -> Option<&[f64]> {
        self.average.as_ref().map(|average| average.values.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_is_that_of_all_vectors() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut weights = Weights::new(8, true);
        let (mut plain, mut sum) = ([0.0; 8], [0.0; 8]);
        let (mut paid, mut owed) = (vec![0.0; 8], [0.0; 8]);
        for count in 1..=3000 {
            let x: Vec<f64> = (0..8).map(|_| rng.f64() - 0.5).collect();
            // Shrinks past the least factor twice.
            let (by, times) = (0.98, rng.f64());
            weights.shrink(by);
            weights.add(&x, times);
            weights.count_in(&x, times, f64::from(count));
            let due = 1e-3 * f64::from(count);
            for j in 0..8 {
                plain[j] = by * plain[j] + times * x[j];
                sum[j] += plain[j];
                let before = plain[j];
                plain[j] = if before > 0.0 {
                    (before - (due + owed[j])).max(0.0)
                } else {
                    (before + (due - owed[j])).min(0.0)
                };
                owed[j] += plain[j] - before;
            }
            weights.pay(due, &mut paid);
        }
        weights.settle();
        let average = weights.average().expect("averaged");
        for j in 0..8 {
            assert!((weights.values[j] - plain[j]).abs() < 1e-12, "{j}");
            assert!((average[j] - sum[j] / 3000.0).abs() < 1e-9, "{j}: {} {}", average[j], sum[j] / 3000.0);
        }
    }
}
