//! Every algorithm of pgml, behind the contracts of `pgml-core`.

pub mod algorithms;
pub mod centres;
#[cfg(feature = "transformers")]
pub mod checkpoint;
#[cfg(feature = "transformers")]
pub mod device;
pub mod foreign;
#[cfg(feature = "generation")]
pub mod generation;
#[cfg(feature = "kernels")]
pub mod gguf;
pub mod hub;
#[cfg(feature = "kernels")]
pub mod kernels;
pub mod labelled_rows;
pub mod linear_model;
#[cfg(feature = "transformers")]
pub mod nn;
pub mod per_target;
mod portfolio;
pub mod principal_axes;
pub mod projection;
pub mod solvers;
#[cfg(feature = "transformers")]
pub mod text;
#[cfg(feature = "transformers")]
pub mod transformers;
pub mod trees;

pub use portfolio::portfolio;

use pgml_core::{Algorithm, Entry, Result};

/// Every algorithm, one line each.
// One line per algorithm, also while there are few: that is what an author adds.
#[rustfmt::skip]
pub static ALGORITHMS: &[&dyn Algorithm] = &[
    &Entry::<algorithms::ada_boost::AdaBoost>::NEW,
    &Entry::<algorithms::affinity_propagation::AffinityPropagation>::NEW,
    &Entry::<algorithms::agglomerative::Agglomerative>::NEW,
    &Entry::<algorithms::automatic_relevance_determination::AutomaticRelevanceDetermination>::NEW,
    &Entry::<algorithms::bagging::Bagging>::NEW,
    &Entry::<algorithms::bayesian_ridge::BayesianRidge>::NEW,
    &Entry::<algorithms::birch::Birch>::NEW,
    &Entry::<algorithms::catboost::Catboost>::NEW,
    &Entry::<algorithms::dbscan::Dbscan>::NEW,
    &Entry::<algorithms::decision_tree::DecisionTree>::NEW,
    &Entry::<algorithms::elastic_net::ElasticNet>::NEW,
    &Entry::<algorithms::elliptic_envelope::EllipticEnvelope>::NEW,
    &Entry::<algorithms::extra_trees::ExtraTrees>::NEW,
    &Entry::<algorithms::factor_analysis::FactorAnalysis>::NEW,
    &Entry::<algorithms::fast_ica::FastIca>::NEW,
    &Entry::<algorithms::feature_agglomeration::FeatureAgglomeration>::NEW,
    &Entry::<algorithms::gamma::Gamma>::NEW,
    &Entry::<algorithms::gaussian_mixture::GaussianMixture>::NEW,
    &Entry::<algorithms::gaussian_process::GaussianProcess>::NEW,
    &Entry::<algorithms::gradient_boosting_trees::GradientBoostingTrees>::NEW,
    &Entry::<algorithms::hdbscan::Hdbscan>::NEW,
    &Entry::<algorithms::hist_gradient_boosting::HistGradientBoosting>::NEW,
    &Entry::<algorithms::huber::Huber>::NEW,
    &Entry::<algorithms::incremental_pca::IncrementalPca>::NEW,
    &Entry::<algorithms::isolation_forest::IsolationForest>::NEW,
    &Entry::<algorithms::isotonic::Isotonic>::NEW,
    &Entry::<algorithms::kernel_pca::KernelPca>::NEW,
    &Entry::<algorithms::kernel_ridge::KernelRidge>::NEW,
    &Entry::<algorithms::kmeans::Kmeans>::NEW,
    &Entry::<algorithms::knn::Knn>::NEW,
    &Entry::<algorithms::lasso::Lasso>::NEW,
    &Entry::<algorithms::lasso_least_angle::LassoLeastAngle>::NEW,
    &Entry::<algorithms::least_angle::LeastAngle>::NEW,
    &Entry::<algorithms::lightgbm::Lightgbm>::NEW,
    &Entry::<algorithms::linear::Linear>::NEW,
    &Entry::<algorithms::linear_discriminant::LinearDiscriminant>::NEW,
    &Entry::<algorithms::linear_svm::LinearSvm>::NEW,
    &Entry::<algorithms::local_outlier_factor::LocalOutlierFactor>::NEW,
    &Entry::<algorithms::mean_shift::MeanShift>::NEW,
    &Entry::<algorithms::mini_batch_kmeans::MiniBatchKmeans>::NEW,
    &Entry::<algorithms::mlp::Mlp>::NEW,
    &Entry::<algorithms::naive_bayes::NaiveBayes>::NEW,
    &Entry::<algorithms::nearest_centroid::NearestCentroid>::NEW,
    &Entry::<algorithms::nmf::Nmf>::NEW,
    &Entry::<algorithms::nu_svm::NuSvm>::NEW,
    &Entry::<algorithms::one_class_svm::OneClassSvm>::NEW,
    &Entry::<algorithms::optics::Optics>::NEW,
    &Entry::<algorithms::orthogonal_matching_pursuit::OrthogonalMatchingPursuit>::NEW,
    &Entry::<algorithms::passive_aggressive::PassiveAggressive>::NEW,
    &Entry::<algorithms::pca::Pca>::NEW,
    &Entry::<algorithms::perceptron::Perceptron>::NEW,
    &Entry::<algorithms::pls::Pls>::NEW,
    &Entry::<algorithms::poisson::Poisson>::NEW,
    &Entry::<algorithms::quadratic_discriminant::QuadraticDiscriminant>::NEW,
    &Entry::<algorithms::quantile::Quantile>::NEW,
    &Entry::<algorithms::random_forest::RandomForest>::NEW,
    &Entry::<algorithms::ransac::Ransac>::NEW,
    &Entry::<algorithms::ridge::Ridge>::NEW,
    &Entry::<algorithms::spectral::Spectral>::NEW,
    &Entry::<algorithms::spectral_bi::SpectralBi>::NEW,
    &Entry::<algorithms::spectral_co::SpectralCo>::NEW,
    &Entry::<algorithms::stochastic_gradient_descent::StochasticGradientDescent>::NEW,
    &Entry::<algorithms::svm::Svm>::NEW,
    &Entry::<algorithms::theil_sen::TheilSen>::NEW,
    &Entry::<algorithms::truncated_svd::TruncatedSvd>::NEW,
    &Entry::<algorithms::tweedie::Tweedie>::NEW,
    &Entry::<algorithms::xgboost::Xgboost>::NEW,
    &Entry::<algorithms::xgboost_random_forest::XgboostRandomForest>::NEW,
];

/// Finds an algorithm by its SQL name.
///
/// # Errors
/// [`pgml_core::ErrorKind::NotFound`], listing what is known.
pub fn algorithm(name: &str) -> Result<&'static dyn Algorithm> {
    pgml_core::find_algorithm(ALGORITHMS, name)
}
