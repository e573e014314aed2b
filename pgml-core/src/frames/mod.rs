//! What a database backend and the inference program say to each other: plain data, one frame each.
//!
//! A backend sends one [`Request`], followed by its texts in [`Request::Texts`] pieces, and reads [`Reply`]s until
//! [`Reply::Done`] or [`Reply::Error`]. Texts flow in while results flow out. Closing the connection is the cancel.

mod reply;
mod request;
mod wire;

pub use reply::{LoadedModel, Reply};
pub use request::{Request, Settings};
pub use wire::{Decoder, MAX_FRAME, VERSION, encode};

/// About how many bytes of texts or numbers go into one frame.
pub const PIECE_BYTES: usize = 256 << 10;
