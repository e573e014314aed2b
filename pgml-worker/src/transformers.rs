//! The models of `pgml-models`, found where the settings say.

use std::path::PathBuf;

use pgml_core::frames::Settings;
use pgml_core::text::ModelSpec;
use pgml_core::{Result, Run};
use pgml_models::hub::cache::{Places, default_cache, find};
use pgml_models::hub::size::parameters;

use crate::models::{Found, Loaded, Models, Purpose};

/// Models read from folders laid out like Hugging Face snapshots.
#[derive(Debug, Clone, Copy, Default)]
pub struct Transformers;

impl Models for Transformers {
    fn find(&self, spec: &ModelSpec, settings: &Settings) -> Result<Found> {
        let places = Places {
            folders: settings.model_path.iter().map(PathBuf::from).collect(),
            cache: settings.model_cache.as_ref().map_or_else(default_cache, PathBuf::from),
        };
        let folder = find(&spec.name, spec.revision.as_deref(), &places)?;
        let bytes = parameters(&folder)?.saturating_mul(bytes_per_number(spec));
        Ok(Found { folder, bytes })
    }

    fn load(&self, found: &Found, spec: &ModelSpec, purpose: Purpose, run: &Run) -> Result<Loaded> {
        match purpose {
            Purpose::Embed => pgml_models::text::load_embedder(&found.folder, spec, run).map(Loaded::Embedder),
            Purpose::Rank => pgml_models::text::load_reranker(&found.folder, spec, run).map(Loaded::Reranker),
        }
    }
}

/// Of a weight in memory.
fn bytes_per_number(spec: &ModelSpec) -> u64 {
    match (spec.quantization.as_deref(), spec.dtype.as_deref()) {
        (Some(_), _) => 1,
        (None, Some("bf16" | "f16")) => 2,
        _ => 4,
    }
}
