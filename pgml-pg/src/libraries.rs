//! Where the XGBoost and LightGBM libraries are, as the settings say.

use std::path::PathBuf;

use pgml_models::foreign::{Library, set_library_path};

use crate::guc;

/// Tells the bindings what `pgml.xgboost_library` and `pgml.lightgbm_library` say. Without effect on a library that is
/// loaded already.
pub fn apply_paths() {
    set_library_path(Library::Xgboost, guc::xgboost_library().map(PathBuf::from));
    set_library_path(Library::Lightgbm, guc::lightgbm_library().map(PathBuf::from));
}
