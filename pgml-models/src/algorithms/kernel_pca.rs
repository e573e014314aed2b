//! Principal components in the space of a kernel.

mod fit;
mod model;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};

pub use model::KernelPcaModel;

use crate::solvers::kernel_basis::PairKernel;

hyperparams! {
    /// Parameters of `kernel_pca`.
    #[allow(non_snake_case)] // the names are scikit-learn's
    pub struct KernelPcaParams {
        /// How many components to keep; null keeps all that have a variance.
        n_components: Option<u32> = None, range: at_least(1.0);
        /// The kernel.
        kernel: String = "linear".to_owned(), choices: ["linear", "poly", "rbf", "sigmoid", "cosine"];
        /// Scale in the kernels rbf, poly and sigmoid; null means 1 / number of features.
        gamma: Option<f64> = None, range: at_least(0.0);
        /// Power in the kernel poly.
        degree: f64 = 3.0, range: at_least(0.0);
        /// Constant in the kernels poly and sigmoid.
        coef0: f64 = 1.0;
        /// How components are found: dense computes all, arpack and randomized those that are wanted; auto chooses by size. All are exact.
        eigen_solver: String = "auto".to_owned(), choices: ["auto", "dense", "arpack", "randomized"];
        /// Whether components without variance are left out even if n_components asks for them.
        remove_zero_eig: bool = false;
        /// Accepted for compatibility: components are found to the last digits.
        tol: f64 = 0.0, range: at_least(0.0), no_effect: true;
        /// Accepted for compatibility: components are found to the last digits.
        max_iter: Option<u32> = None, range: at_least(1.0), no_effect: true;
        /// Accepted for compatibility: components are found to the last digits.
        iterated_power: serde_json::Value = serde_json::Value::from("auto"), no_effect: true;
        /// Accepted for compatibility: nothing is random.
        random_state: Option<u64> = None, no_effect: true;
        /// Accepted for compatibility.
        copy_X: bool = true, no_effect: true;
        /// Accepted for compatibility.
        n_jobs: Option<i32> = None, no_effect: true;
    }
}

/// Kernel principal component analysis.
pub struct KernelPca;

impl Estimator for KernelPca {
    const NAME: &'static str = "kernel_pca";
    const DESCRIPTION: &'static str =
        "Principal components of rows as a kernel sees them: curved structures unfold. Keeps all training rows.";
    const SOURCE: &'static str = "Schölkopf, Smola, Müller 1997; scikit-learn 1.9 KernelPCA";
    const TASKS: &'static [Task] = &[Task::Decomposition];
    const VERSION: u32 = 1;
    type Params = KernelPcaParams;
    type Model = KernelPcaModel;

    fn fit(params: &KernelPcaParams, data: &Dataset, _: Task, run: &Run) -> Result<KernelPcaModel> {
        data.require_finite()?;
        if data.n_rows() < 2 {
            bail!(InvalidData, "kernel_pca needs at least 2 rows, not {}", data.n_rows());
        }
        match kernel(params, data.n_features()) {
            PairKernel::Linear => fit::linear(params, data, run),
            kernel => fit::by_kernel(params, kernel, data, run),
        }
    }

    fn decode(parts: &Parts) -> Result<KernelPcaModel> {
        KernelPcaModel::decode(parts)
    }
}

fn kernel(params: &KernelPcaParams, d: usize) -> PairKernel {
    let gamma = params.gamma.unwrap_or(1.0 / d as f64);
    match params.kernel.as_str() {
        "linear" => PairKernel::Linear,
        "poly" => PairKernel::Poly { gamma, coef0: params.coef0, degree: params.degree },
        "rbf" => PairKernel::Rbf { gamma },
        "sigmoid" => PairKernel::Sigmoid { gamma, coef0: params.coef0 },
        _ => PairKernel::Cosine,
    }
}
