//! Artifacts of models, and the catalog that holds them in PostgreSQL.
//!
//! An [`Artifact`] is a trained model as named parts with a manifest. The [`catalog`] holds projects, snapshots, models
//! and deployments; [`files`] holds the bytes. Everything talks to a [`Port`]: SPI inside the extension, a client
//! connection in a Rust program (feature `client`), a scripted fake in the unit tests.

pub mod artifact;
pub mod catalog;
#[cfg(feature = "client")]
pub mod client;
pub mod digest;
pub mod export;
#[cfg(test)]
mod fake;
pub mod files;
pub mod foreign;
pub mod ident;
pub mod legacy;
pub mod manifest;
pub mod port;
pub mod queries;
pub mod spool;
pub mod store;
pub mod tensors;
pub mod transformers;

pub use artifact::{Artifact, Resolver};
pub use ident::{Ident, RelationName};
pub use manifest::Manifest;
pub use port::{Param, Port, Row};
pub use spool::Spool;
pub use store::Store;
