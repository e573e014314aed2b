//! Transformers as rows: the folder of one, laid out as Hugging Face lays out a snapshot, into `pgml.files` and out again.
//!
//! The project has the transformer's name and the task `embedding`; each import is a model of its own, and deployed. Its
//! files are parts of an artifact like those of any model, listed with their digests in its manifest.

mod folder;
mod unpacked;

use pgml_core::{ErrorKind, Result, Schema, Task};
use serde_json::Map;

use crate::digest::{Running, sha256_hex};
use crate::files::{Layout, MAX_ROW_BYTES, write_part};
use crate::manifest::{FORMAT_VERSION, MANIFEST, Manifest, PartEntry};
use crate::{Port, catalog, queries};

pub use folder::SourceFolder;
pub use unpacked::{Copy, Unpacked};

/// What stands for an algorithm in rows of transformers, as PostgresML wrote it.
pub const ALGORITHM: &str = "transformers";

/// Is told after each piece how many bytes are done, of how many; may unwind.
pub type Step<'a> = &'a dyn Fn(u64, u64);

/// Stores the files of a transformer as a new model of the project `name`, which is created for `owner` if there is none,
/// makes it the live one and tells its id. No more of a file is in memory than one row takes.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] when the project is for another task; [`ErrorKind::Io`] when a file cannot be read.
pub fn store(
    port: &mut dyn Port,
    name: &str,
    owner: Option<&str>,
    source: &SourceFolder<'_>,
    step: Step<'_>,
) -> Result<i64> {
    let files = source.files()?;
    let project = catalog::find_or_create_project(port, name, Some(Task::Embedding), owner)?;
    let id = catalog::next_model_id(port)?;
    catalog::insert_transformer(port, id, project.id, name)?;
    let total = files.iter().map(|file| file.bytes).sum();
    let (mut parts, mut done) = (Vec::with_capacity(files.len()), 0);
    for file in &files {
        parts.push(store_file(port, id, source, &file.path, &mut |bytes| {
            done += bytes;
            step(done, total);
        })?);
    }
    write_part(port, id, MANIFEST, &manifest(parts).encode()?, MAX_ROW_BYTES)?;
    let model = catalog::model(port, id)?;
    catalog::deploy(port, &model, catalog::Strategy::MostRecent)?;
    Ok(id)
}

/// One file as rows, and its entry in the manifest: what was read is what is digested and stored.
fn store_file(
    port: &mut dyn Port,
    model_id: i64,
    source: &SourceFolder<'_>,
    path: &str,
    stored: &mut dyn FnMut(u64),
) -> Result<PartEntry> {
    let (mut digest, mut bytes, mut number) = (Running::new(), 0, 0_i32);
    source.read(path, MAX_ROW_BYTES, &mut |piece| {
        port.execute(queries::FILE_INSERT, &[&model_id, &path, &number, &piece])?;
        digest.update(piece);
        bytes += piece.len() as u64;
        number += 1;
        stored(piece.len() as u64);
        Ok(())
    })?;
    Ok(PartEntry { name: path.to_owned(), bytes, sha256: digest.finish() })
}

/// Says nothing of the name: the same files have the same manifest in every database.
fn manifest(parts: Vec<PartEntry>) -> Manifest {
    Manifest {
        format_version: FORMAT_VERSION,
        pgml_version: env!("CARGO_PKG_VERSION").to_owned(),
        algorithm: ALGORITHM.to_owned(),
        estimator_version: 1,
        task: Task::Embedding,
        hyperparams: Map::new(),
        schema: Schema::plain(&[]),
        labels: None,
        metrics: None,
        parts,
    }
}

/// A stored transformer, besides the content of its files.
#[derive(Debug)]
pub struct Stored {
    layout: Layout,
    parts: Vec<PartEntry>,
    /// The SHA-256 of the manifest, which tells all digests: what copies of the files are named by.
    digest: String,
}

impl Stored {
    /// Reads the manifest of model `model_id`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when it is damaged, or names and lengths of files differ from what it says.
    pub fn read(port: &mut dyn Port, model_id: i64) -> Result<Self> {
        let layout = Layout::read(port, model_id)?;
        let (bytes, _) = layout.read_path(port, MANIFEST)?;
        let manifest = Manifest::decode(&bytes)?;
        layout.expect_exactly(&manifest.parts)?;
        Ok(Self { layout, parts: manifest.parts, digest: sha256_hex(&bytes) })
    }

    fn bytes(&self) -> u64 {
        self.parts.iter().map(|entry| entry.bytes).sum()
    }

    /// Hands out a file piece by piece, and checks it when all of it was.
    fn read_file(
        &self,
        port: &mut dyn Port,
        entry: &PartEntry,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let (mut digest, mut bytes) = (Running::new(), 0);
        self.layout.read_pieces(port, &entry.name, &mut |piece: &[u8]| -> Result<()> {
            digest.update(piece);
            bytes += piece.len() as u64;
            take(piece)
        })?;
        entry.check(bytes, &digest.finish())
    }

    /// Reads every byte of every file and checks it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`], naming the file, when a byte differs from what was stored.
    pub fn check(&self, port: &mut dyn Port) -> Result<()> {
        self.parts.iter().try_for_each(|entry| self.read_file(port, entry, &mut |_| Ok(())))
    }
}

/// The id of the stored transformer that is deployed under `name`; `None` when the name is none of a stored transformer.
///
/// # Errors
/// Whatever the database says.
pub fn deployed(port: &mut dyn Port, name: &str) -> Result<Option<i64>> {
    port.query(queries::TRANSFORMER_DEPLOYED, &[&name])?.first().map(|row| row.get(0)).transpose()
}

/// Whether the model is not there any more.
fn is_dropped(port: &mut dyn Port, model_id: i64) -> Result<bool> {
    match catalog::model(port, model_id) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
