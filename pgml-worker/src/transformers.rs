//! The models of `pgml-models`, found where the settings say.

use std::path::PathBuf;

use pgml_core::frames::Settings;
use pgml_core::text::{ModelSpec, TextTask};
use pgml_core::{Result, Run};
use pgml_models::device::DeviceName;
use pgml_models::hub::folders::{default_cache, in_folders};
use pgml_models::hub::size::{of_gguf, parameters};
use pgml_models::hub::snapshot;
use pgml_models::hub::{self, Hub};

use crate::guard::guarded;
use crate::models::{Access, Found, Loaded, Models, Purpose};

/// Models read from folders laid out like Hugging Face snapshots.
#[derive(Debug, Clone, Copy, Default)]
pub struct Transformers;

impl Models for Transformers {
    fn device(&self, spec: &ModelSpec) -> Result<String> {
        guarded(|| DeviceName::of(spec)).map(|name| name.to_string())
    }

    fn find(&self, spec: &ModelSpec, settings: &Settings) -> Result<Option<Found>> {
        if let Some(folder) = &spec.folder {
            return found(folder.into(), spec).map(Some);
        }
        let folder = match in_folders(&spec.name, &folders(settings))? {
            Some(folder) => Some(folder),
            None => hub(settings, spec).find(&spec.name, spec.revision.as_deref())?,
        };
        folder.map(|folder| found(folder, spec)).transpose()
    }

    fn fetch(&self, spec: &ModelSpec, settings: &Settings, access: &Access, run: &Run) -> Result<Found> {
        let (name, revision, token) = (&spec.name, spec.revision.as_deref(), access.token.as_deref());
        let folder = match in_folders(name, &folders(settings))? {
            Some(folder) => folder,
            None if access.refresh => hub(settings, spec).refresh(name, revision, token, run)?,
            None => hub(settings, spec).fetch(name, revision, token, run)?,
        };
        found(folder, spec)
    }

    fn files(&self, found: &Found, spec: &ModelSpec) -> Result<Vec<String>> {
        snapshot::files(&found.folder, spec.file.as_deref())
    }

    fn task(&self, found: &Found) -> Result<TextTask> {
        pgml_models::text::task_of(&found.folder)
    }

    fn load(&self, found: &Found, spec: &ModelSpec, purpose: Purpose, run: &Run) -> Result<Loaded> {
        match purpose {
            Purpose::Embed => pgml_models::text::load_embedder(&found.folder, spec, run).map(Loaded::Embedder),
            Purpose::Rank => pgml_models::text::load_reranker(&found.folder, spec, run).map(Loaded::Reranker),
            Purpose::Generate => pgml_models::text::load_generator(&found.folder, spec, run).map(Loaded::Generator),
            Purpose::Answer(task) => {
                pgml_models::text::load_pipeline(&found.folder, task, spec, run).map(Loaded::Pipeline)
            }
        }
    }
}

/// The folders whose models may be used by path.
fn folders(settings: &Settings) -> Vec<PathBuf> {
    settings.model_path.iter().map(PathBuf::from).collect()
}

/// The model cache, and where it is filled from.
fn hub(settings: &Settings, spec: &ModelSpec) -> Hub {
    let cache = settings.model_cache.as_ref().map_or_else(default_cache, PathBuf::from);
    let environment = hub::Settings::from_env(cache);
    let offline = settings.offline || environment.offline;
    Hub::new(hub::Settings { offline, ..environment }).with_file(spec.file.as_deref())
}

fn found(folder: PathBuf, spec: &ModelSpec) -> Result<Found> {
    let bytes = match of_gguf(&folder, spec.file.as_deref()) {
        Some(bytes) => bytes,
        None => parameters(&folder)?.saturating_mul(bits_per_number(spec)).div_ceil(8),
    };
    Ok(Found { folder, bytes })
}

/// Of a weight in memory.
fn bits_per_number(spec: &ModelSpec) -> u64 {
    match (spec.quantization.as_deref(), spec.dtype.as_deref()) {
        (Some("int4"), _) => 5,
        (Some(_), _) => 8,
        (None, Some("bf16" | "f16")) => 16,
        _ => 32,
    }
}
