//! The database's side of the inference program: transformers live there, once per server, never in a backend.
//!
//! A backend that needs it connects to its socket. If nobody listens, it starts the supervisor, a tiny background worker
//! that holds the socket, starts the program and starts it again when it dies.

mod client;
mod connect;
mod lock;
mod news;
mod program;
mod requests;
mod settings;
mod socket;
mod supervisor;

pub use requests::{embed, load, locate, models, object, rank, transform, transform_stream, unload};

use pgml_core::frames::VERSION;

use crate::folder::FOLDER;

/// A file of the worker's, named by the version of its frames: sessions that loaded an older build of the extension keep
/// to the program that speaks like them.
fn file(name: &str) -> String {
    format!("{FOLDER}/worker.{VERSION}.{name}")
}

/// Where the program listens.
fn socket_path() -> String {
    file("socket")
}

/// Held by the one supervisor.
fn supervisor_lock() -> String {
    file("supervisor")
}

/// Held by the one backend that starts a supervisor.
fn start_lock() -> String {
    file("start")
}
