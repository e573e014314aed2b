//! Models in GGUF files, as llama.cpp shares them: one file, or one in parts, is weights, configuration, tokenizer and chat
//! template.

mod cuts;
pub(super) mod merges;
mod tokenizer;

use std::path::{Path, PathBuf};

use memmap2::Mmap;
use pgml_core::{Error, ErrorKind, Result, bail};
use serde_json::{Map, Value};

use crate::checkpoint::{self, Checkpoint};
use crate::generation::{ChatTemplate, SpecialTokens};
use crate::gguf::Gguf;
use crate::hub::{folders, gguf_files};
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

/// The GGUF file of a folder: the one that is `wanted`, by its path there, or else, where there are no safetensors, the one that
/// serves best.
///
/// # Errors
/// [`ErrorKind::NotFound`] when the wanted one is not there, with those that are.
pub(super) fn file_in(folder: &Path, wanted: Option<&str>) -> Result<Option<PathBuf>> {
    let names = folders::files_for(folder, wanted);
    if wanted.is_none() && names.iter().any(|name| name.ends_with(".safetensors")) {
        return Ok(None);
    }
    let found = gguf_files::find(names.iter().map(String::as_str), wanted)?;
    Ok(found.map(|name| folder.join(name)))
}

/// Maps all parts of the model whose first is at `path`.
fn map_all(path: &Path) -> Result<Vec<Mmap>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (parts, mut files) = (gguf_files::parts(name), vec![checkpoint::map(path)?]);
    let n_parts = Gguf::parse(&files[0])?.n_parts();
    if parts.len() as u64 != n_parts {
        bail!(Corrupted, "\"{name}\" is one of {n_parts} parts of a model, but by its name one of {}", parts.len());
    }
    for part in &parts[1..] {
        let path = path.with_file_name(part);
        if !path.is_file() {
            return Err(Error::new(ErrorKind::NotFound, format!("the part \"{part}\" of the model is not there"))
                .with_hint(format!("all {n_parts} parts of a GGUF file must lie in one folder")));
        }
        files.push(checkpoint::map(&path)?);
    }
    Ok(files)
}

/// What all parts hold together.
fn parse_all(files: &[Mmap]) -> Result<Gguf<'_>> {
    let [first, others @ ..] = files else { bail!(Internal, "a model without a file") };
    let mut gguf = Gguf::parse(first)?;
    others.iter().try_for_each(|file| gguf.join(Gguf::parse(file)?))?;
    gguf.check_whole()?;
    Ok(gguf)
}

impl GgufModel {
    /// Reads the file at `path`, with the other parts beside it where it is the first of several. A `tokenizer.json` beside it wins over the tokenizer in it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] for what is no such file, [`ErrorKind::NotFound`] for a part that is not there, [`ErrorKind::NotSupported`] for architectures, types of tensors and
    /// tokenizers that are not known, each named.
    pub fn read(path: &Path) -> Result<Self> {
        let files = map_all(path)?;
        let gguf = parse_all(&files)?;
        let layout = layouts::layout(&gguf)?;
        let (config, tensors) = (layout.config(&gguf)?, layout.tensors(&gguf)?);
        let beside = path.with_file_name("tokenizer.json");
        let tokenizer = match path.parent() {
            Some(folder) if beside.is_file() => super::tokenizer::Tokenizer::load_whole(folder)?,
            _ => tokenizer::read(&gguf)?,
        };
        let (special, generation) = (tokenizer::special(&gguf), tokenizer::ends(&gguf));
        let template = gguf.text("tokenizer.chat_template").map(ChatTemplate::new).transpose();
        drop(gguf);
        let checkpoint = Checkpoint::of_gguf(tensors, files)?;
        Ok(Self { config, generation, checkpoint, tokenizer, template, special })
    }
}
