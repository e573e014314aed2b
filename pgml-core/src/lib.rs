//! Contracts, data, metrics, preprocessing and search of pgml.
//!
//! Everything here is plain Rust: no tensors, no SQL, no files. Algorithms implement [`Estimator`]; callers hold
//! [`Algorithm`]s and [`Model`]s.

pub mod dataset;
pub mod datasets;
pub mod error;
pub mod estimator;
pub mod hyperparams;
pub mod labels;
pub mod matrix;
pub mod metrics;
pub mod parts;
pub mod run;
pub mod table;
pub mod task;

pub use dataset::{Dataset, Feature, Floats};
pub use error::{Error, ErrorKind, Result};
pub use estimator::{Algorithm, Classifier, Entry, Estimator, Model, Transform, find_algorithm};
pub use hyperparams::Hyperparams;
pub use labels::Labels;
pub use matrix::MatrixRef;
pub use parts::Parts;
pub use run::Run;
pub use table::{Table, TableColumn, Values};
pub use task::Task;
