//! A normal distribution per class.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Classifier, Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

use crate::linear_model::Classes;
use crate::solvers::class_priors::priors;
use crate::solvers::discriminants::{Largest, softmax};
use crate::solvers::mahalanobis::Whitening;
use crate::solvers::scatter::{Axes, Shrinkage, axes, by_class, shrunk_covariance};
use crate::solvers::symmetric_eigen::{Eigen, symmetric_eigen};

hyperparams! {
    /// Parameters of `quadratic_discriminant`.
    pub struct QuadraticDiscriminantParams {
        /// How each class's extent is found: svd from its rows, eigen from its covariance matrix, which shrinkage needs.
        solver: String = "svd".to_owned(), choices: ["svd", "eigen"];
        /// Solver eigen: how far covariances shrink towards a sphere: null, "auto" (Ledoit and Wolf), or a share from 0 to 1.
        shrinkage: Value = Value::Null;
        /// How probable classes are: null (their share of rows), "uniform", or an array with a number per class.
        priors: Value = Value::Null;
        /// Solver svd: how far variances move towards 1.
        reg_param: f64 = 0.0, range: between(0.0, 1.0);
        /// Least variance in any direction: where a class has less, this counts, with a warning.
        tol: f64 = 1e-4, range: at_least(0.0);
        /// Accepted for compatibility.
        store_covariance: bool = false, no_effect: true;
    }
}

/// Quadratic discriminant analysis.
pub struct QuadraticDiscriminant;

impl Estimator for QuadraticDiscriminant {
    const NAME: &'static str = "quadratic_discriminant";
    const DESCRIPTION: &'static str =
        "Describes each class by a normal distribution of its own; its borders are curved. Scale the features.";
    const SOURCE: &'static str =
        "Hastie, Tibshirani, Friedman 2009, section 4.3; scikit-learn 1.9 QuadraticDiscriminantAnalysis";
    const TASKS: &'static [Task] = &[Task::Classification];
    const VERSION: u32 = 1;
    type Params = QuadraticDiscriminantParams;
    type Model = QuadraticDiscriminantModel;

    fn fit(params: &QuadraticDiscriminantParams, data: &Dataset, _: Task, run: &Run) -> Result<Self::Model> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "quadratic_discriminant knows no weights of rows");
        }
        let shrinkage = Shrinkage::read(&params.shrinkage)?;
        if params.solver == "svd" && shrinkage != Shrinkage::None {
            bail!(InvalidParameter, "shrinkage of quadratic_discriminant needs the solver \"eigen\"");
        }
        let target = data.target()?;
        let classes = Classes::seen_in(target, data.n_classes())?;
        let priors = priors(&params.priors, target, &classes)?;
        let (d, k) = (data.n_features(), classes.seen.len());
        let _rows = run.reserve(data.bytes(), "the rows of each class")?;
        let _matrices = run.reserve(8 * (k * d * d) as u64, "a matrix per class")?;
        let mut thin = 0;
        let mut distributions = Vec::with_capacity(k);
        for (at, rows) in by_class(data, &classes.positions(target), k).iter().enumerate() {
            run.progress("training", at as u64, k as u64);
            let (mean, directions, mut variances) = extent(params, rows, shrinkage, run)?;
            thin += variances.iter().filter(|v| **v <= params.tol).count();
            // A direction without any extent would tell the class apart with certainty.
            let least = params.tol.max(f64::MIN_POSITIVE);
            variances.iter_mut().for_each(|v| *v = v.max(least));
            let log_volume: f64 = variances.iter().map(|v| v.ln()).sum();
            distributions.push((Whitening::new(mean, &directions, &variances), log_volume));
        }
        if thin > 0 {
            run.warn(&format!(
                "quadratic_discriminant: classes extend by less than tol = {} in {thin} directions, which count as tol; \
                 raise reg_param or shrinkage, drop columns that repeat others, or scale the features",
                params.tol
            ));
        }
        let model = QuadraticDiscriminantModel { d, classes, distributions, priors };
        if model.is_sound() { Ok(model) } else { bail!(InvalidData, "the covariances overflow: scale the features") }
    }

    fn decode(parts: &Parts) -> Result<QuadraticDiscriminantModel> {
        let (classes, d): (_, usize) = (Classes::decode(parts)?, parts.meta("n_features")?);
        let k = classes.seen.len();
        let sizes = d.checked_mul(k).and_then(|means| Some((means, means.checked_mul(d)?)));
        let Some((n_means, n_cells)) = sizes.filter(|_| d > 0) else {
            bail!(Corrupted, "stored quadratic_discriminant has {d} features and {k} classes");
        };
        let (means, columns) = (parts.array_of::<f64>("means", n_means)?, parts.array_of::<f64>("whitening", n_cells)?);
        let volumes = parts.array_of::<f64>("log_volumes", k)?;
        let distribution = |((centre, columns), volume): ((&[f64], &[f64]), &f64)| {
            (Whitening { centre: centre.to_vec(), columns: columns.to_vec() }, *volume)
        };
        let distributions =
            means.chunks_exact(d).zip(columns.chunks_exact(d * d)).zip(volumes).map(distribution).collect();
        let model =
            QuadraticDiscriminantModel { d, classes, distributions, priors: parts.array_of("priors", k)?.to_vec() };
        if model.is_sound() { Ok(model) } else { bail!(Corrupted, "stored quadratic_discriminant is not finite") }
    }
}

/// The mean of the rows, all directions (one row of `d` each), and the variances along them.
fn extent(
    params: &QuadraticDiscriminantParams,
    rows: &Dataset,
    shrinkage: Shrinkage,
    run: &Run,
) -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let (n, d) = (rows.n_rows(), rows.n_features());
    let regularised = |v: f64| (1.0 - params.reg_param) * v + params.reg_param;
    // Fewer rows than features leave directions that the rows say nothing of: the matrix has them all.
    if params.solver == "svd" && n > d {
        let mean = crate::solvers::blocks::feature_means(rows, None, run)?;
        let Axes { lengths, directions } = axes(rows, true, run)?;
        return Ok((mean, directions, lengths.iter().map(|s| regularised(s * s / n as f64)).collect()));
    }
    let (mean, matrix) = shrunk_covariance(rows, shrinkage, run)?;
    let Eigen { mut values, vectors } = symmetric_eigen(matrix, d, run)?;
    if params.solver == "svd" {
        values.iter_mut().for_each(|v| *v = regularised(*v));
    }
    Ok((mean, vectors, values))
}

/// A normal distribution per class.
pub struct QuadraticDiscriminantModel {
    d: usize,
    classes: Classes,
    /// Of each class that was seen, with the logarithm of the determinant of its covariance.
    distributions: Vec<(Whitening, f64)>,
    priors: Vec<f64>,
}

impl QuadraticDiscriminantModel {
    fn is_sound(&self) -> bool {
        self.distributions.iter().all(|(w, volume)| w.is_finite() && volume.is_finite())
            && self.priors.iter().all(|p| (0.0..=1.0).contains(p))
    }

    /// The logarithm of each class's probability, up to a common constant.
    fn scores(&self, row: &[f64], room: &mut [f64], scores: &mut [f64]) {
        for ((score, (whitening, volume)), prior) in scores.iter_mut().zip(&self.distributions).zip(&self.priors) {
            *score = prior.ln() - 0.5 * (whitening.squared_distance(row, room) + volume);
        }
    }

    fn each_row(
        &self,
        rows: MatrixRef<'_>,
        out: &mut [f64],
        width: usize,
        answer: impl Fn(&[f64], &mut [f64]),
    ) -> Result<()> {
        expect_shape(&rows, self.d, out, width)?;
        require_finite(&rows)?;
        let (mut room, mut scores) = (vec![0.0; self.d], vec![0.0; self.priors.len()]);
        for (row, out) in rows.rows().zip(out.chunks_exact_mut(width)) {
            self.scores(row, &mut room, &mut scores);
            answer(&scores, out);
        }
        Ok(())
    }
}

impl Model for QuadraticDiscriminantModel {
    fn n_features(&self) -> usize {
        self.d
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        let class = |scores: &[f64]| f64::from(self.classes.seen[scores.iter().copied().largest()]);
        self.each_row(rows, out, 1, |scores, out| out[0] = class(scores))
    }

    fn encode(&self) -> Result<Parts> {
        let (k, d) = (self.priors.len(), self.d);
        let means = self.distributions.iter().flat_map(|(w, _)| w.centre.iter().copied()).collect();
        let columns = self.distributions.iter().flat_map(|(w, _)| w.columns.iter().copied()).collect();
        self.classes
            .encode(Parts::new())?
            .with_shape("means", vec![k, d], means)
            .with_shape("whitening", vec![k, d, d], columns)
            .with("log_volumes", self.distributions.iter().map(|(_, volume)| *volume).collect::<Vec<_>>())
            .with("priors", self.priors.clone())
            .with_meta("n_features", &d)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * self.priors.len() * (self.d * self.d + self.d + 2)
    }

    fn classifier(&self) -> Option<&dyn Classifier> {
        Some(self)
    }
}

impl Classifier for QuadraticDiscriminantModel {
    fn n_classes(&self) -> usize {
        self.classes.n_classes
    }

    fn predict_proba_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.each_row(rows, out, self.classes.n_classes, |scores, out| softmax(&self.classes.seen, |k| scores[k], out))
    }
}
