//! Downloads of models, from a hub on localhost that misbehaves in every way that hubs do.

mod at_once;
mod broken;
mod cache;
mod gguf;
mod pinned;
mod refused;
mod scene;
#[cfg(feature = "transformers")]
mod served;
mod stand_in;
