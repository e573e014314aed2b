//! Classification: one machine for two classes, else one per class or per pair of classes.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Classifier, Dataset, MatrixRef, Parts, Result, Run, bail};

use super::laplace::{Machine, Problem, Workplace};
use super::likelihood::Points;
use super::{GaussianProcessParams, Kernel};
use crate::linear_model::Classes;

/// What stands for no kernel: it is not learnt, as in scikit-learn.
const USUAL_KERNEL: &str = "constant(1, \"fixed\") * rbf(1, \"fixed\")";

pub(super) fn fit(params: &GaussianProcessParams, data: &Dataset, run: &Run) -> Result<GaussianClassifier> {
    let (n, d) = (data.n_rows(), data.n_features());
    let kernel = Kernel::read(params, USUAL_KERNEL, d)?;
    let target = data.target()?;
    let classes = Classes::seen_in(target, data.n_classes())?;
    let k = classes.seen.len() as u32;
    let positions: &[u32] = &classes.positions(target);
    let by_pairs = params.multi_class == "one_vs_one" && k > 2;
    let _memory = run.reserve(16 * (n * d) as u64, "the matrix of features")?;
    let rows = data.to_rows();
    // Each machine's rows, and which of them are of its second class.
    let of_pair = |first: u32, second: u32| {
        let members = (0..n).filter(|i| [first, second].contains(&positions[*i]));
        members.map(|i| (i, positions[i] == second)).collect::<Vec<_>>()
    };
    let all = |class: u32| (0..n).map(|i| (i, positions[i] == class)).collect::<Vec<_>>();
    let machine = |stream: usize, members: Vec<(usize, bool)>| {
        let points: Vec<f64> = members.iter().flat_map(|(i, _)| &rows[i * d..(i + 1) * d]).copied().collect();
        let problem = Problem {
            points: Points::new(points, d),
            target: members.iter().map(|(_, second)| f64::from(u8::from(*second))).collect(),
            max_iter: params.max_iter_predict,
            run,
        };
        problem.fit(kernel.clone(), params, stream as u64)
    };
    let machines = match k {
        2 => vec![machine(0, all(1))?],
        _ if by_pairs => pairs(k).enumerate().map(|(m, (i, j))| machine(m, of_pair(i, j))).collect::<Result<_>>()?,
        _ => (0..k).map(|class| machine(class as usize, all(class))).collect::<Result<_>>()?,
    };
    Ok(GaussianClassifier { classes, by_pairs, machines })
}

/// The pairs of `k` classes.
fn pairs(k: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..k).flat_map(move |i| (i + 1..k).map(move |j| (i, j)))
}

/// A machine for two classes, or several.
pub(super) struct GaussianClassifier {
    classes: Classes,
    /// Whether there is a machine per pair of classes.
    by_pairs: bool,
    machines: Vec<Machine>,
}

impl GaussianClassifier {
    pub fn n_features(&self) -> usize {
        self.machines[0].n_features()
    }

    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.machines.iter().map(Machine::bytes).sum::<usize>()
    }

    pub fn has_probabilities(&self) -> bool {
        !self.by_pairs
    }

    pub fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.n_features(), out, 1)?;
        require_finite(&rows)?;
        let k = self.classes.seen.len();
        let mut places: Vec<Workplace> = self.machines.iter().map(Machine::workplace).collect();
        let (mut votes, mut sums) = (vec![0.0; k], vec![0.0; k]);
        for (row, out) in rows.rows().zip(out) {
            let best = match (&self.machines[..], &mut places[..]) {
                ([only], [place]) => usize::from(only.latent(row, place) > 0.0),
                _ if self.by_pairs => self.vote(row, &mut places, &mut votes, &mut sums),
                _ => {
                    self.probabilities(row, &mut places, &mut sums);
                    // The last of equals, as in scikit-learn.
                    (0..k).fold(0, |best, class| if sums[class] >= sums[best] { class } else { best })
                }
            };
            *out = f64::from(self.classes.seen[best]);
        }
        Ok(())
    }

    /// The probability of each class that was seen, from one machine per class.
    fn probabilities(&self, row: &[f64], places: &mut [Workplace], out: &mut [f64]) {
        for ((p, machine), place) in out.iter_mut().zip(&self.machines).zip(places) {
            *p = machine.probability(row, place);
        }
        let total: f64 = out.iter().sum();
        let k = out.len() as f64;
        out.iter_mut().for_each(|p| *p = if total > 0.0 { *p / total } else { 1.0 / k });
    }

    /// The class of most pairs; equal numbers are decided by the sum of probabilities, as in scikit-learn.
    fn vote(&self, row: &[f64], places: &mut [Workplace], votes: &mut [f64], sums: &mut [f64]) -> usize {
        votes.fill(0.0);
        sums.fill(0.0);
        let k = votes.len() as u32;
        for ((i, j), (machine, place)) in pairs(k).zip(self.machines.iter().zip(places)) {
            let (i, j) = (i as usize, j as usize);
            let second = machine.latent(row, place) > 0.0;
            let p = machine.probability(row, place);
            votes[if second { j } else { i }] += 1.0;
            sums[i] -= p;
            sums[j] += p;
        }
        for (vote, sum) in votes.iter_mut().zip(&*sums) {
            *vote += sum / (3.0 * (sum.abs() + 1.0));
        }
        (0..votes.len()).fold(0, |best, class| if votes[class] > votes[best] { class } else { best })
    }

    pub fn encode(&self) -> Result<Parts> {
        let mut parts = self.classes.encode(Parts::new())?.with_meta("by_pairs", &self.by_pairs)?;
        for (m, machine) in self.machines.iter().enumerate() {
            parts = machine.encode(parts, &format!("machine{m}."))?;
        }
        Ok(parts)
    }

    pub fn decode(parts: &Parts) -> Result<Self> {
        let (classes, by_pairs): (_, bool) = (Classes::decode(parts)?, parts.meta("by_pairs")?);
        let k = classes.seen.len();
        let n_machines = match k {
            2 => 1,
            _ if by_pairs => k * (k - 1) / 2,
            _ => k,
        };
        if by_pairs && k == 2 {
            bail!(Corrupted, "stored gaussian_process has pairs of two classes");
        }
        let mut machines = Vec::new();
        for m in 0..n_machines {
            let machine = Machine::decode(parts, &format!("machine{m}."))?;
            if machines.first().is_some_and(|first: &Machine| first.n_features() != machine.n_features()) {
                bail!(Corrupted, "stored gaussian_process has machines of different features");
            }
            machines.push(machine);
        }
        Ok(Self { classes, by_pairs, machines })
    }
}

impl Classifier for GaussianClassifier {
    fn n_classes(&self) -> usize {
        self.classes.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        if self.by_pairs {
            bail!(NotSupported, "gaussian_process of pairs of classes has no probabilities: take one_vs_rest");
        }
        expect_shape(&rows, self.n_features(), out, self.classes.n_classes)?;
        require_finite(&rows)?;
        let mut places: Vec<Workplace> = self.machines.iter().map(Machine::workplace).collect();
        let mut p = vec![0.0; self.classes.seen.len()];
        for (row, out) in rows.rows().zip(out.chunks_exact_mut(self.classes.n_classes)) {
            match (&self.machines[..], &mut places[..]) {
                ([only], [place]) => {
                    p[1] = only.probability(row, place);
                    p[0] = 1.0 - p[1];
                }
                _ => self.probabilities(row, &mut places, &mut p),
            }
            out.fill(0.0);
            self.classes.seen.iter().zip(&p).for_each(|(class, p)| out[*class as usize] = *p);
        }
        Ok(())
    }
}
