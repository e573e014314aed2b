//! A trained support vector machine: support vectors and the machines made of them.

use std::ops::Range;
use std::sync::OnceLock;

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Classifier, MatrixRef, Model, Parts, Result, Shared, bail};

use super::voting::Voting;
use crate::solvers::kernel_function::{Form, Kernel, QUERIES_AT_A_TIME};
use crate::solvers::kernels::axpy;
use crate::solvers::packets::{LANES, pack};
use crate::solvers::platt::Coupling;

/// Support vectors that one row is compared with before its sums grow: their kernels stay in the first-level cache.
const VECTORS_AT_A_TIME: usize = 64 * LANES;

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
    /// `vectors` in packets, made when few rows come: those are compared with several vectors at once.
    packets: OnceLock<Vec<f64>>,
}

impl SvmModel {
    /// A model of those `vectors` that have a coefficient other than 0.
    ///
    /// # Errors
    /// [`InvalidData`](pgml_core::ErrorKind::InvalidData) when a number is not finite: the features were too large to
    /// compute with.
    pub(in crate::algorithms) fn new(
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
        Ok(Self { d, kernel, vectors, coef, rho, voting, packets: OnceLock::new() })
    }

    pub(in crate::algorithms) fn decode(parts: &Parts) -> Result<Self> {
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
        let (kernel, packets) = (decode_kernel(parts)?, OnceLock::new());
        Ok(Self { d, kernel, vectors, coef, rho, voting, packets })
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
        let (width, room) = (self.rho.len(), QUERIES_AT_A_TIME.next_multiple_of(LANES));
        let mut sums = vec![0.0; room * width];
        let groups = rows.as_slice().chunks(QUERIES_AT_A_TIME * self.d).zip(out.chunks_mut(QUERIES_AT_A_TIME * width));
        for (queries, out) in groups {
            self.decide(queries, &mut sums, room);
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                out.iter_mut().enumerate().for_each(|(m, out)| *out = sums[m * room + row] - self.rho[m]);
            }
        }
        Ok(())
    }

    /// Calls `answer` with the decisions about each row and its `width` outputs.
    fn each_decision(
        &self,
        rows: MatrixRef<'_>,
        out: &mut [f64],
        width: usize,
        mut answer: impl FnMut(&mut [f64], &mut [f64]),
    ) -> Result<()> {
        let mut decisions = vec![0.0; QUERIES_AT_A_TIME.min(rows.n_rows()) * self.rho.len()];
        let groups = rows.as_slice().chunks(QUERIES_AT_A_TIME * self.d).zip(out.chunks_mut(QUERIES_AT_A_TIME * width));
        for (queries, out) in groups {
            let queries = MatrixRef::new(queries, self.d)?;
            let decisions = &mut decisions[..queries.n_rows() * self.rho.len()];
            self.decisions_into(queries, decisions)?;
            let rows = decisions.chunks_exact_mut(self.rho.len()).zip(out.chunks_exact_mut(width));
            rows.for_each(|(decisions, out)| answer(decisions, out));
        }
        Ok(())
    }

    /// Writes `Σ y α K` of each machine about each of `queries` into `sums`: `room` numbers per machine.
    fn decide(&self, queries: &[f64], sums: &mut [f64], room: usize) {
        sums.fill(0.0);
        if queries.len() < LANES * self.d {
            let rows = queries.chunks_exact(self.d).enumerate();
            return rows.for_each(|(row, query)| self.decide_one(query, sums, row, room));
        }
        let mut part = 0..0;
        let mut terms = Vec::new();
        self.kernel.with_each(&self.vectors, queries, self.d, |i, kernels| {
            if !part.contains(&i) {
                part = self.part(i, &mut terms);
            }
            for (machine, coef) in &terms {
                axpy(self.coef[coef + i], kernels, &mut sums[machine * room..(machine + 1) * room]);
            }
        });
    }

    /// As [`SvmModel::decide`] about one row, the number `row` of `sums`: the same additions in the same order.
    fn decide_one(&self, query: &[f64], sums: &mut [f64], row: usize, room: usize) {
        let packets = self.packets.get_or_init(|| {
            let mut packets = Vec::with_capacity((self.vectors.len() / self.d).next_multiple_of(LANES) * self.d);
            pack(&self.vectors, self.d, &mut packets);
            packets
        });
        let n = self.vectors.len() / self.d;
        let (mut kernels, mut terms, mut part) = ([0.0; VECTORS_AT_A_TIME], Vec::new(), 0..0);
        for (packets, first) in packets.chunks(VECTORS_AT_A_TIME * self.d).zip((0..n).step_by(VECTORS_AT_A_TIME)) {
            self.kernel.fill(packets, query, &mut kernels[..packets.len() / self.d]);
            let last = (first + VECTORS_AT_A_TIME).min(n);
            let mut i = first;
            while i < last {
                if !part.contains(&i) {
                    part = self.part(i, &mut terms);
                }
                let end = part.end.min(last);
                for (machine, coef) in &terms {
                    let products = self.coef[coef + i..coef + end].iter().zip(&kernels[i - first..]);
                    let sum = &mut sums[machine * room + row];
                    *sum = products.fold(*sum, |sum, (coef, kernel)| sum + coef * kernel);
                }
                i = end;
            }
        }
    }

    /// The vectors around `i` that count for the same machines. `terms` gets those machines, each with where its
    /// coefficients begin.
    fn part(&self, i: usize, terms: &mut Vec<(usize, usize)>) -> Range<usize> {
        let n = self.vectors.len() / self.d;
        terms.clear();
        let Some(Voting { classes, starts, .. }) = &self.voting else {
            terms.extend((0..self.rho.len()).map(|machine| (machine, machine * n)));
            return 0..n;
        };
        let (k, own) = (classes.seen.len(), starts.partition_point(|start| *start <= i) - 1);
        terms.extend((0..k).filter(|other| *other != own).map(|other| {
            (machine(k, own.min(other), own.max(other)), n * if other > own { other - 1 } else { other })
        }));
        starts[own]..starts[own + 1]
    }
}

/// The position of the machine for classes `i < j` of `k` among [`super::voting::pairs`].
fn machine(k: usize, i: usize, j: usize) -> usize {
    i * k - i * (i + 1) / 2 + j - i - 1
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
        let (mut votes, mut sums) = (vec![0.0; voting.n_seen()], vec![0.0; voting.n_seen()]);
        self.each_decision(rows, out, 1, |decisions, out| out[0] = voting.vote(decisions, &mut votes, &mut sums))
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
        let packets = 8 * self.packets.get().map_or(0, Vec::len);
        size_of::<Self>() + self.vectors.private_bytes() + self.coef.private_bytes() + 8 * self.rho.len() + packets
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
        let (mut p, mut coupling) = (vec![0.0; voting.n_seen()], Coupling::new(voting.n_seen()));
        self.each_decision(rows, out, voting.classes.n_classes, |decisions, out| {
            voting.probabilities(decisions, &mut coupling, &mut p, out);
        })
    }
}
