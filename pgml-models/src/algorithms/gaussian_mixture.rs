//! Clustering by a mixture of normal distributions.

mod covariances;
mod gaussians;
mod initial;
mod maximisation;
mod model;

use pgml_core::{Dataset, Estimator, Parts, Result, Run, Task, bail, hyperparams};
use serde_json::Value;

pub use model::GaussianMixtureModel;

use covariances::Kind;
use gaussians::Gaussians;
use initial::Given;
use maximisation::Sums;

/// Rows per block: densities of one block stay in the cache.
const BLOCK: usize = 256;

hyperparams! {
    /// Parameters of `gaussian_mixture`.
    pub struct GaussianMixtureParams {
        /// How many normal distributions, each a cluster.
        n_components: u32 = 1, range: at_least(1.0);
        /// Shape of the distributions: full (any, each its own), tied (any, all the same), diag (along the features), spherical (round).
        covariance_type: String = "full".to_owned(), choices: ["full", "tied", "diag", "spherical"];
        /// Change of the mean log likelihood at which to stop.
        tol: f64 = 1e-3, range: at_least(0.0);
        /// What is added to variances, so that no distribution shrinks to a point.
        reg_covar: f64 = 1e-6, range: at_least(0.0);
        /// Most iterations per start.
        max_iter: u32 = 100, range: at_least(1.0);
        /// How many starts to try, keeping the likeliest.
        n_init: u32 = 1, range: at_least(1.0);
        /// Where to start: clusters of k-means (kmeans), rows far apart (k-means++), any rows (random_from_data) or random memberships (random).
        init_params: String = "kmeans".to_owned(), choices: ["kmeans", "k-means++", "random", "random_from_data"];
        /// First weights of the distributions, an array; null takes those of the start.
        weights_init: Value = Value::Null;
        /// First means, one array of features per distribution; null takes those of the start.
        means_init: Value = Value::Null;
        /// First inverse covariances, in the shape of covariance_type; null takes those of the start.
        precisions_init: Value = Value::Null;
        /// Seed; null takes the training's.
        random_state: Option<u64> = None;
        /// Accepted for compatibility.
        warm_start: bool = false, no_effect: true;
        /// Accepted for compatibility.
        verbose: i32 = 0, no_effect: true;
        /// Accepted for compatibility.
        verbose_interval: i32 = 10, no_effect: true;
    }
}

/// Gaussian mixture.
pub struct GaussianMixture;

impl Estimator for GaussianMixture {
    const NAME: &'static str = "gaussian_mixture";
    const DESCRIPTION: &'static str =
        "Clusters of any ellipsoidal shape and size: rows are drawn from normal distributions that are found.";
    const SOURCE: &'static str = "Dempster, Laird, Rubin 1977; scikit-learn 1.9 GaussianMixture";
    const TASKS: &'static [Task] = &[Task::Clustering];
    const VERSION: u32 = 1;
    type Params = GaussianMixtureParams;
    type Model = GaussianMixtureModel;

    fn fit(params: &GaussianMixtureParams, data: &Dataset, _: Task, run: &Run) -> Result<GaussianMixtureModel> {
        data.require_finite()?;
        let (n, d, k) = (data.n_rows(), data.n_features(), params.n_components as usize);
        if n < k.max(2) {
            bail!(InvalidData, "gaussian_mixture with {k} components needs at least {} rows, not {n}", k.max(2));
        }
        let kind = Kind::named(&params.covariance_type);
        let given = Given::read(params, kind, k, d)?;
        let run = &params.random_state.map_or_else(|| run.clone(), |seed| run.clone().with_seed(seed));
        let _memory = run.reserve(8 * (n * (2 * d + k) + 8 * k * d * d) as u64, "the matrix of features")?;
        let rows = data.to_rows();
        let problem = Problem { rows: &rows, d, kind, reg_covar: params.reg_covar };
        let mut best: Option<Fitted> = None;
        for start in 0..params.n_init {
            let first = initial::gaussians(params, &problem, &given, data, u64::from(start), run)?;
            let fitted = problem.maximise(first, params, run)?;
            if best.as_ref().is_none_or(|best| fitted.lower_bound > best.lower_bound) {
                best = Some(fitted);
            }
        }
        let Some(best) = best else { bail!(Internal, "gaussian_mixture made no start") };
        if !best.converged {
            run.warn("gaussian_mixture did not converge: raise max_iter or tol, or try another start");
        }
        GaussianMixtureModel::new(best.gaussians, best.lower_bound)
    }

    fn decode(parts: &Parts) -> Result<GaussianMixtureModel> {
        GaussianMixtureModel::decode(parts)
    }
}

/// What is to be explained, and by distributions of which shape.
struct Problem<'a> {
    /// Row-major.
    rows: &'a [f64],
    d: usize,
    kind: Kind,
    reg_covar: f64,
}

/// The end of one start.
struct Fitted {
    gaussians: Gaussians,
    /// Mean log likelihood of a row, before the last improvement.
    lower_bound: f64,
    converged: bool,
}

impl Problem<'_> {
    /// Expectation and maximisation by turns.
    fn maximise(&self, mut gaussians: Gaussians, params: &GaussianMixtureParams, run: &Run) -> Result<Fitted> {
        let second_moments = self.second_moments(run)?;
        let mut lower_bound = f64::NEG_INFINITY;
        let mut converged = false;
        for iteration in 0..params.max_iter {
            run.progress("training", u64::from(iteration), u64::from(params.max_iter));
            let (likelihood, sums) = self.expect(&gaussians, run)?;
            gaussians = sums.gaussians(self, second_moments.as_ref(), None)?;
            let change = likelihood - lower_bound;
            lower_bound = likelihood;
            if change.abs() < params.tol {
                converged = true;
                break;
            }
        }
        if !lower_bound.is_finite() {
            bail!(InvalidData, "the densities overflow: features are too large, scale them in preprocess");
        }
        Ok(Fitted { gaussians, lower_bound, converged })
    }

    /// The mean log likelihood of a row, and what each distribution's share of the rows sums up to.
    fn expect(&self, gaussians: &Gaussians, run: &Run) -> Result<(f64, Sums)> {
        let k = gaussians.n_components();
        let mut sums = Sums::around(gaussians.means().to_vec(), self.d, self.kind);
        let (mut shares, mut scratch) = (vec![0.0; BLOCK * k], Vec::new());
        let mut likelihood = 0.0;
        for rows in self.rows.chunks(BLOCK * self.d) {
            run.check()?;
            let shares = &mut shares[..rows.len() / self.d * k];
            gaussians.log_densities_into(rows, shares, &mut scratch);
            likelihood += gaussians::to_shares(shares, k);
            sums.add(rows, shares);
        }
        Ok((likelihood / (self.rows.len() / self.d) as f64, sums))
    }
}
