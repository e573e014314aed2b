//! Models in GGUF files, as llama.cpp shares them: one file is weights, configuration, tokenizer and chat template.

pub(super) mod merges;
mod tokenizer;

use std::fs;
use std::path::{Path, PathBuf};

use pgml_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};

use crate::checkpoint::{self, Checkpoint};
use crate::generation::{ChatTemplate, SpecialTokens};
use crate::gguf::Gguf;
use crate::hub::gguf_files;
use crate::transformers::gguf as layouts;

/// What a GGUF file holds.
pub struct GgufModel {
    /// As `config.json` of the same model.
    pub config: Map<String, Value>,
    /// As `generation_config.json`.
    pub generation: Map<String, Value>,
    /// The tensors under the names of transformers.
    pub checkpoint: Checkpoint,
    /// What turns texts into tokens.
    pub tokenizer: tokenizers::Tokenizer,
    /// How chats are written; one that is no Jinja matters only to those who chat.
    pub template: Result<Option<ChatTemplate>>,
    /// The tokens that the template names.
    pub special: SpecialTokens,
}

/// The GGUF file of a folder that has some and no safetensors: the one that is `wanted`, or else the one that serves best.
///
/// # Errors
/// [`ErrorKind::NotFound`] when the wanted one is not there, with those that are.
pub(super) fn file_in(folder: &Path, wanted: Option<&str>) -> Result<Option<PathBuf>> {
    let unreadable = |e| Error::new(ErrorKind::Io, format!("could not read \"{}\": {e}", folder.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        names.extend(entry.map_err(unreadable)?.file_name().into_string());
    }
    let is_gguf = |name: &&str| name.to_lowercase().ends_with(".gguf");
    let found = || names.iter().map(String::as_str).filter(is_gguf);
    match wanted {
        Some(wanted) if found().any(|name| name == wanted) => Ok(Some(folder.join(wanted))),
        Some(wanted) => {
            let known: Vec<&str> = found().collect();
            Err(Error::new(ErrorKind::NotFound, format!("the model has no GGUF file \"{wanted}\" here"))
                .with_detail(format!("known: {}", known.join(", "))))
        }
        None if names.iter().any(|name| name.ends_with(".safetensors")) => Ok(None),
        None => Ok(gguf_files::choose(found()).map(|name| folder.join(name))),
    }
}

impl GgufModel {
    /// Reads the file at `path`. A `tokenizer.json` beside it wins over the tokenizer in it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] for what is no such file, [`ErrorKind::NotSupported`] for architectures, types of tensors and
    /// tokenizers that are not known, each named.
    pub fn read(path: &Path) -> Result<Self> {
        let mapped = checkpoint::map(path)?;
        let gguf = Gguf::parse(&mapped)?;
        let layout = layouts::layout(&gguf)?;
        let mut config = layout.config(&gguf)?;
        if let Some(factors) = layouts::rope_factors(&gguf, &mapped) {
            layouts::scale_by_factors(&mut config, &factors);
        }
        let names: Vec<(String, _)> = gguf
            .tensors()
            .filter_map(|(name, tensor)| Some((layout.rename(&gguf, name)?, tensor.clone())))
            .map(|((name, change), tensor)| (name, (tensor, change)))
            .collect();
        let beside = path.with_file_name("tokenizer.json");
        let tokenizer = match path.parent() {
            Some(folder) if beside.is_file() => super::tokenizer::Tokenizer::load_whole(folder)?,
            _ => tokenizer::read(&gguf)?,
        };
        let (special, generation) = (tokenizer::special(&gguf), tokenizer::ends(&gguf));
        let template = gguf.text("tokenizer.chat_template").map(ChatTemplate::new).transpose();
        drop(gguf);
        let checkpoint = Checkpoint::of_gguf(names, mapped)?;
        Ok(Self { config, generation, checkpoint, tokenizer, template, special })
    }
}
