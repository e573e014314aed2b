//! Numerical methods that several algorithms share. All poll [`Run`](pgml_core::Run) and give the same bytes on every
//! CPU: kernels differ in width by CPU, never in the order of their sums.

pub mod blocks;
pub mod cholesky;
pub mod class_priors;
pub mod class_weight;
pub mod coordinate_descent;
pub mod covariance;
pub mod discriminants;
pub mod distance_rows;
pub mod exponential;
pub mod kernel_function;
pub mod kernel_rows;
pub mod kernels;
pub mod lbfgs;
pub mod least_squares;
pub mod linkage;
pub mod lloyd;
pub mod logistic;
pub mod metric;
pub mod nearest;
pub mod neighbours;
pub mod newton;
pub mod nnls;
pub mod normal;
pub mod parallel;
pub mod platt;
pub mod product;
pub mod rotation;
pub mod row_space;
pub mod seeding;
pub mod smo;
pub mod spanning_tree;
pub mod svd;
pub mod symmetric_eigen;
