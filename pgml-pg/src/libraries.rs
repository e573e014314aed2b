//! Where the XGBoost and LightGBM libraries are, as the settings say.

use std::path::PathBuf;

use pgml_models::foreign::{Library, prepare_environment, set_library_path};

use crate::guc;

/// Tells the bindings what `pgml.xgboost_library` and `pgml.lightgbm_library` say. Without effect on a library that is
/// loaded already. Main thread only, before a training thread starts: the environment must not change under one.
pub fn prepare() {
    prepare_environment();
    set_library_path(Library::Xgboost, guc::xgboost_library().map(PathBuf::from));
    set_library_path(Library::Lightgbm, guc::lightgbm_library().map(PathBuf::from));
}
