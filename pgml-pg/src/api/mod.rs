//! What SQL calls, one file per topic.

mod aggregates;
mod datasets;
mod deploy;
mod explore;
mod metrics;
mod predict;
mod progress;
mod system;
mod train;
mod vectors;
