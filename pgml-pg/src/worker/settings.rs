//! What travels with each request: the settings that matter to the program.

use pgml_core::Result;
use pgml_core::frames::Settings;
use pgml_core::text::check_allowed;

use crate::guc;

/// The settings as they are now.
pub fn current() -> Settings {
    Settings {
        memory: guc::worker_memory(),
        keep_alive: guc::keep_alive(),
        device: guc::device(),
        model_path: guc::model_path(),
        model_cache: guc::model_cache(),
        offline: guc::offline(),
    }
}

/// Whether this session may use the model.
///
/// # Errors
/// [`PermissionDenied`](pgml_core::ErrorKind::PermissionDenied).
pub fn check(model: &str) -> Result<()> {
    check_allowed(model, &guc::allowed_models())
}
