//! A whole artifact in one sequence of bytes: what `pgml.export_model` gives and `pgml.import_model` takes.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `pgml.mdl` |
//! | 4 | version of this layout, little-endian as all numbers here |
//! | 4 | number of parts |
//! | … | per part: length of its name (4), name, length (8), bytes; the manifest first |
//! | 32 | SHA-256 of everything before |

use std::collections::BTreeMap;

use pgml_core::{Error, ErrorKind, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::digest::sha256_hex;
use crate::manifest::{MANIFEST, upgrade_needed};
use crate::{Artifact, Manifest};

const MAGIC: &[u8; 8] = b"pgml.mdl";
const LAYOUT_VERSION: u32 = 1;
const DIGEST_BYTES: usize = 32;

/// Whether `bytes` begin like an exported pgml model, rather than like another library's file.
#[must_use]
pub fn is_export(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Writes an artifact. Equal artifacts give equal bytes.
///
/// # Errors
/// [`ErrorKind::Internal`] when the manifest has no JSON form.
pub fn write(artifact: &Artifact) -> Result<Vec<u8>> {
    let manifest = artifact.manifest().encode()?;
    let mut bytes = Vec::with_capacity(artifact.bytes() + manifest.len() + 1024);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&LAYOUT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&count(artifact.parts().count() + 1)?.to_le_bytes());
    for (name, content) in std::iter::once((MANIFEST, manifest.as_slice())).chain(artifact.parts()) {
        bytes.extend_from_slice(&count(name.len())?.to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
        bytes.extend_from_slice(content);
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    Ok(bytes)
}

fn count(n: usize) -> Result<u32> {
    u32::try_from(n).map_err(|_| Error::new(ErrorKind::Internal, format!("{n} parts or characters are too many")))
}

/// Reads an artifact. Takes no more memory than `bytes` has, whatever they claim.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when a byte differs from what was written; [`ErrorKind::NotSupported`] for a newer layout.
pub fn read(bytes: &[u8]) -> Result<Artifact> {
    let mut parts = raw_parts(bytes)?;
    let Some(manifest) = parts.remove(MANIFEST) else {
        bail!(Corrupted, "the exported model has no manifest");
    };
    let manifest = Manifest::decode(manifest)?;
    let mut contents = BTreeMap::new();
    for entry in &manifest.parts {
        let Some(content) = parts.remove(entry.name.as_str()) else {
            bail!(Corrupted, "the exported model lacks its part \"{}\"", entry.name);
        };
        entry.check(content.len() as u64, &sha256_hex(content))?;
        contents.insert(entry.name.clone(), content.to_vec().into());
    }
    if let Some(name) = parts.keys().next() {
        bail!(Corrupted, "the exported model has a part \"{name}\" that its manifest does not list");
    }
    Ok(Artifact::of_checked(manifest, contents))
}

fn raw_parts(bytes: &[u8]) -> Result<BTreeMap<&str, &[u8]>> {
    let mut rest = checked_body(bytes)?;
    let n_parts = rest.u32()?;
    let mut parts = BTreeMap::new();
    for _ in 0..n_parts {
        let name_bytes = u64::from(rest.u32()?);
        let name = std::str::from_utf8(rest.take(name_bytes)?).map_err(|_| truncated())?;
        let length = rest.u64()?;
        if parts.insert(name, rest.take(length)?).is_some() {
            bail!(Corrupted, "the exported model has its part \"{name}\" twice");
        }
    }
    if !rest.0.is_empty() {
        bail!(Corrupted, "the exported model goes on after its last part");
    }
    Ok(parts)
}

/// What stands between the layout version and the digest, once both are right.
fn checked_body(bytes: &[u8]) -> Result<Cursor<'_>> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(Error::new(ErrorKind::Corrupted, "this is no exported pgml model")
            .with_hint("pass the bytes that pgml.export_model returned, unchanged"));
    };
    let mut cursor = Cursor(rest);
    let version = cursor.u32()?;
    if version > LAYOUT_VERSION {
        return Err(upgrade_needed(
            format!("the exported model has layout version {version}, newer than {LAYOUT_VERSION}"),
            None,
        ));
    }
    let Some((body, digest)) = cursor.0.split_last_chunk::<DIGEST_BYTES>() else { return Err(truncated()) };
    if Sha256::digest(&bytes[..bytes.len() - DIGEST_BYTES]).as_slice() != digest {
        bail!(Corrupted, "the exported model's SHA-256 digest does not match: it was changed or cut off");
    }
    Ok(Cursor(body))
}

fn truncated() -> Error {
    Error::new(ErrorKind::Corrupted, "the exported model is cut off or malformed")
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: u64) -> Result<&'a [u8]> {
        let n = usize::try_from(n).map_err(|_| truncated())?;
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32> {
        let (taken, rest) = self.0.split_first_chunk::<4>().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*taken))
    }

    fn u64(&mut self) -> Result<u64> {
        let (taken, rest) = self.0.split_first_chunk::<8>().ok_or_else(truncated)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*taken))
    }
}

#[cfg(test)]
mod tests {
    use pgml_core::Parts;
    use proptest::prelude::*;

    use super::*;
    use crate::manifest;

    fn sample() -> Artifact {
        let state = Parts::new().with("mean", vec![0.1_f64]).with_meta("n", &3).expect("JSON");
        Artifact::new(manifest::tests::sample(), &state).expect("an artifact")
    }

    /// Repairs the digest, so that the parser behind it is reached.
    fn seal(mut body: Vec<u8>) -> Vec<u8> {
        body.extend_from_slice(&Sha256::digest(&body));
        body
    }

    #[test]
    fn an_exported_model_comes_back_and_gives_equal_bytes() {
        let bytes = write(&sample()).expect("writes");
        assert_eq!(read(&bytes), Ok(sample()));
        assert_eq!(write(&sample()), Ok(bytes));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = write(&sample()).expect("writes");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let kind = read(&flipped).expect_err("a changed byte").kind();
                assert!(matches!(kind, ErrorKind::Corrupted | ErrorKind::NotSupported), "byte {at}: {kind:?}");
            }
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = write(&sample()).expect("writes");
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]).map_err(|e| e.kind()), Err(ErrorKind::Corrupted), "{length} bytes");
        }
    }

    #[test]
    fn a_length_that_claims_more_than_there_is_takes_no_memory() {
        let mut body = MAGIC.to_vec();
        body.extend_from_slice(&LAYOUT_VERSION.to_le_bytes());
        body.extend_from_slice(&u32::MAX.to_le_bytes());
        body.extend_from_slice(&1_u32.to_le_bytes());
        body.push(b'x');
        body.extend_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(read(&seal(body)), Err(truncated()));
    }

    proptest! {
        #[test]
        fn no_change_behind_a_right_digest_makes_the_reader_panic(at in 0_usize..10_000, byte in any::<u8>()) {
            let bytes = write(&sample())?;
            let mut body = bytes[..bytes.len() - DIGEST_BYTES].to_vec();
            let at = at % body.len();
            body[at] = byte;
            if let Ok(artifact) = read(&seal(body)) {
                prop_assert_eq!(artifact, sample());
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut body = MAGIC.to_vec();
            body.extend_from_slice(&tail);
            let _ = read(&body);
            let _ = read(&seal(body));
        }
    }
}
