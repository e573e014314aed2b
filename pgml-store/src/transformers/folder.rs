//! The folder that a transformer is stored from.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use pgml_core::{Error, ErrorKind, Result};

use crate::manifest::is_part_name;

/// The files of a transformer where its name was found: in the model cache, or a folder of the administrator's.
#[derive(Debug, Clone, Copy)]
pub struct SourceFolder<'a> {
    /// The folder.
    pub path: &'a Path,
    /// Those files that the transformer needs, by their paths in the folder.
    pub files: &'a [String],
}

/// A file that is about to be stored.
pub(super) struct SourceFile {
    pub path: String,
    pub bytes: u64,
}

impl SourceFolder<'_> {
    /// The files in the order of the manifest.
    pub(super) fn files(&self) -> Result<Vec<SourceFile>> {
        let mut paths = self.files.to_vec();
        paths.sort();
        paths.dedup();
        let file = |path: String| {
            if !is_part_name(&path) {
                let message = format!("the model has a file of the name \"{path}\", which cannot be stored");
                return Err(Error::new(ErrorKind::NotSupported, message)
                    .with_hint("names may have letters, digits and . _ - + in them"));
            }
            let place = self.path.join(&path);
            let found = fs::metadata(&place).map_err(|error| unreadable(&place, &error))?;
            Ok(SourceFile { path, bytes: found.len() })
        };
        paths.into_iter().map(file).collect()
    }

    /// Hands out a file in pieces of `max` bytes; one empty piece of an empty file.
    pub(super) fn read(&self, path: &str, max: usize, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let place: PathBuf = self.path.join(path);
        let failed = |error: std::io::Error| unreadable(&place, &error);
        let (mut file, mut piece) = (File::open(&place).map_err(failed)?, Vec::new());
        for number in 0.. {
            piece.clear();
            let read = file.by_ref().take(max as u64).read_to_end(&mut piece).map_err(failed)?;
            if read > 0 || number == 0 {
                take(&piece)?;
            }
            if read < max {
                break;
            }
        }
        Ok(())
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("could not read \"{}\": {error}", path.display()))
}
