//! Probabilities from decisions: a sigmoid per pair of classes (Platt 1999, fitted as Lin, Lin, Weng 2007 advise), and
//! one distribution from all pairs (Wu, Lin, Weng 2004, their second method).

/// `P(first class | f) = 1 / (1 + exp(a f + b))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sigmoid {
    /// Slope; negative where the decision tells the classes apart.
    pub a: f64,
    /// Intercept.
    pub b: f64,
}

impl Sigmoid {
    /// Maximum likelihood of `decisions`, of which `positive` tells the first class, with Platt's priors in place of 1
    /// and 0.
    #[must_use]
    pub fn fit(decisions: &[f64], positive: &[bool]) -> Self {
        let n_positive = positive.iter().filter(|p| **p).count() as f64;
        let n_negative = positive.len() as f64 - n_positive;
        let targets = [1.0 / (n_negative + 2.0), (n_positive + 1.0) / (n_positive + 2.0)];
        let rows = || decisions.iter().zip(positive).map(|(f, p)| (*f, targets[usize::from(*p)]));
        let mut best = Self { a: 0.0, b: ((n_negative + 1.0) / (n_positive + 1.0)).ln() };
        let mut loss = best.loss(rows());
        // Newton's method on a convex function of two variables.
        for _ in 0..100 {
            let (a, b, slope) = best.newton_direction(rows());
            let shorter = (0..40).map(|halvings| 0.5_f64.powi(halvings)).find_map(|step| {
                let next = Self { a: best.a + step * a, b: best.b + step * b };
                let next_loss = next.loss(rows());
                (next_loss < loss + 1e-4 * step * slope).then_some((next, next_loss))
            });
            let Some(next) = shorter else { break };
            (best, loss) = next;
        }
        best
    }

    /// The cross entropy, written so that no exponential overflows.
    fn loss(self, rows: impl Iterator<Item = (f64, f64)>) -> f64 {
        rows.map(|(f, target)| {
            let z = self.a * f + self.b;
            if z >= 0.0 { target * z + (-z).exp().ln_1p() } else { (target - 1.0) * z + z.exp().ln_1p() }
        })
        .sum()
    }

    /// The step to the minimum of the quadratic model, and the loss's slope along it.
    fn newton_direction(self, rows: impl Iterator<Item = (f64, f64)>) -> (f64, f64, f64) {
        let (mut aa, mut ab, mut bb, mut ga, mut gb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (f, target) in rows {
            let p = self.probability(f);
            let (curvature, gradient) = (p * (1.0 - p), target - p);
            aa += f * f * curvature;
            ab += f * curvature;
            bb += curvature;
            ga += f * gradient;
            gb += gradient;
        }
        // Equal decisions leave the slope undetermined.
        let ridge = 1e-12 * (1.0 + aa + bb);
        (aa, bb) = (aa + ridge, bb + ridge);
        let determinant = aa * bb - ab * ab;
        let (a, b) = (-(bb * ga - ab * gb) / determinant, -(aa * gb - ab * ga) / determinant);
        (a, b, ga * a + gb * b)
    }

    /// The probability of the first class at decision `f`.
    #[must_use]
    pub fn probability(self, f: f64) -> f64 {
        1.0 / (1.0 + (self.a * f + self.b).exp())
    }
}

/// Room for [`Coupling::couple`] of `k` classes.
pub struct Coupling {
    k: usize,
    /// `k × k`.
    q: Vec<f64>,
    q_p: Vec<f64>,
}

impl Coupling {
    /// Room for `k` classes.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, q: vec![0.0; k * k], q_p: vec![0.0; k] }
    }

    /// The distribution `p` (of `k`) that disagrees least with `pairs`, the probabilities of the first of each pair of
    /// classes (0, 1), (0, 2), …: `min Σ_i Σ_{j ≠ i} (r_ji p_i − r_ij p_j)²`.
    pub fn couple(&mut self, pairs: &[f64], p: &mut [f64]) {
        let k = self.k;
        self.q.fill(0.0);
        for ((i, j), r) in (0..k).flat_map(|i| (i + 1..k).map(move |j| (i, j))).zip(pairs) {
            // Away from 0 and 1, where the minimum need not be unique.
            let r = r.clamp(1e-7, 1.0 - 1e-7);
            self.q[i * k + i] += (1.0 - r) * (1.0 - r);
            self.q[j * k + j] += r * r;
            self.q[i * k + j] = -r * (1.0 - r);
            self.q[j * k + i] = -r * (1.0 - r);
        }
        p.fill(1.0 / k as f64);
        for _ in 0..1000 {
            if self.sweep(p) {
                break;
            }
        }
        let total: f64 = p.iter().sum();
        p.iter_mut().for_each(|p| *p /= total);
    }

    /// Betters each probability in turn (the paper's algorithm 2). True at the optimum, where all `(Q p)_t` are equal.
    fn sweep(&mut self, p: &mut [f64]) -> bool {
        let (k, q_p) = (self.k, &mut self.q_p);
        q_p.iter_mut()
            .zip(self.q.chunks_exact(k))
            .for_each(|(out, row)| *out = row.iter().zip(&*p).map(|(q, p)| q * p).sum());
        let mut value: f64 = q_p.iter().zip(&*p).map(|(a, b)| a * b).sum();
        if q_p.iter().all(|x| (x - value).abs() < 1e-12 / k as f64) {
            return true;
        }
        for t in 0..k {
            let row = &self.q[t * k..(t + 1) * k];
            let change = (value - q_p[t]) / row[t];
            p[t] += change;
            let total = 1.0 + change;
            value = (value + change * (change * row[t] + 2.0 * q_p[t])) / (total * total);
            q_p.iter_mut().zip(row).for_each(|(x, q)| *x = (*x + change * q) / total);
            p.iter_mut().for_each(|p| *p /= total);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_agree_give_the_distribution_they_come_from() {
        let truth = [0.5, 0.3, 0.15, 0.05];
        let mut pairs = Vec::new();
        for i in 0..4 {
            pairs.extend((i + 1..4).map(|j| truth[i] / (truth[i] + truth[j])));
        }
        let mut p = [0.0; 4];
        Coupling::new(4).couple(&pairs, &mut p);
        assert!(p.iter().zip(truth).all(|(p, t)| (p - t).abs() < 1e-9), "{p:?}");
    }

    #[test]
    fn certain_and_contradicting_pairs_give_a_distribution() {
        for pairs in [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.5, 0.5, 0.5]] {
            let mut p = [0.0; 3];
            Coupling::new(3).couple(&pairs, &mut p);
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12 && p.iter().all(|p| *p >= 0.0), "{pairs:?}: {p:?}");
        }
    }

    #[test]
    fn a_sigmoid_of_equal_decisions_gives_the_share_of_the_classes() {
        let sigmoid = Sigmoid::fit(&[2.0; 100], &(0..100).map(|i| i < 25).collect::<Vec<_>>());
        // The mean of Platt's targets: (25 · 26/27 + 75 / 77) / 100.
        assert!((sigmoid.probability(2.0) - 0.250_481_000_481).abs() < 1e-9, "{}", sigmoid.probability(2.0));
    }
}
