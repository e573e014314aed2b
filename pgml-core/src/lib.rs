//! Contracts, data, metrics, preprocessing and search of pgml.
//!
//! Everything here is plain Rust: no tensors, no SQL, no files. Algorithms implement [`Estimator`]; callers hold
//! [`Algorithm`]s and [`Model`]s.

pub mod chunk;
pub mod cross_validation;
pub mod dataset;
pub mod datasets;
pub mod deploy;
pub mod drift;
mod early_stopping;
pub mod error;
pub mod estimator;
pub mod evaluation;
pub mod explain;
pub mod finite;
pub mod frames;
pub mod grouped;
pub mod hyperparams;
pub mod labels;
pub mod matrix;
pub mod metrics;
mod parallel;
pub mod parts;
pub mod permutation;
mod plan;
pub mod predictor;
mod prepare;
pub mod preprocess;
pub mod run;
pub mod sampling;
pub mod schema;
pub mod score;
pub mod search;
pub mod shared;
pub mod statement;
pub mod statistics;
pub mod table;
pub mod table_rows;
mod targets;
pub mod task;
pub mod text;
pub mod train;
pub mod vector;

pub use dataset::{Dataset, Feature, Floats};
pub use error::{Error, ErrorKind, Result};
pub use estimator::{Algorithm, AnomalyDetector, Classifier, Entry, Estimator, Model, Transform, find_algorithm};
pub use explain::Explain;
pub use hyperparams::Hyperparams;
pub use labels::Labels;
pub use matrix::MatrixRef;
pub use parts::Parts;
pub use predictor::{Cell, Predictor};
pub use run::Run;
pub use sampling::{Sampling, Split};
pub use schema::{ColumnSchema, Schema};
pub use search::Search;
pub use shared::Shared;
pub use table::{Table, TableColumn, Values};
pub use task::Task;
pub use train::{TrainRequest, Trained, Training, train};
