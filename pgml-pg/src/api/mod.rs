//! What SQL calls, one file per topic.

mod aggregates;
mod chunk;
mod datasets;
mod deploy;
mod evaluate;
mod explain;
mod explore;
mod loaded_models;
mod metrics;
mod predict;
mod predict_agg;
mod privileges;
mod progress;
mod statements;
mod system;
mod train;
mod transform;
mod transformers;
mod vectors;
