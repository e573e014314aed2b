//! How large a model is, from the headers of its files alone: no weight is read.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use pgml_core::{Error, ErrorKind, Result, bail};
use serde_json::Value;

use super::folders::files_for;
use super::gguf_files;

/// The longest header that is read: that of a model with a million tensors is shorter.
const MAX_HEADER: u64 = 100 << 20;

/// Bytes of the GGUF file in `folder`, `file` or the one that serves best, whose weights are computed with as they are stored;
/// `None` where safetensors are used, or nothing is there.
#[must_use]
pub fn of_gguf(folder: &Path, file: Option<&str>) -> Option<u64> {
    let names = files_for(folder, file);
    if file.is_none() && names.iter().any(|name| name.ends_with(".safetensors")) {
        return None;
    }
    let file = gguf_files::find(names.iter().map(String::as_str), file).ok()??;
    let bytes = |part: &String| fs::metadata(folder.join(part)).map_or(0, |metadata| metadata.len());
    Some(gguf_files::parts(file).iter().map(bytes).sum())
}

/// How many numbers the safetensors files in `folder`, and in the folders of its modules, hold.
///
/// # Errors
/// [`ErrorKind::Io`] when a file cannot be read, [`ErrorKind::Corrupted`] when one is no safetensors file.
pub fn parameters(folder: &Path) -> Result<u64> {
    let mut total = of_folder(folder)?;
    for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?.flatten() {
        // Modules such as `2_Dense` lie one level below.
        if entry.path().is_dir() {
            total = total.saturating_add(of_folder(&entry.path())?);
        }
    }
    Ok(total)
}

fn of_folder(folder: &Path) -> Result<u64> {
    let mut total = 0_u64;
    for entry in fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            total = total.saturating_add(of_file(&path)?);
        }
    }
    Ok(total)
}

/// A safetensors file begins with the length of its header, eight bytes, least first, and the header as JSON.
fn of_file(path: &Path) -> Result<u64> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut header = Vec::new();
        file.take(u64::from_le_bytes(length).min(MAX_HEADER)).read_to_end(&mut header)?;
        Ok(header)
    };
    let header = read().map_err(|e| unreadable(path, &e))?;
    let Ok(Value::Object(tensors)) = serde_json::from_slice(&header) else {
        bail!(Corrupted, "\"{}\" is no safetensors file", path.display())
    };
    let elements = |tensor: &Value| {
        let shape = tensor["shape"].as_array()?;
        Some(shape.iter().filter_map(Value::as_u64).fold(1, u64::saturating_mul))
    };
    Ok(tensors.values().filter_map(elements).fold(0, u64::saturating_add))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("could not read \"{}\": {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_of_all_files_and_modules_are_counted() {
        let folder = std::env::temp_dir().join(format!("pgml-size-{}", std::process::id()));
        fs::create_dir_all(folder.join("2_Dense")).expect("a folder");
        let header = br#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[3,4],"data_offsets":[0,24]},"b":{"dtype":"F32","shape":[],"data_offsets":[24,28]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header);
        fs::write(folder.join("model.safetensors"), &file).expect("written");
        fs::write(folder.join("2_Dense/model.safetensors"), &file).expect("written");
        assert_eq!(parameters(&folder).expect("two files"), 26);
        fs::write(folder.join("model.safetensors"), [255; 20]).expect("written");
        assert_eq!(parameters(&folder).expect_err("broken").kind(), ErrorKind::Corrupted);
        fs::remove_dir_all(folder).expect("removed");
    }
}
