//! One file per algorithm; each is registered by one line in [`ALGORITHMS`](crate::ALGORITHMS).

pub mod agglomerative;
pub mod elastic_net;
pub mod factor_analysis;
pub mod fast_ica;
pub mod incremental_pca;
pub mod kmeans;
pub mod knn;
pub mod lasso;
pub mod lightgbm;
pub mod linear;
pub mod linear_discriminant;
pub mod naive_bayes;
pub mod nearest_centroid;
pub mod nmf;
pub mod passive_aggressive;
pub mod pca;
pub mod perceptron;
pub mod quadratic_discriminant;
pub mod random_forest;
pub mod ridge;
pub mod stochastic_gradient_descent;
pub mod svm;
pub mod task_params;
pub mod truncated_svd;
pub mod xgboost;
