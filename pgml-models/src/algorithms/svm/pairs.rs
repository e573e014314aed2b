//! Training of one machine per pair of classes, in libsvm's order, and of their sigmoids.

use pgml_core::{Dataset, Result, bail};

use super::voting::Voting;
use super::{Machines, SvmModel, spread};
use crate::linear_model::Classes;
use crate::solvers::class_weight;
use crate::solvers::kernel_function::QUERIES_AT_A_TIME;
use crate::solvers::kernels::axpy;
use crate::solvers::platt::Sigmoid;
use crate::solvers::smo::{Dual, Solution};

const FOLDS: usize = 5;

/// Rows by class: each class is one range.
struct Sorted {
    /// Row-major, `n × d`.
    rows: Vec<f64>,
    /// The upper bound of each row's multiplier.
    c: Vec<f64>,
    /// Where the classes start, and the end.
    starts: Vec<usize>,
}

/// The rows of two classes, the first class first.
struct Pair {
    rows: Vec<f64>,
    c: Vec<f64>,
    n_first: usize,
}

pub fn classify(machines: &mut Machines<'_>, data: &Dataset, rows: &[f64]) -> Result<SvmModel> {
    let (params, run) = (machines.params, machines.run);
    let target = data.target()?;
    let factors = class_weight::factors(&params.class_weight, target, data.n_classes(), None)?;
    // As in scikit-learn, rows without weight are as if absent.
    let used: Vec<usize> = (0..data.n_rows()).filter(|i| data.weight().is_none_or(|w| w[*i] > 0.0)).collect();
    let labels: Vec<f64> = used.iter().map(|i| target[*i]).collect();
    let classes = Classes::seen_in(&labels, data.n_classes())?;
    let c = |i: usize| params.C * factors[target[i] as usize] * data.weight().map_or(1.0, |w| w[i]);
    let sorted = sort(&classes, &used, target, rows, c, machines.d);
    let (n, k) = (used.len(), classes.seen.len());
    let _memory = run.reserve(8 * ((k - 1) * (n + k)) as u64, "the multipliers of all pairs of classes")?;
    let (mut coef, mut rho, mut sigmoids) = (vec![0.0; (k - 1) * n], Vec::new(), Vec::new());
    for (i, j) in super::voting::pairs(k) {
        let pair = sorted.pair(i, j, machines.d);
        let all: Vec<usize> = (0..pair.c.len()).collect();
        let solution = pair.solve(&all, machines)?;
        // Class i keeps its multipliers against j in row j − 1, class j those against i in row i.
        let (own, other) = solution.alpha.split_at(pair.n_first);
        coef[(j - 1) * n + sorted.starts[i]..][..own.len()].copy_from_slice(own);
        coef[i * n + sorted.starts[j]..][..other.len()].iter_mut().zip(other).for_each(|(c, a)| *c = -a);
        rho.push(solution.rho);
        if params.probability {
            sigmoids.push(pair.sigmoid(rho.len() as u64, machines)?);
        }
    }
    let voting = Voting { classes, starts: sorted.starts, break_ties: params.break_ties, sigmoids };
    SvmModel::new(machines.kernel, machines.d, sorted.rows, coef, rho, Some(voting))
}

fn sort(classes: &Classes, used: &[usize], target: &[f64], rows: &[f64], c: impl Fn(usize) -> f64, d: usize) -> Sorted {
    let mut order = used.to_vec();
    order.sort_by_key(|i| target[*i] as usize);
    let mut starts: Vec<usize> =
        classes.seen.iter().map(|class| order.partition_point(|i| (target[*i] as usize) < *class as usize)).collect();
    starts.push(order.len());
    let rows = order.iter().flat_map(|i| rows[i * d..(i + 1) * d].iter().copied()).collect();
    Sorted { rows, c: order.iter().map(|i| c(*i)).collect(), starts }
}

impl Sorted {
    fn pair(&self, i: usize, j: usize, d: usize) -> Pair {
        let (first, second) = (self.starts[i]..self.starts[i + 1], self.starts[j]..self.starts[j + 1]);
        let rows = |range: &std::ops::Range<usize>| &self.rows[range.start * d..range.end * d];
        Pair {
            rows: [rows(&first), rows(&second)].concat(),
            c: [&self.c[first.clone()], &self.c[second]].concat(),
            n_first: first.len(),
        }
    }
}

impl Pair {
    /// The machine of the rows `subset`.
    fn solve(&self, subset: &[usize], machines: &mut Machines<'_>) -> Result<Solution> {
        let y: Vec<f64> = subset.iter().map(|i| if *i < self.n_first { 1.0 } else { -1.0 }).collect();
        let c: Vec<f64> = subset.iter().map(|i| self.c[*i]).collect();
        let start = machines.nu.map(|nu| shares(&c, &y, nu)).transpose()?;
        let p = vec![if start.is_some() { 0.0 } else { -1.0 }; subset.len()];
        let dual = Dual { p, y, c };
        let mut solution = if subset.len() == self.c.len() {
            machines.solve(&dual, start, &self.rows)?
        } else {
            let rows: Vec<f64> = subset.iter().flat_map(|i| self.row(*i, machines.d).iter().copied()).collect();
            machines.solve(&dual, start, &rows)?
        };
        if machines.nu.is_some() {
            // In units in which the margin is 1.
            solution.alpha.iter_mut().for_each(|a| *a /= solution.margin);
            solution.rho /= solution.margin;
        }
        Ok(solution)
    }

    fn row(&self, i: usize, d: usize) -> &[f64] {
        &self.rows[i * d..(i + 1) * d]
    }

    /// Fits the sigmoid to decisions about rows that the deciding machine has not seen.
    fn sigmoid(&self, stream: u64, machines: &mut Machines<'_>) -> Result<Sigmoid> {
        let n = self.c.len();
        let fold = self.folds(stream, machines);
        let mut decisions = vec![0.0; n];
        for held_out in 0..FOLDS {
            let (test, train): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| fold[*i] == held_out);
            let n_first = train.iter().filter(|i| **i < self.n_first).count();
            if n_first == 0 || n_first == train.len() {
                // Nothing to tell apart: the only class there is, and no decision without any.
                let only = if train.is_empty() {
                    0.0
                } else if n_first > 0 {
                    1.0
                } else {
                    -1.0
                };
                test.iter().for_each(|i| decisions[*i] = only);
                continue;
            }
            let solution = self.solve(&train, machines)?;
            let coef: Vec<f64> =
                train.iter().zip(&solution.alpha).map(|(i, a)| if *i < self.n_first { *a } else { -a }).collect();
            let vectors: Vec<f64> = train.iter().flat_map(|i| self.row(*i, machines.d).iter().copied()).collect();
            for test in test.chunks(QUERIES_AT_A_TIME) {
                machines.run.check()?;
                let queries: Vec<f64> = test.iter().flat_map(|i| self.row(*i, machines.d).iter().copied()).collect();
                let mut sums = vec![-solution.rho; test.len()];
                machines
                    .kernel
                    .with_each(&vectors, &queries, machines.d, |s, kernels| axpy(coef[s], kernels, &mut sums));
                test.iter().zip(sums).for_each(|(i, sum)| decisions[*i] = sum);
            }
        }
        Ok(Sigmoid::fit(&decisions, &(0..n).map(|i| i < self.n_first).collect::<Vec<_>>()))
    }

    /// The fold of each row; both classes are spread evenly.
    fn folds(&self, stream: u64, machines: &Machines<'_>) -> Vec<usize> {
        let n = self.c.len();
        let mut order: Vec<usize> = (0..n).collect();
        let (first, second) = order.split_at_mut(self.n_first);
        let mut rng = machines.run.rng(stream);
        rng.shuffle(first);
        rng.shuffle(second);
        let mut fold = vec![0; n];
        order.iter().enumerate().for_each(|(at, i)| fold[*i] = at % FOLDS);
        fold
    }
}

/// Multipliers of either sign whose sums are half of `nu` of all bounds, as an optimum of the ν-machine has them.
fn shares(c: &[f64], y: &[f64], nu: f64) -> Result<Vec<f64>> {
    let half = nu * c.iter().sum::<f64>() / 2.0;
    let mut alpha = vec![0.0; c.len()];
    for sign in [1.0, -1.0] {
        let bounds: Vec<f64> = c.iter().zip(y).map(|(c, y)| if *y == sign { *c } else { 0.0 }).collect();
        let (taken, left) = spread(&bounds, half);
        if left > 1e-9 * half {
            bail!(
                InvalidData,
                "nu of nu_svm is {nu}, but of two classes no more can be on the wrong side than twice the share of the \
                 smaller one: lower nu"
            );
        }
        axpy(1.0, &taken, &mut alpha);
    }
    Ok(alpha)
}
