//! Kernels of support vector machines.

use super::kernels::{dot, for_each_cpu};

for_each_cpu! {
    fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
        let mut lanes = [0.0; 8];
        for (x, y) in a.iter().zip(b) {
            for l in 0..8 {
                lanes[l] += (x[l] - y[l]) * (x[l] - y[l]);
            }
        }
        lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(x, y)| (x - y) * (x - y)).sum::<f64>()
    }
}

/// The form of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `a·b`.
    Linear,
    /// `(γ a·b + c)ᵈ`.
    Poly,
    /// `exp(−γ |a − b|²)`.
    Rbf,
    /// `tanh(γ a·b + c)`, which is no scalar product: the optimum need not be unique.
    Sigmoid,
}

impl Form {
    /// The form that scikit-learn calls `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Linear, Self::Poly, Self::Rbf, Self::Sigmoid].into_iter().find(|form| form.name() == name)
    }

    /// scikit-learn's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Poly => "poly",
            Self::Rbf => "rbf",
            Self::Sigmoid => "sigmoid",
        }
    }
}

/// A kernel with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kernel {
    /// The form.
    pub form: Form,
    /// Scale of products or distances.
    pub gamma: f64,
    /// Constant of `poly` and `sigmoid`.
    pub coef0: f64,
    /// Degree of `poly`.
    pub degree: i32,
}

impl Kernel {
    /// The kernel of two rows.
    #[must_use]
    pub fn value(&self, a: &[f64], b: &[f64]) -> f64 {
        match self.form {
            Form::Linear => dot(a, b),
            Form::Poly => (self.gamma * dot(a, b) + self.coef0).powi(self.degree),
            Form::Sigmoid => (self.gamma * dot(a, b) + self.coef0).tanh(),
            Form::Rbf => (-self.gamma * squared_distance(a, b)).exp(),
        }
    }
}
