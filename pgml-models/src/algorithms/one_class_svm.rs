//! A border around most rows, as smooth as a kernel makes it.

use pgml_core::estimator::expect_shape;
use pgml_core::{AnomalyDetector, Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use super::svm::{SvmModel, read_kernel};
use crate::solvers::contamination::label;
use crate::solvers::kernel_rows::KernelRows;
use crate::solvers::smo::{Dual, Fixed, solve_from};

hyperparams! {
    /// Parameters of `one_class_svm`.
    pub struct OneClassSvmParams {
        /// The kernel.
        kernel: String = "rbf".to_owned(), choices: ["rbf", "linear", "poly", "sigmoid"];
        /// Degree of the poly kernel.
        degree: u32 = 3;
        /// Scale of the kernel: "scale" is 1 / (features × variance), "auto" 1 / features, or a number.
        gamma: Value = Value::from("scale");
        /// Constant of the poly and sigmoid kernels.
        coef0: f64 = 0.0;
        /// Violation of the optimality conditions at which to stop.
        tol: f64 = 1e-3, range: above(0.0);
        /// At most this share of training rows lies outside the border; at least this share supports it.
        nu: f64 = 0.5, range: above_up_to(0.0, 1.0);
        /// Most iterations; -1 means no limit.
        max_iter: i64 = -1, range: at_least(-1.0);
        /// Size of the kernel cache in MB.
        cache_size: f64 = 200.0, range: above(0.0);
        /// Accepted for compatibility: the optimum is the same.
        shrinking: bool = true, no_effect: true;
        /// Accepted for compatibility.
        verbose: bool = false, no_effect: true;
    }
}

/// One-class support vector machine.
pub struct OneClassSvm;

impl Estimator for OneClassSvm {
    const NAME: &'static str = "one_class_svm";
    const DESCRIPTION: &'static str = "Draws a smooth border around most rows and calls those outside anomalies: for thousands of rows; scale the features.";
    const SOURCE: &'static str = "Schölkopf, Platt, Shawe-Taylor, Smola, Williamson 2001; scikit-learn 1.9 OneClassSVM";
    const TASKS: &'static [Task] = &[Task::AnomalyDetection];
    const VERSION: u32 = 1;
    type Params = OneClassSvmParams;
    type Model = OneClassSvmModel;

    fn fit(params: &OneClassSvmParams, data: &Dataset, _: Task, run: &Run) -> Result<OneClassSvmModel> {
        data.require_finite()?;
        let (n, d) = (data.n_rows(), data.n_features());
        let _memory = run.reserve(8 * (n * d) as u64, "the matrix of features")?;
        let rows = data.to_rows();
        let kernel = read_kernel(Self::NAME, &params.kernel, &params.gamma, params.coef0, params.degree, &rows, d)?;
        let c: Vec<f64> = (0..n).map(|i| data.weight().map_or(1.0, |w| w[i])).collect();
        let mut left = params.nu * c.iter().sum::<f64>();
        let start = c.iter().map(|c| {
            let alpha = c.min(left);
            left -= alpha;
            alpha
        });
        let start: Vec<f64> = start.collect();
        let mut cache = KernelRows::new(kernel, &rows, d, params.cache_size * 1e6, run)?;
        let dual = Dual { p: vec![0.0; n], y: vec![1.0; n], c };
        let max_iter = u64::try_from(params.max_iter).ok();
        let solution = solve_from(&dual, start, Fixed::Sum, &mut cache, params.tol, max_iter, run)?;
        if !solution.converged {
            run.warn("one_class_svm stopped before its tolerance; raise max_iter or tol, or scale the features");
        }
        Ok(OneClassSvmModel(SvmModel::new(kernel, d, rows, solution.alpha, vec![solution.rho], None)?))
    }

    fn decode(parts: &Parts) -> Result<OneClassSvmModel> {
        let machine = SvmModel::decode(parts)?;
        if machine.n_machines() != 1 || machine.n_outputs() != 1 || parts.meta::<usize>("n_classes")? != 0 {
            bail!(Corrupted, "stored one_class_svm has {} machines", machine.n_machines());
        }
        Ok(OneClassSvmModel(machine))
    }
}

/// The machine whose decision is positive inside the border.
pub struct OneClassSvmModel(SvmModel);

impl Model for OneClassSvmModel {
    fn n_features(&self) -> usize {
        self.0.n_features()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.anomaly_score_into(rows, out)?;
        label(out);
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        self.0.encode()
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    fn anomaly_detector(&self) -> Option<&dyn AnomalyDetector> {
        Some(self)
    }
}

impl AnomalyDetector for OneClassSvmModel {
    fn anomaly_score_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, 1)?;
        self.0.decisions_into(rows, out)?;
        out.iter_mut().for_each(|decision| *decision = -*decision);
        Ok(())
    }
}
