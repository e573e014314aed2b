//! What SQL calls, one file per topic.

mod aggregates;
mod datasets;
mod metrics;
mod system;
mod vectors;
