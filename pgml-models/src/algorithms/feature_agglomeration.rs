//! Agglomeration of features.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{Dataset, Estimator, MatrixRef, Model, Parts, Result, Run, Task, Transform, bail, hyperparams};
use serde_json::Value;

use super::agglomerative::{Stop, metric_for};
use crate::solvers::linkage::{Linkage, cut, merges_of_features};

hyperparams! {
    /// Parameters of `feature_agglomeration`.
    pub struct FeatureAgglomerationParams {
        /// How many clusters of features, and so components; must be null when distance_threshold is given.
        n_clusters: Option<u32> = Some(2), range: at_least(1.0);
        /// Distance from which clusters are no longer merged, instead of a number of clusters.
        distance_threshold: Option<f64> = None, range: at_least(0.0);
        /// The distance between two clusters, as in agglomerative.
        linkage: String = "ward".to_owned(), choices: ["ward", "complete", "average", "single"];
        /// The distance between two features over all rows; ward knows euclidean alone.
        metric: String = "euclidean".to_owned(), choices: ["euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "cosine"];
        /// What becomes of the features of a cluster.
        pooling_func: String = "mean".to_owned(), choices: ["mean", "max", "min"];
        /// Accepted for compatibility: the whole tree is always made.
        compute_full_tree: Value = Value::from("auto"), no_effect: true;
        /// Accepted for compatibility.
        compute_distances: bool = false, no_effect: true;
    }
}

/// Agglomeration of features.
pub struct FeatureAgglomeration;

impl Estimator for FeatureAgglomeration {
    const NAME: &'static str = "feature_agglomeration";
    const DESCRIPTION: &'static str =
        "Clusters the features instead of the rows: each component is the mean of features that are alike.";
    const SOURCE: &'static str = "Ward 1963; Müllner 2011; scikit-learn 1.9 FeatureAgglomeration";
    const TASKS: &'static [Task] = &[Task::Decomposition];
    const VERSION: u32 = 1;
    type Params = FeatureAgglomerationParams;
    type Model = PooledFeatures;

    fn fit(params: &FeatureAgglomerationParams, data: &Dataset, _: Task, run: &Run) -> Result<PooledFeatures> {
        data.require_finite()?;
        if data.weight().is_some() {
            bail!(NotSupported, "feature_agglomeration knows no weights of rows");
        }
        let stop = Stop::read(Self::NAME, params.n_clusters, params.distance_threshold)?;
        let linkage = Linkage::named(&params.linkage)?;
        let metric = metric_for(Self::NAME, linkage, &params.metric)?;
        if data.n_features() < 2 {
            return PooledFeatures::new(vec![0], &params.pooling_func);
        }
        let merges = merges_of_features(data, linkage, metric, run)?;
        let labels = cut(&merges, stop.n_clusters(&merges)?);
        PooledFeatures::new(labels.into_iter().map(|label| label as u32).collect(), &params.pooling_func)
    }

    fn decode(parts: &Parts) -> Result<PooledFeatures> {
        let pooling: String = parts.meta("pooling")?;
        PooledFeatures::new(parts.array::<u32>("labels")?.to_vec(), &pooling)
            .map_err(|e| pgml_core::Error::new(pgml_core::ErrorKind::Corrupted, format!("stored clusters: {e}")))
    }
}

/// What becomes of several features.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pooling {
    Mean,
    Max,
    Min,
}

/// Which cluster each feature belongs to, numbered in the order of their first features.
pub struct PooledFeatures {
    labels: Vec<u32>,
    /// One by the number of features of each cluster.
    shares: Vec<f64>,
    pooling: Pooling,
}

impl PooledFeatures {
    fn new(labels: Vec<u32>, pooling: &str) -> Result<Self> {
        let pooling = match pooling {
            "mean" => Pooling::Mean,
            "max" => Pooling::Max,
            "min" => Pooling::Min,
            other => bail!(InvalidParameter, "pooling \"{other}\" is unknown"),
        };
        let mut sizes: Vec<u32> = Vec::new();
        for label in &labels {
            let (label, n) = (*label as usize, sizes.len());
            match label {
                label if label < n => sizes[label] += 1,
                label if label == n => sizes.push(1),
                label => bail!(InvalidData, "cluster {label} comes before cluster {n}"),
            }
        }
        if labels.is_empty() {
            bail!(InvalidData, "there is no feature");
        }
        let shares = sizes.into_iter().map(|size| 1.0 / f64::from(size)).collect();
        Ok(Self { labels, shares, pooling })
    }

    /// Writes the components of one row.
    fn pool(&self, row: &[f64], out: &mut [f64]) {
        out.fill(match self.pooling {
            Pooling::Mean => 0.0,
            Pooling::Max => f64::NEG_INFINITY,
            Pooling::Min => f64::INFINITY,
        });
        for (x, label) in row.iter().zip(&self.labels) {
            // A label beyond `out` is not asked for.
            if let Some(out) = out.get_mut(*label as usize) {
                *out = match self.pooling {
                    Pooling::Mean => *out + x,
                    Pooling::Max => out.max(*x),
                    Pooling::Min => out.min(*x),
                };
            }
        }
        if self.pooling == Pooling::Mean {
            out.iter_mut().zip(&self.shares).for_each(|(out, share)| *out *= share);
        }
    }
}

impl Model for PooledFeatures {
    fn n_features(&self) -> usize {
        self.labels.len()
    }

    fn predict_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.labels.len(), out, 1)?;
        require_finite(&rows)?;
        rows.rows().zip(out.chunks_exact_mut(1)).for_each(|(row, out)| self.pool(row, out));
        Ok(())
    }

    fn encode(&self) -> Result<Parts> {
        let pooling = match self.pooling {
            Pooling::Mean => "mean",
            Pooling::Max => "max",
            Pooling::Min => "min",
        };
        Parts::new().with("labels", self.labels.clone()).with_meta("pooling", &pooling)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + 4 * self.labels.len() + 8 * self.shares.len()
    }

    fn transformer(&self) -> Option<&dyn Transform> {
        Some(self)
    }
}

impl Transform for PooledFeatures {
    fn n_components(&self) -> usize {
        self.shares.len()
    }

    fn transform_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        expect_shape(&rows, self.labels.len(), out, self.shares.len())?;
        require_finite(&rows)?;
        rows.rows().zip(out.chunks_exact_mut(self.shares.len())).for_each(|(row, out)| self.pool(row, out));
        Ok(())
    }
}
