//! Where the files of models are: folders of the administrator's, the model cache, the hub.
//!
//! The cache is laid out as Python's `huggingface_hub` lays it out, so both use each other's downloads. Of the crate
//! `hf-hub` 0.4 nothing is used: it checks no digests, takes a truncated body for a whole one, has no timeouts, cannot be
//! cancelled, takes what the hub sends for a file's name, and panics where the hub answers unexpectedly.

#[cfg(feature = "hub")]
mod client;
#[cfg(feature = "hub")]
mod digest;
#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
mod failure;
#[cfg(feature = "hub")]
mod fetch;
pub mod folders;
pub mod gguf_files;
#[cfg(feature = "hub")]
mod layout;
#[cfg(feature = "hub")]
mod listing;
#[cfg(feature = "hub")]
mod meter;
#[cfg(feature = "hub")]
mod names;
#[cfg(feature = "hub")]
mod needed;
#[cfg(feature = "hub")]
mod pins;
#[cfg(feature = "hub")]
mod retry;
#[cfg(feature = "hub")]
mod settings;
pub mod size;
#[cfg(feature = "hub")]
pub mod snapshot;
#[cfg(feature = "hub")]
mod watch;

#[cfg(feature = "hub")]
pub use fetch::Hub;
#[cfg(feature = "hub")]
pub use settings::{Patience, Settings};
