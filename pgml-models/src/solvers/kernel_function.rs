//! Kernels of support vector machines and of ridge regression.

use super::exponential::{exp_in_place, tanh_in_place};
use super::kernels::dot;
use super::packets::{LANES, pack, products, sizes, squares};

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
    /// `exp(−γ Σ |aⱼ − bⱼ|)`.
    Laplacian,
}

impl Form {
    /// The form that scikit-learn calls `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let forms = [Self::Linear, Self::Poly, Self::Rbf, Self::Sigmoid, Self::Laplacian];
        forms.into_iter().find(|form| form.name() == name)
    }

    /// scikit-learn's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Poly => "poly",
            Self::Rbf => "rbf",
            Self::Sigmoid => "sigmoid",
            Self::Laplacian => "laplacian",
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
    /// The kernel of a row with itself.
    #[must_use]
    pub fn own(&self, row: &[f64]) -> f64 {
        match self.form {
            Form::Rbf | Form::Laplacian => 1.0,
            _ => {
                let mut value = [dot(row, row)];
                self.finish(&mut value);
                value[0]
            }
        }
    }

    /// Writes the kernels of `row` with the rows of `packets` (see [`super::packets`]).
    pub fn fill(&self, packets: &[f64], row: &[f64], out: &mut [f64]) {
        match self.form {
            Form::Linear | Form::Poly | Form::Sigmoid => products(packets, row, out),
            Form::Rbf => squares(packets, row, out),
            Form::Laplacian => sizes(packets, row, out),
        }
        self.finish(out);
    }

    /// From products or distances to kernels.
    fn finish(&self, values: &mut [f64]) {
        let Self { form, gamma, coef0, degree } = *self;
        match form {
            Form::Linear => {}
            Form::Poly => values.iter_mut().for_each(|x| *x = (gamma * *x + coef0).powi(degree)),
            Form::Sigmoid => {
                values.iter_mut().for_each(|x| *x = gamma * *x + coef0);
                tanh_in_place(values);
            }
            Form::Rbf | Form::Laplacian => {
                values.iter_mut().for_each(|x| *x *= -gamma);
                exp_in_place(values);
            }
        }
    }

    /// Calls `each(i, kernels)` for row `i` of row-major `vectors` with its kernels with all `queries`, of which there are
    /// `kernels.len()`, a multiple of [`LANES`] (the last one repeats).
    pub fn with_each(&self, vectors: &[f64], queries: &[f64], d: usize, mut each: impl FnMut(usize, &[f64])) {
        let mut packets = Vec::with_capacity(queries.len() + LANES * d);
        pack(queries, d, &mut packets);
        let mut kernels = vec![0.0; packets.len() / d];
        for (i, vector) in vectors.chunks_exact(d).enumerate() {
            self.fill(&packets, vector, &mut kernels);
            each(i, &kernels);
        }
    }
}

/// Queries whose kernels are computed at once: few enough to stay in the first-level cache.
pub const QUERIES_AT_A_TIME: usize = 64;
