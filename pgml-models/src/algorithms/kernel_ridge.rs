//! Ridge regression in the space of a kernel.

use std::borrow::Cow;

use pgml_core::{Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use super::svm::SvmModel;
use super::task_params::regression_targets;
use crate::solvers::cholesky;
use crate::solvers::kernel_function::{Form, Kernel};
use crate::solvers::kernel_matrix::kernel_matrix;
use crate::solvers::kernels::{axpy, dot, norm};
use crate::solvers::least_squares::Compressed;
use crate::solvers::symmetric_eigen::{Eigen, symmetric_eigen};

hyperparams! {
    /// Parameters of `kernel_ridge`.
    pub struct KernelRidgeParams {
        /// Strength of the L2 penalty.
        alpha: f64 = 1.0, range: at_least(0.0);
        /// The kernel.
        kernel: String = "linear".to_owned(), choices: ["linear", "poly", "polynomial", "rbf", "laplacian", "sigmoid", "cosine"];
        /// Scale of the kernel; null is 1 / features.
        gamma: Option<f64> = None, range: at_least(0.0);
        /// Degree of the poly kernel.
        degree: u32 = 3;
        /// Constant of the poly and sigmoid kernels.
        coef0: f64 = 1.0;
        /// Accepted for compatibility: it is for kernels written in Python.
        kernel_params: Value = Value::Null, no_effect: true;
    }
}

/// Kernel ridge regression.
pub struct KernelRidge;

impl Estimator for KernelRidge {
    const NAME: &'static str = "kernel_ridge";
    const DESCRIPTION: &'static str =
        "Least squares of smooth curves: a choice of kernel for up to some thousands of rows; scale the features.";
    const SOURCE: &'static str =
        "Saunders, Gammerman, Vovk 1998; Murphy 2012, section 14.4.3; scikit-learn 1.9 KernelRidge";
    const TASKS: &'static [Task] = &[Task::Regression];
    const VERSION: u32 = 1;
    type Params = KernelRidgeParams;
    type Model = KernelRidgeModel;

    fn fit(params: &KernelRidgeParams, data: &Dataset, _: Task, run: &Run) -> Result<KernelRidgeModel> {
        data.require_finite()?;
        let d = data.n_features();
        let targets = regression_targets(data)?;
        let unit_rows = params.kernel == "cosine";
        let name = match params.kernel.as_str() {
            "polynomial" => "poly",
            // Scalar products of rows of length 1.
            "cosine" => "linear",
            name => name,
        };
        let Some(form) = Form::named(name) else { bail!(InvalidParameter, "kernel_ridge has no kernel \"{name}\"") };
        let degree = i32::try_from(params.degree).unwrap_or(i32::MAX);
        let gamma = params.gamma.unwrap_or(1.0 / d as f64);
        let kernel = Kernel { form, gamma, coef0: params.coef0, degree };
        let machine = if form == Form::Linear {
            let _memory = run.reserve(if unit_rows { data.bytes() } else { 0 }, "rows of length 1")?;
            let data = if unit_rows { Cow::Owned(with_unit_rows(data)?) } else { Cow::Borrowed(data) };
            linear(params.alpha, &data, &targets, kernel, run)?
        } else {
            dual(params.alpha, data, &targets, kernel, run)?
        };
        Ok(KernelRidgeModel { machine, unit_rows })
    }

    fn decode(parts: &Parts) -> Result<KernelRidgeModel> {
        let machine = SvmModel::decode(parts)?;
        if parts.meta::<usize>("n_classes")? != 0 {
            bail!(Corrupted, "stored kernel_ridge has classes");
        }
        Ok(KernelRidgeModel { machine, unit_rows: parts.meta("unit_rows")? })
    }
}

/// Scalar products need no matrix of them: the weights of the features are ridge regression's without intercept.
fn linear(alpha: f64, data: &Dataset, targets: &[&[f64]], kernel: Kernel, run: &Run) -> Result<SvmModel> {
    let mut problem = Compressed::new(data, targets, data.weight(), false, run)?;
    if alpha > 0.0 {
        problem = problem.with_l2(alpha);
    }
    let weights = problem.solve(f64::EPSILON * data.n_rows().max(data.n_features()) as f64, run)?;
    // Each target's weights are the one vector that its prediction is a scalar product with.
    let t = targets.len();
    let mut coef = vec![0.0; t * t];
    coef.iter_mut().step_by(t + 1).for_each(|c| *c = 1.0);
    SvmModel::new(kernel, data.n_features(), weights.concat(), coef, vec![0.0; t], None)
}

/// Solves `(K + α) c = y`, where rows and columns are scaled by the roots of the weights.
fn dual(alpha: f64, data: &Dataset, targets: &[&[f64]], kernel: Kernel, run: &Run) -> Result<SvmModel> {
    let (n, d) = (data.n_rows(), data.n_features());
    let _rows = run.reserve(16 * (n * d) as u64, "the matrix of features")?;
    let rows = data.to_rows();
    let (mut matrix, _memory) = kernel_matrix(&kernel, &rows, d, run)?;
    let roots: Option<Vec<f64>> = data.weight().map(|w| w.iter().map(|w| w.sqrt()).collect());
    if let Some(roots) = &roots {
        for (row, root) in matrix.chunks_exact_mut(n).zip(roots) {
            row.iter_mut().zip(roots).for_each(|(k, other)| *k *= root * other);
        }
    }
    matrix.iter_mut().step_by(n + 1).for_each(|k| *k += alpha);
    let scaled = |values: &mut [f64]| {
        if let Some(roots) = &roots {
            values.iter_mut().zip(roots).for_each(|(x, root)| *x *= root);
        }
    };
    let mut coef: Vec<Vec<f64>> = targets.iter().map(|y| y.to_vec()).collect();
    coef.iter_mut().for_each(|c| scaled(c));
    let diagonal: Vec<f64> = matrix.iter().step_by(n + 1).copied().collect();
    if cholesky::factor(&mut matrix, n, run)? {
        for c in &mut coef {
            run.check()?;
            cholesky::solve(&matrix, n, c);
        }
    } else {
        run.warn("kernel_ridge: the kernel's matrix is singular, so the solution of least norm is taken; raise alpha");
        // The upper triangle and the diagonal are what the factorisation left alone.
        matrix.iter_mut().step_by(n + 1).zip(diagonal).for_each(|(k, value)| *k = value);
        for i in 0..n {
            for j in 0..i {
                matrix[i * n + j] = matrix[j * n + i];
            }
        }
        least_norm(matrix, n, &mut coef, run)?;
    }
    coef.iter_mut().for_each(|c| scaled(c));
    SvmModel::new(kernel, d, rows, coef.concat(), vec![0.0; targets.len()], None)
}

/// `x ← A⁺ x` for each of `vectors`.
fn least_norm(matrix: Vec<f64>, n: usize, vectors: &mut [Vec<f64>], run: &Run) -> Result<()> {
    let _memory = run.reserve(16 * (n * n) as u64, "the eigenvectors of the kernel's matrix")?;
    let eigen: Eigen = symmetric_eigen(matrix, n, run)?;
    let largest = eigen.values.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    for x in vectors {
        let mut solved = vec![0.0; n];
        for (vector, value) in eigen.vectors.chunks_exact(n).zip(&eigen.values) {
            if value.abs() > largest * f64::EPSILON {
                axpy(dot(vector, x) / value, vector, &mut solved);
            }
        }
        *x = solved;
    }
    Ok(())
}

fn with_unit_rows(data: &Dataset) -> Result<Dataset> {
    let mut rows = data.to_rows();
    rows.chunks_exact_mut(data.n_features()).for_each(to_unit);
    let unit = Dataset::from_rows(&rows, data.n_features())?;
    match data.weight() {
        Some(weight) => unit.with_weight(weight.to_vec()),
        None => Ok(unit),
    }
}

fn to_unit(row: &mut [f64]) {
    let length = norm(row);
    if length > 0.0 {
        row.iter_mut().for_each(|x| *x /= length);
    }
}

/// Weights of the training rows, or of the features where the kernel is linear.
pub struct KernelRidgeModel {
    machine: SvmModel,
    /// Whether rows are brought to length 1 first.
    unit_rows: bool,
}

impl Model for KernelRidgeModel {
    fn n_features(&self) -> usize {
        self.machine.n_features()
    }

    fn n_outputs(&self) -> usize {
        self.machine.n_outputs()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        if !self.unit_rows || rows.n_features() != self.n_features() {
            return self.machine.predict_into(rows, out);
        }
        let mut unit = rows.as_slice().to_vec();
        unit.chunks_exact_mut(self.n_features()).for_each(to_unit);
        // Rows whose length overflows are no direction; those that are not finite are refused by name.
        if unit.iter().all(|x| x.is_finite()) {
            return self.machine.predict_into(MatrixRef::new(&unit, self.n_features())?, out);
        }
        self.machine.predict_into(rows, out)
    }

    fn encode(&self) -> Result<Parts> {
        self.machine.encode()?.with_meta("unit_rows", &self.unit_rows)
    }

    fn bytes(&self) -> usize {
        self.machine.bytes()
    }
}
