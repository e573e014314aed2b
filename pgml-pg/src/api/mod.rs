//! What SQL calls, one file per topic.

mod aggregates;
mod system;
mod vectors;
