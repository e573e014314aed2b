//! Steps along gradients: with momentum, or scaled by each parameter's own history.

use crate::solvers::kernels::for_each_cpu;

/// How gradients become steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Gradient descent with momentum.
    Sgd {
        /// How much of the last step goes on.
        momentum: f64,
        /// Whether to look ahead along the momentum (Nesterov 1983; Sutskever et al. 2013).
        nesterov: bool,
    },
    /// Adam (Kingma, Ba 2015).
    Adam {
        /// How much of the mean gradient is kept.
        beta_1: f64,
        /// How much of the mean square is kept.
        beta_2: f64,
        /// Added to the root of the mean square.
        epsilon: f64,
    },
}

/// A rule with its memory.
pub struct Optimiser {
    rule: Rule,
    /// The size of steps, which a schedule may change.
    pub rate: f64,
    /// The last step, or the mean gradient.
    first: Vec<f64>,
    /// The mean square.
    second: Vec<f64>,
    steps: i32,
}

impl Optimiser {
    /// Without memory.
    #[must_use]
    pub fn new(rule: Rule, rate: f64, n_params: usize) -> Self {
        let second = if matches!(rule, Rule::Adam { .. }) { n_params } else { 0 };
        Self { rule, rate, first: vec![0.0; n_params], second: vec![0.0; second], steps: 0 }
    }

    /// Moves `params` against `gradient`.
    pub fn step(&mut self, gradient: &[f64], params: &mut [f64]) {
        self.steps = self.steps.saturating_add(1);
        match self.rule {
            Rule::Sgd { momentum, nesterov } => {
                let ahead = if nesterov { (momentum, self.rate) } else { (1.0, 0.0) };
                descend(momentum, self.rate, ahead, gradient, &mut self.first, params);
            }
            Rule::Adam { beta_1, beta_2, epsilon } => {
                let rate = self.rate * (1.0 - beta_2.powi(self.steps)).sqrt() / (1.0 - beta_1.powi(self.steps));
                adam(beta_1, beta_2, epsilon, rate, gradient, &mut self.first, &mut self.second, params);
            }
        }
    }
}

for_each_cpu! {
    fn descend(momentum: f64, rate: f64, ahead: (f64, f64), gradient: &[f64], velocity: &mut [f64], params: &mut [f64]) {
        for ((w, v), g) in params.iter_mut().zip(velocity).zip(gradient) {
            *v = momentum * *v - rate * g;
            *w += ahead.0 * *v - ahead.1 * g;
        }
    }
}

for_each_cpu! {
    #[allow(clippy::too_many_arguments)] // the rule's numbers, and three vectors of one length
    fn adam(
        beta_1: f64, beta_2: f64, epsilon: f64, rate: f64, gradient: &[f64], first: &mut [f64], second: &mut [f64],
        params: &mut [f64],
    ) {
        for (((w, m), v), g) in params.iter_mut().zip(first).zip(second).zip(gradient) {
            *m = beta_1 * *m + (1.0 - beta_1) * g;
            *v = beta_2 * *v + (1.0 - beta_2) * g * g;
            *w -= rate * *m / (v.sqrt() + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_finds_the_bottom_of_a_bowl() {
        let adam = Rule::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 };
        let sgd = |momentum: f64, nesterov: bool| Rule::Sgd { momentum, nesterov };
        for rule in [adam, sgd(0.0, false), sgd(0.9, false), sgd(0.9, true)] {
            let mut optimiser = Optimiser::new(rule, 0.01, 2);
            let mut at = [1.0, -2.0];
            for _ in 0..3000 {
                let gradient = [2.0 * at[0], 8.0 * at[1]];
                optimiser.step(&gradient, &mut at);
            }
            assert!(at[0].abs() < 1e-3 && at[1].abs() < 1e-3, "{rule:?}: {at:?}");
        }
    }
}
