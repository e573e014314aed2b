//! Fitted kernel principal components.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{MatrixRef, Model, Parts, Result, Transform, bail};

use crate::projection::Projection;
use crate::solvers::kernel_basis::{KernelBasis, PairKernel};
use crate::solvers::kernels::{dot, sum};
use crate::solvers::product::{Left, Panels, add_product};

/// Rows whose kernels are computed at once.
const BLOCK: usize = 16;

/// Components, and what the coordinates of a row are made of.
pub struct KernelPcaModel {
    /// Eigenvalues of the centred kernel matrix, descending.
    values: Vec<f64>,
    form: Form,
}

enum Form {
    /// The linear kernel needs no training rows.
    Linear {
        mean: Vec<f64>,
        vectors: Vec<f64>,
        projection: Projection,
    },
    Kernel(Box<Expansion>),
}

/// The training rows of a kernel model.
pub struct Support {
    /// The kernel.
    pub kernel: PairKernel,
    /// Training rows, row-major.
    pub rows: Vec<f64>,
    /// Features per row.
    pub d: usize,
    /// The mean kernel of each training row with all.
    pub means: Vec<f64>,
}

/// `weights · kernels + offset`.
struct Expansion {
    support: Support,
    /// One unit row per component.
    vectors: Vec<f64>,
    basis: KernelBasis,
    /// `n × k`.
    weights: Panels,
    first: Panels,
    offset: Vec<f64>,
}

impl KernelPcaModel {
    /// Components of rows as they are: one unit row of features each.
    pub(super) fn linear(mean: Vec<f64>, vectors: Vec<f64>, values: Vec<f64>) -> Result<Self> {
        if mean.iter().chain(&vectors).chain(&values).any(|x| !x.is_finite()) {
            bail!(InvalidData, "the components overflow: features are too large, scale them in preprocess");
        }
        let projection = Projection::new(&vectors, &mean);
        Ok(Self { values, form: Form::Linear { mean, vectors, projection } })
    }

    /// Components of rows as a kernel sees them: one unit row of training rows each.
    pub(super) fn by_kernel(support: Support, vectors: Vec<f64>, values: Vec<f64>) -> Result<Self> {
        let n = support.means.len();
        let k = values.len();
        if support.rows.iter().chain(&support.means).chain(&vectors).chain(&values).any(|x| !x.is_finite()) {
            bail!(InvalidData, "the components overflow: features are too large, scale them in preprocess");
        }
        let all = sum(&support.means) / n as f64;
        let mut weights = vec![0.0; n * k];
        let mut offset = vec![0.0; k];
        for (c, (vector, value)) in vectors.chunks_exact(n).zip(&values).enumerate() {
            // Components without variance are 0.
            let scale = if *value > 0.0 { value.sqrt().recip() } else { 0.0 };
            let mean = sum(vector) / n as f64;
            for (j, x) in vector.iter().enumerate() {
                weights[j * k + c] = scale * (x - mean);
            }
            // Centring the kernels of a row is a matter of the weights, but for these two terms.
            offset[c] = scale * (all * mean * n as f64 - dot(&support.means, vector));
        }
        let first: Vec<f64> = weights.iter().step_by(k).copied().collect();
        let basis = KernelBasis::new(support.kernel, &support.rows, support.d);
        let (weights, first) = (Panels::pack(&weights, k), Panels::pack(&first, 1));
        Ok(Self { values, form: Form::Kernel(Box::new(Expansion { support, vectors, basis, weights, first, offset })) })
    }

    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        let values = parts.array::<f64>("eigenvalues")?.to_vec();
        let damaged = |_| bail!(Corrupted, "stored kernel_pca has a value out of range");
        let cells = |rows: usize| match values.len().checked_mul(rows).filter(|cells| *cells > 0) {
            Some(cells) => Ok(cells),
            None => bail!(Corrupted, "stored kernel_pca has {} components of {rows} weights", values.len()),
        };
        if values.iter().any(|v| !v.is_finite() || *v < 0.0) {
            bail!(Corrupted, "stored kernel_pca has an eigenvalue out of range");
        }
        let kernel = decode_kernel(&parts.meta::<String>("kernel")?, parts.array_of::<f64>("kernel_params", 3)?)?;
        if kernel == PairKernel::Linear {
            let mean = parts.array::<f64>("mean")?.to_vec();
            let vectors = parts.array_of::<f64>("eigenvectors", cells(mean.len())?)?.to_vec();
            return Self::linear(mean, vectors, values).or_else(damaged);
        }
        let means = parts.array::<f64>("kernel_means")?.to_vec();
        let vectors = parts.array_of::<f64>("eigenvectors", cells(means.len())?)?.to_vec();
        let d: usize = parts.meta("n_features")?;
        let Some(cells) = d.checked_mul(means.len()).filter(|cells| *cells > 0) else {
            bail!(Corrupted, "stored kernel_pca has {} rows of {d} features", means.len());
        };
        let rows = parts.array_of::<f64>("rows", cells)?.to_vec();
        Self::by_kernel(Support { kernel, rows, d, means }, vectors, values).or_else(damaged)
    }

    fn map(&self, rows: MatrixRef<'_>, out: &mut [f64], first: bool) -> Result<()> {
        let expansion = match &self.form {
            Form::Linear { projection, .. } if first => return projection.first_into(rows, out),
            Form::Linear { projection, .. } => return projection.all_into(rows, out),
            Form::Kernel(expansion) => expansion,
        };
        let weights = if first { &expansion.first } else { &expansion.weights };
        let (d, k, n) = (expansion.support.d, weights.n_columns(), expansion.basis.len());
        expect_shape(&rows, d, out, k)?;
        require_finite(&rows)?;
        let len = rows.n_rows().min(BLOCK);
        let (mut copy, mut kernels) = (vec![0.0; len * d], vec![0.0; len * n]);
        for (rows, out) in rows.as_slice().chunks(BLOCK * d).zip(out.chunks_mut(BLOCK * k)) {
            let (copy, kernels) = (&mut copy[..rows.len()], &mut kernels[..rows.len() / d * n]);
            copy.copy_from_slice(rows);
            expansion.basis.kernels_into(copy, kernels)?;
            out.chunks_exact_mut(k).for_each(|out| out.copy_from_slice(&expansion.offset[..k]));
            add_product(Left::rows(kernels, n), weights, out);
            if out.iter().any(|x| !x.is_finite()) {
                bail!(InvalidData, "the coordinates of the row overflow: its values are too large");
            }
        }
        Ok(())
    }
}

fn encode_kernel(kernel: PairKernel) -> (&'static str, [f64; 3]) {
    match kernel {
        PairKernel::Linear => ("linear", [0.0; 3]),
        PairKernel::Poly { gamma, coef0, degree } => ("poly", [gamma, coef0, degree]),
        PairKernel::Rbf { gamma } => ("rbf", [gamma, 0.0, 0.0]),
        PairKernel::Sigmoid { gamma, coef0 } => ("sigmoid", [gamma, coef0, 0.0]),
        PairKernel::Cosine => ("cosine", [0.0; 3]),
    }
}

fn decode_kernel(name: &str, params: &[f64]) -> Result<PairKernel> {
    let &[gamma, coef0, degree] = params else { bail!(Corrupted, "stored kernel has {} parameters", params.len()) };
    if params.iter().any(|x| !x.is_finite()) || gamma < 0.0 || degree < 0.0 {
        bail!(Corrupted, "stored kernel has the parameters {params:?}");
    }
    match name {
        "linear" => Ok(PairKernel::Linear),
        "poly" => Ok(PairKernel::Poly { gamma, coef0, degree }),
        "rbf" => Ok(PairKernel::Rbf { gamma }),
        "sigmoid" => Ok(PairKernel::Sigmoid { gamma, coef0 }),
        "cosine" => Ok(PairKernel::Cosine),
        other => bail!(Corrupted, "stored kernel {other} is unknown"),
    }
}

impl Model for KernelPcaModel {
    fn n_features(&self) -> usize {
        match &self.form {
            Form::Linear { mean, .. } => mean.len(),
            Form::Kernel(expansion) => expansion.support.d,
        }
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.map(rows, out, true)
    }

    fn encode(&self) -> Result<Parts> {
        let parts = Parts::new().with("eigenvalues", self.values.clone());
        let kernel = match &self.form {
            Form::Linear { .. } => PairKernel::Linear,
            Form::Kernel(expansion) => expansion.support.kernel,
        };
        let (name, params) = encode_kernel(kernel);
        let parts = parts.with("kernel_params", params.to_vec()).with_meta("kernel", &name)?;
        let k = self.values.len();
        match &self.form {
            Form::Linear { mean, vectors, .. } => {
                Ok(parts.with("mean", mean.clone()).with_shape("eigenvectors", vec![k, mean.len()], vectors.clone()))
            }
            Form::Kernel(expansion) => {
                let Support { rows, d, means, .. } = &expansion.support;
                parts
                    .with_shape("rows", vec![means.len(), *d], rows.clone())
                    .with("kernel_means", means.clone())
                    .with_shape("eigenvectors", vec![k, means.len()], expansion.vectors.clone())
                    .with_meta("n_features", d)
            }
        }
    }

    fn bytes(&self) -> usize {
        let rest = match &self.form {
            Form::Linear { mean, vectors, projection } => 8 * (mean.len() + vectors.len()) + projection.bytes(),
            Form::Kernel(e) => {
                let numbers = e.support.rows.len() + e.support.means.len() + e.vectors.len() + e.offset.len();
                8 * numbers + e.basis.bytes() + e.weights.bytes() + e.first.bytes()
            }
        };
        size_of::<Self>() + 8 * self.values.len() + rest
    }

    fn transformer(&self) -> Option<&dyn Transform> {
        Some(self)
    }
}

impl Transform for KernelPcaModel {
    fn n_components(&self) -> usize {
        self.values.len()
    }

    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.map(rows, out, false)
    }
}
