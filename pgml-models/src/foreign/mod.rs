//! The XGBoost and LightGBM libraries, loaded at first use, and readers of what they write.
//!
//! Nothing is linked: a database that never trains with them never touches them, and prediction does not need them.

mod array_interface;
pub mod document;
mod library;
pub mod lightgbm;
mod memory;
pub mod ubjson;
pub mod xgboost;

pub use library::{Library, prepare_environment, set_library_path};
pub use memory::give_back_memory;
