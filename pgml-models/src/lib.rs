//! Every algorithm of pgml, behind the contracts of `pgml-core`.

pub mod algorithms;
pub mod foreign;
pub mod trees;

use pgml_core::{Algorithm, Entry, Result};

/// Every algorithm, one line each.
// One line per algorithm, also while there are few: that is what an author adds.
#[rustfmt::skip]
pub static ALGORITHMS: &[&dyn Algorithm] = &[
    &Entry::<algorithms::random_forest::RandomForest>::NEW,
    &Entry::<algorithms::xgboost::Xgboost>::NEW,
];

/// Finds an algorithm by its SQL name.
///
/// # Errors
/// [`pgml_core::ErrorKind::NotFound`], listing what is known.
pub fn algorithm(name: &str) -> Result<&'static dyn Algorithm> {
    pgml_core::find_algorithm(ALGORITHMS, name)
}
