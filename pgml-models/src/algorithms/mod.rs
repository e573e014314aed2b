//! One file per algorithm; each is registered by one line in [`ALGORITHMS`](crate::ALGORITHMS).

pub mod random_forest;
pub mod xgboost;
