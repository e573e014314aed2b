//! The inference program: holds each transformer once, and batches what all connections ask of it.
//!
//! It speaks [`pgml_core::frames`] on a Unix socket: one thread per connection reads texts, tokenises them and writes
//! results in order; one thread per device computes batches of the texts of all connections.

mod answer;
mod connection;
pub mod descriptors;
mod generating;
mod guard;
mod job;
pub mod models;
pub mod options;
mod registry;
mod scheduler;
pub mod scripted;
mod server;
mod statistics;
pub mod supervised;
mod transform;
#[cfg(feature = "transformers")]
pub mod transformers;
mod turn;

pub use server::Server;
