//! Two classes: the posterior is replaced by a normal distribution at its mode (Rasmussen, Williams 2006, algorithms 3.1,
//! 3.2 and 5.1).

use pgml_core::{Parts, Result, Run, Shared, bail};

use super::covariance::Room;
use super::likelihood::Points;
use super::regress::decode_points;
use super::{GaussianProcessParams, Kernel};
use crate::solvers::bounded::Value;
use crate::solvers::kernel_matrix::symmetric;
use crate::solvers::kernels::{axpy, dot, multiply};
use crate::solvers::{chi_squared, cholesky};

/// Growth of the likelihood at which the mode is found.
const LEAST_GROWTH: f64 = 1e-10;
/// The logistic function as a sum of error functions (Williams, Barber 1998): their slopes and weights.
const SLOPES: [f64; 5] = [0.41, 0.4, 0.37, 0.44, 0.39];
const WEIGHTS: [f64; 5] = [-1_854.821_415_1, 3_516.898_936_46, 221.293_467_12, 128.123_238_05, -2_010.494_226_54];

/// The training of one machine.
pub(super) struct Problem<'a> {
    pub points: Points,
    /// 1 for the second class, else 0.
    pub target: Vec<f64>,
    pub max_iter: u32,
    pub run: &'a Run,
}

/// The posterior's mode.
struct Mode {
    /// Targets less their probabilities.
    gap: Vec<f64>,
    /// `√(p (1 − p))`.
    root: Vec<f64>,
    /// The factor of `1 + √W K √W`.
    lower: Vec<f64>,
    /// `K⁻¹` times the latent values.
    dual: Vec<f64>,
    log_likelihood: f64,
}

impl Problem<'_> {
    /// Trains the machine.
    pub fn fit(self, mut kernel: Kernel, params: &GaussianProcessParams, stream: u64) -> Result<Machine> {
        let n = self.points.n_rows() as u64;
        let _memory = self.run.reserve(16 * n.saturating_mul(n), "the posterior's covariances")?;
        let probe = kernel.clone();
        kernel.optimise(params, stream, self.run, |theta| self.evaluate(&probe, theta))?;
        let (matrix, _matrix) = self.points.matrix(&kernel, &kernel.values(), self.run)?;
        let mode = self.mode(&matrix)?.filter(|mode| mode.gap.iter().chain(&mode.root).all(|x| x.is_finite()));
        let Some(mode) = mode else {
            bail!(InvalidData, "the covariances overflow: features are too large, scale them in preprocess");
        };
        let n = self.points.n_rows();
        let packed: Vec<f64> = (0..n).flat_map(|i| &mode.lower[i * n..=i * n + i]).copied().collect();
        Ok(Machine { points: self.points, kernel, gap: mode.gap.into(), root: mode.root.into(), lower: packed.into() })
    }

    /// The mode, by Newton's method; `None` where numbers overflow.
    fn mode(&self, matrix: &[f64]) -> Result<Option<Mode>> {
        let n = self.points.n_rows();
        let times_matrix = |x: &[f64]| matrix.chunks_exact(n).map(|row| dot(row, x)).collect::<Vec<f64>>();
        let mut latent: Vec<f64> = vec![0.0; n];
        let mut best = f64::NEG_INFINITY;
        let mut last = None;
        for _ in 0..self.max_iter {
            self.run.check()?;
            let p: Vec<f64> = latent.iter().map(|f| 1.0 / (1.0 + (-f).exp())).collect();
            let gap: Vec<f64> = self.target.iter().zip(&p).map(|(y, p)| y - p).collect();
            let root: Vec<f64> = p.iter().map(|p| (p * (1.0 - p)).sqrt()).collect();
            let (mut lower, _) = symmetric(n, "the posterior's covariances", &Run::new(), |i, out| {
                multiply(&matrix[i * n..=i * n + i], &root[..=i], out);
                out.iter_mut().for_each(|x| *x *= root[i]);
                out[i] += 1.0;
            })?;
            if !cholesky::factor(&mut lower, n, self.run)? {
                return Ok(None);
            }
            let b: Vec<f64> = (0..n).map(|i| root[i] * root[i] * latent[i] + gap[i]).collect();
            let mut inner: Vec<f64> = times_matrix(&b).iter().zip(&root).map(|(x, root)| x * root).collect();
            cholesky::solve(&lower, n, &mut inner);
            let dual: Vec<f64> = (0..n).map(|i| b[i] - root[i] * inner[i]).collect();
            latent = times_matrix(&dual);
            let losses = latent.iter().zip(&self.target).map(|(f, y)| (-(2.0 * y - 1.0) * f).exp().ln_1p());
            let log_volume: f64 = lower.iter().step_by(n + 1).map(|x| x.ln()).sum();
            let log_likelihood = -0.5 * dot(&dual, &latent) - losses.sum::<f64>() - log_volume;
            if !log_likelihood.is_finite() {
                return Ok(None);
            }
            let grown = log_likelihood - best >= LEAST_GROWTH;
            if grown {
                best = log_likelihood;
            }
            last = Some(Mode { gap, root, lower, dual, log_likelihood: best });
            if !grown {
                break;
            }
        }
        Ok(last)
    }

    /// Minus the log likelihood of the logarithms `theta`, and its slopes.
    fn evaluate(&self, kernel: &Kernel, theta: &[f64]) -> Result<Value> {
        let n = self.points.n_rows();
        let values: Vec<f64> = theta.iter().map(|x| x.exp()).collect();
        let (matrix, _memory) = self.points.matrix(kernel, &values, self.run)?;
        let Some(mode) = self.mode(&matrix)? else { return Ok(None) };
        let third = self.third_derivatives(&matrix, &mode)?;
        let mut inverse = cholesky::inverse(&mode.lower, n, self.run)?;
        for (row, own) in inverse.chunks_exact_mut(n).zip(&mode.root) {
            row.iter_mut().zip(&mode.root).for_each(|(x, other)| *x *= own * other);
        }
        let mut explicit = vec![0.0; values.len()];
        let mut moved = vec![vec![0.0; n]; values.len()];
        self.points.each_slope(kernel, &values, self.run, |i, slopes| {
            for ((sum, moved), slope) in explicit.iter_mut().zip(&mut moved).zip(slopes) {
                let (before, own) = (&slope[..i], slope[i]);
                *sum += mode.dual[i] * dot(before, &mode.dual) - dot(before, &inverse[i * n..i * n + i]);
                *sum += 0.5 * own * (mode.dual[i] * mode.dual[i] - inverse[i * n + i]);
                moved[i] += dot(before, &mode.gap) + own * mode.gap[i];
                axpy(mode.gap[i], before, &mut moved[..i]);
            }
        })?;
        let mut slopes = explicit;
        for (slope, moved) in slopes.iter_mut().zip(&moved) {
            self.run.check()?;
            let spread: Vec<f64> = inverse.chunks_exact(n).map(|row| dot(row, moved)).collect();
            let implicit: Vec<f64> = matrix.chunks_exact(n).zip(moved).map(|(row, x)| x - dot(row, &spread)).collect();
            *slope = -(*slope + dot(&third, &implicit));
        }
        Ok(Some((-mode.log_likelihood, slopes)))
    }

    /// How the likelihood changes with the latent values, through the curvature at the mode.
    fn third_derivatives(&self, matrix: &[f64], mode: &Mode) -> Result<Vec<f64>> {
        let n = self.points.n_rows();
        let mut column = vec![0.0; n];
        let mut out = Vec::with_capacity(n);
        for j in 0..n {
            self.run.check()?;
            multiply(&matrix[j * n..(j + 1) * n], &mode.root, &mut column);
            cholesky::forward(&mode.lower, n, &mut column);
            let variance = matrix[j * n + j] - dot(&column, &column);
            let p = self.target[j] - mode.gap[j];
            out.push(-0.5 * variance * p * (1.0 - p) * (1.0 - 2.0 * p));
        }
        Ok(out)
    }
}

/// A trained machine for two classes.
pub(super) struct Machine {
    points: Points,
    kernel: Kernel,
    gap: Shared<f64>,
    root: Shared<f64>,
    /// The lower triangle, row after row.
    lower: Shared<f64>,
}

/// What predictions of one machine are computed in.
pub(super) struct Workplace {
    values: Vec<f64>,
    covariances: Vec<f64>,
    room: Room,
}

impl Machine {
    pub fn n_features(&self) -> usize {
        self.points.d
    }

    pub fn bytes(&self) -> usize {
        let numbers = self.gap.private_bytes() + self.root.private_bytes() + self.lower.private_bytes();
        self.points.bytes() + numbers
    }

    pub fn workplace(&self) -> Workplace {
        Workplace { values: self.kernel.values(), covariances: vec![0.0; self.points.padded()], room: Room::default() }
    }

    /// The mean of the latent value, above 0 where the second class is more probable.
    pub fn latent(&self, row: &[f64], at: &mut Workplace) -> f64 {
        self.points.covariances(&self.kernel, &at.values, row, &mut at.covariances, &mut at.room);
        dot(&at.covariances[..self.gap.len()], &self.gap)
    }

    /// The probability of the second class.
    pub fn probability(&self, row: &[f64], at: &mut Workplace) -> f64 {
        let mean = self.latent(row, at);
        let column = &mut at.covariances[..self.root.len()];
        let mut start = 0;
        for i in 0..column.len() {
            let lower = &self.lower[start..=start + i];
            column[i] = (column[i] * self.root[i] - dot(&lower[..i], &column[..i])) / lower[i];
            start += i + 1;
        }
        let variance = (self.kernel.covariance.own(row, &at.values) - dot(column, column)).max(0.0);
        let share = |slope: f64| erf(slope * mean / (1.0 + 2.0 * variance * slope * slope).sqrt());
        let sum: f64 = SLOPES.iter().zip(WEIGHTS).map(|(slope, weight)| weight * share(*slope)).sum();
        // The weights sum to 1 less 1e-8: by their sum, so that a mean above 0 is never less probable than one half.
        (0.5 + 0.5 * sum / WEIGHTS.iter().sum::<f64>()).clamp(0.0, 1.0)
    }

    /// Adds the stored form to `parts`, under names that begin with `prefix`.
    pub fn encode(&self, mut parts: Parts, prefix: &str) -> Result<Parts> {
        let (n, d) = (self.points.n_rows(), self.points.d);
        let own = Parts::new()
            .with_shared("rows", vec![n, d], self.points.rows.clone())
            .with_shared("gap", vec![n], self.gap.clone())
            .with_shared("root", vec![n], self.root.clone())
            .with_shared("lower", vec![self.lower.len()], self.lower.clone())
            .with_meta("kernel", &self.kernel.text())?
            .with_meta("n_features", &d)?;
        parts.arrays.extend(own.arrays.into_iter().map(|(name, array)| (format!("{prefix}{name}"), array)));
        parts.meta.extend(own.meta.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)));
        Ok(parts)
    }

    /// Reads what [`Machine::encode`] wrote.
    pub fn decode(parts: &Parts, prefix: &str) -> Result<Self> {
        let plain = |name: &String| name.strip_prefix(prefix).map(str::to_owned);
        let own = Parts {
            arrays: parts.arrays.iter().filter_map(|(name, array)| Some((plain(name)?, array.clone()))).collect(),
            meta: parts.meta.iter().filter_map(|(name, value)| Some((plain(name)?, value.clone()))).collect(),
        };
        let (points, kernel) = decode_points(&own)?;
        let n = points.n_rows();
        let Some(cells) = n.checked_mul(n + 1).map(|twice| twice / 2) else {
            bail!(Corrupted, "stored gaussian_process has {n} rows");
        };
        let (gap, root) = (own.shared_of::<f64>("gap", n)?, own.shared_of::<f64>("root", n)?);
        let lower = own.shared_of::<f64>("lower", cells)?;
        if gap.iter().chain(&root).chain(&lower).any(|x| !x.is_finite()) {
            bail!(Corrupted, "stored gaussian_process has a value that is not finite");
        }
        Ok(Self { points, kernel, gap, root, lower })
    }
}

/// The error function: the χ² distribution with one degree of freedom, with a sign.
fn erf(x: f64) -> f64 {
    chi_squared::cdf(2.0 * x * x, 1).copysign(x)
}
