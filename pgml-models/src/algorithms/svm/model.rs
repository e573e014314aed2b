//! A trained support vector machine: support vectors and the machines made of them.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Classifier, MatrixRef, Model, Parts, Result, Shared, bail};

use super::voting::{Voting, pairs};
use crate::solvers::kernel_function::{Form, Kernel};
use crate::solvers::kernels::dot;
use crate::solvers::platt::Coupling;

/// Support vectors and the machines made of them.
pub struct SvmModel {
    d: usize,
    kernel: Kernel,
    /// Row-major, `n × d`.
    vectors: Shared<f64>,
    /// Rows of `n`. Regression: one per target. Classification: `n_seen − 1`; a vector of class `i` has its coefficient
    /// against class `j` in row `j − 1` where `j > i`, else in row `j`, as libsvm has it.
    coef: Shared<f64>,
    /// One per machine.
    rho: Vec<f64>,
    voting: Option<Voting>,
}

impl SvmModel {
    /// A model of those `vectors` that have a coefficient other than 0.
    ///
    /// # Errors
    /// [`InvalidData`](pgml_core::ErrorKind::InvalidData) when a number is not finite: the features were too large to
    /// compute with.
    pub(super) fn new(
        kernel: Kernel,
        d: usize,
        vectors: Vec<f64>,
        coef: Vec<f64>,
        rho: Vec<f64>,
        mut voting: Option<Voting>,
    ) -> Result<Self> {
        if coef.iter().chain(&rho).any(|x| !x.is_finite()) {
            bail!(
                InvalidData,
                "the optimisation overflows: features or targets are too large, scale them in preprocess"
            );
        }
        let n = vectors.len() / d;
        let used: Vec<usize> = (0..n).filter(|i| coef.iter().skip(*i).step_by(n).any(|c| *c != 0.0)).collect();
        if let Some(voting) = &mut voting {
            voting.starts.iter_mut().for_each(|start| *start = used.partition_point(|i| i < start));
        }
        let coef = coef.chunks_exact(n).flat_map(|row| used.iter().map(|i| row[*i])).collect();
        let vectors = used.iter().flat_map(|i| vectors[i * d..(i + 1) * d].iter().copied()).collect();
        Ok(Self { d, kernel, vectors, coef, rho, voting })
    }

    pub(super) fn decode(parts: &Parts) -> Result<Self> {
        let d: usize = parts.meta("n_features")?;
        let rho = parts.array::<f64>("rho")?.to_vec();
        let vectors = parts.shared::<f64>("support_vectors")?;
        if d == 0 || rho.is_empty() || !vectors.len().is_multiple_of(d) {
            bail!(Corrupted, "stored svm has {} support vector values for {d} features", vectors.len());
        }
        let n = vectors.len() / d;
        let n_classes: usize = parts.meta("n_classes")?;
        let voting = (n_classes > 0).then(|| Voting::decode(parts, n_classes, n)).transpose()?;
        let (n_machines, n_coef) = match &voting {
            Some(voting) => (voting.n_seen() * (voting.n_seen() - 1) / 2, (voting.n_seen() - 1) * n),
            None => (rho.len(), rho.len() * n),
        };
        let coef = parts.shared_of::<f64>("dual_coef", n_coef)?;
        if rho.len() != n_machines || vectors.iter().chain(&coef).chain(&rho).any(|x| !x.is_finite()) {
            bail!(Corrupted, "stored svm has numbers that are not finite, or {} machines of {n_machines}", rho.len());
        }
        Ok(Self { d, kernel: decode_kernel(parts)?, vectors, coef, rho, voting })
    }

    /// How many machines there are: one per target, or one per pair of classes that the training rows had.
    #[must_use]
    pub fn n_machines(&self) -> usize {
        self.rho.len()
    }

    /// Writes `n_rows × n_machines` decisions `Σ y α K − rho`. Those about a pair of classes are positive for the
    /// first.
    ///
    /// # Errors
    /// [`WrongDimension`](pgml_core::ErrorKind::WrongDimension) when `rows` or `out` have the wrong shape.
    pub fn decisions_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.d, out, self.n_machines())?;
        require_finite(&rows)?;
        let mut values = vec![0.0; self.vectors.len() / self.d];
        rows.rows()
            .zip(out.chunks_exact_mut(self.rho.len()))
            .for_each(|(row, out)| self.decisions(row, &mut values, out));
        Ok(())
    }

    /// The decisions about one row; `values` has room for a number per support vector.
    fn decisions(&self, row: &[f64], values: &mut [f64], out: &mut [f64]) {
        values.iter_mut().zip(self.vectors.chunks_exact(self.d)).for_each(|(v, s)| *v = self.kernel.value(s, row));
        let n = values.len();
        let part =
            |row: usize, from: usize, to: usize| dot(&self.coef[row * n + from..row * n + to], &values[from..to]);
        let Some(Voting { classes, starts, .. }) = &self.voting else {
            out.iter_mut().zip(&self.rho).enumerate().for_each(|(m, (out, rho))| *out = part(m, 0, n) - rho);
            return;
        };
        for (((i, j), out), rho) in pairs(classes.seen.len()).zip(out).zip(&self.rho) {
            *out = part(j - 1, starts[i], starts[i + 1]) + part(i, starts[j], starts[j + 1]) - rho;
        }
    }
}

fn decode_kernel(parts: &Parts) -> Result<Kernel> {
    let (name, numbers) = (parts.meta::<String>("kernel")?, parts.array_of::<f64>("kernel", 2)?);
    let Some(form) = Form::named(&name).filter(|_| numbers.iter().all(|x| x.is_finite())) else {
        bail!(Corrupted, "stored svm has the unknown kernel \"{name}\" or parameters of it that are not finite");
    };
    Ok(Kernel { form, gamma: numbers[0], coef0: numbers[1], degree: parts.meta("degree")? })
}

impl Model for SvmModel {
    fn n_features(&self) -> usize {
        self.d
    }

    fn n_outputs(&self) -> usize {
        if self.voting.is_some() { 1 } else { self.rho.len() }
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let Some(voting) = &self.voting else { return self.decisions_into(rows, out) };
        expect_shape(&rows, self.d, out, 1)?;
        require_finite(&rows)?;
        let mut values = vec![0.0; self.vectors.len() / self.d];
        let mut decisions = vec![0.0; self.rho.len()];
        let (mut votes, mut sums) = (vec![0.0; voting.n_seen()], vec![0.0; voting.n_seen()]);
        for (row, out) in rows.rows().zip(out) {
            self.decisions(row, &mut values, &mut decisions);
            *out = voting.vote(&decisions, &mut votes, &mut sums);
        }
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let n = self.vectors.len() / self.d;
        let parts = Parts::new()
            .with_shared("support_vectors", vec![n, self.d], self.vectors.clone())
            .with_shared("dual_coef", vec![self.coef.len() / n.max(1), n], self.coef.clone())
            .with("rho", self.rho.clone())
            .with("kernel", vec![self.kernel.gamma, self.kernel.coef0])
            .with_meta("kernel", &self.kernel.form.name())?
            .with_meta("degree", &self.kernel.degree)?
            .with_meta("n_features", &self.d)?;
        match &self.voting {
            None => parts.with_meta("n_classes", &0),
            Some(voting) => voting.encode(parts),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.vectors.private_bytes() + self.coef.private_bytes() + 8 * self.rho.len()
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        self.voting.as_ref().filter(|voting| !voting.sigmoids.is_empty()).map(|_| self as &dyn Classifier)
    }
}

impl Classifier for SvmModel {
    fn n_classes(&self) -> usize {
        self.voting.as_ref().map_or(0, |voting| voting.classes.n_classes)
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let Some(voting) = self.voting.as_ref().filter(|voting| !voting.sigmoids.is_empty()) else {
            bail!(NotSupported, "this model has no class probabilities: it was trained without probability");
        };
        expect_shape(&rows, self.d, out, voting.classes.n_classes)?;
        require_finite(&rows)?;
        let mut values = vec![0.0; self.vectors.len() / self.d];
        let (mut decisions, mut p) = (vec![0.0; self.rho.len()], vec![0.0; voting.n_seen()]);
        let mut coupling = Coupling::new(voting.n_seen());
        for (row, out) in rows.rows().zip(out.chunks_exact_mut(voting.classes.n_classes)) {
            self.decisions(row, &mut values, &mut decisions);
            voting.probabilities(&mut decisions, &mut coupling, &mut p, out);
        }
        Ok(())
    }
}
