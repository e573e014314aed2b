//! The manifest of an artifact: what the model is, and the digest of each of its parts.

use pgml_core::{Algorithm, Error, ErrorKind, Labels, Result, Schema, Task, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::sha256_hex;

/// The format that this version writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The name of the part that holds the manifest.
pub const MANIFEST: &str = "manifest.json";

/// What a stored model is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format_version: u32,
    /// The version of pgml that wrote it.
    pub pgml_version: String,
    /// The algorithm's SQL name.
    pub algorithm: String,
    /// The version of the algorithm's stored form.
    pub estimator_version: u32,
    /// What the model was trained for.
    pub task: Task,
    /// The hyperparameters it was trained with.
    pub hyperparams: Map<String, Value>,
    /// Columns, preprocessing and label of the training data.
    pub schema: Schema,
    /// The classes, for classification.
    pub labels: Option<Labels>,
    /// Metrics on the held-out rows, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Map<String, Value>>,
    /// Every other part, sorted by name.
    pub parts: Vec<PartEntry>,
}

/// One part of an artifact, as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartEntry {
    /// Its name, for instance `state.safetensors`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl PartEntry {
    /// The entry for these bytes.
    #[must_use]
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.len() as u64, sha256: sha256_hex(bytes) }
    }

    /// Checks a part's length and digest.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`], naming the part.
    pub fn check(&self, bytes: u64, sha256: &str) -> Result<()> {
        if bytes != self.bytes {
            return Err(corrupted(&self.name, &format!("it has {bytes} bytes instead of {}", self.bytes)));
        }
        if sha256 != self.sha256 {
            return Err(corrupted(&self.name, "its SHA-256 digest does not match"));
        }
        Ok(())
    }
}

/// The error for a part whose bytes are not those that were written.
pub(crate) fn corrupted(part: &str, why: &str) -> Error {
    Error::new(ErrorKind::Corrupted, format!("part \"{part}\" of the stored model is corrupted"))
        .with_detail(why)
        .with_hint("restore the rows of pgml.files from a backup, or train the model again")
}

const DIGEST_PREFIX: &str = "sha256 ";
const HEADER_BYTES: usize = DIGEST_PREFIX.len() + 64 + 1;

impl Manifest {
    /// A manifest without parts, labels, metrics and hyperparameters, for a model of `algorithm`.
    #[must_use]
    pub fn new(algorithm: &dyn Algorithm, task: Task, schema: Schema) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            pgml_version: env!("CARGO_PKG_VERSION").to_owned(),
            algorithm: algorithm.name().to_owned(),
            estimator_version: algorithm.version(),
            task,
            hyperparams: Map::new(),
            schema,
            labels: None,
            metrics: None,
            parts: Vec::new(),
        }
    }

    /// The stored form: a line with the digest of what follows, then JSON. So no byte of it can change unnoticed.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when it has no JSON form.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_string_pretty(self)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("the manifest has no JSON form: {e}")))?;
        Ok(format!("{DIGEST_PREFIX}{}\n{json}", sha256_hex(json.as_bytes())).into_bytes())
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when a byte differs from what was written; [`ErrorKind::NotSupported`] for a newer
    /// format.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let json = checked_json(bytes)?;
        let value: Value = serde_json::from_slice(json).map_err(|e| corrupted(MANIFEST, &format!("no JSON: {e}")))?;
        let version = value.get("format_version").and_then(Value::as_u64).unwrap_or(0);
        if version > u64::from(FORMAT_VERSION) {
            let format = format!("the stored model has format version {version}, newer than {FORMAT_VERSION}");
            return Err(upgrade_needed(format, value.get("pgml_version").and_then(Value::as_str)));
        }
        let manifest: Self =
            serde_json::from_value(value).map_err(|e| corrupted(MANIFEST, &format!("malformed: {e}")))?;
        if manifest.parts.windows(2).any(|pair| pair[0].name >= pair[1].name) {
            bail!(Corrupted, "the manifest of the stored model lists a part twice or out of order");
        }
        if let Some(part) = manifest.parts.iter().find(|part| !is_part_name(&part.name)) {
            bail!(Corrupted, "the manifest of the stored model lists a part of the impossible name {:?}", part.name);
        }
        Ok(manifest)
    }

    /// The entry of part `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when the model has no such part.
    pub fn part(&self, name: &str) -> Result<&PartEntry> {
        self.parts
            .iter()
            .find(|part| part.name == name)
            .ok_or_else(|| Error::new(ErrorKind::Corrupted, format!("the stored model has no part \"{name}\"")))
    }
}

/// Whether a part may have this name: relative, of plain characters, no segment that starts with a dot, and not the
/// manifest's own. So it can become a file name wherever an artifact is laid out as a folder.
#[must_use]
pub fn is_part_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    let segment = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
    name != MANIFEST && name.len() <= 255 && name.split('/').all(segment)
}

/// The error for a model that a newer pgml wrote.
pub(crate) fn upgrade_needed(message: String, written_by: Option<&str>) -> Error {
    let error = Error::new(ErrorKind::NotSupported, message).with_hint("upgrade pgml to read this model");
    match written_by {
        Some(version) => error.with_detail(format!("it was written by pgml {version}")),
        None => error,
    }
}

fn checked_json(bytes: &[u8]) -> Result<&[u8]> {
    let Some((header, json)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(corrupted(MANIFEST, "it is too short"));
    };
    if header != format!("{DIGEST_PREFIX}{}\n", sha256_hex(json)).as_bytes() {
        return Err(corrupted(MANIFEST, "its SHA-256 digest does not match"));
    }
    Ok(json)
}

#[cfg(test)]
pub(crate) mod tests {
    use pgml_core::Floats;
    use pgml_core::statistics::Statistics;

    use super::*;

    /// Unlike a plain schema, without NaN, so that it equals itself.
    pub(crate) fn known_schema(names: &[&str]) -> Schema {
        let mut schema = Schema::plain(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for column in &mut schema.columns {
            column.statistics = Statistics::of(&Floats::F64(vec![0.1, 0.7, 1.0 / 3.0]));
        }
        schema
    }

    pub(crate) fn sample() -> Manifest {
        Manifest {
            format_version: FORMAT_VERSION,
            pgml_version: "3.0.0".to_owned(),
            algorithm: "mean".to_owned(),
            estimator_version: 1,
            task: Task::Regression,
            hyperparams: Map::new(),
            schema: known_schema(&["x"]),
            labels: None,
            metrics: None,
            parts: vec![PartEntry::of("state.json", b"{}")],
        }
    }

    #[test]
    fn a_manifest_comes_back_as_written() {
        assert_eq!(Manifest::decode(&sample().encode().expect("encodes")), Ok(sample()));
    }

    #[test]
    fn every_flipped_bit_of_a_manifest_is_noticed() {
        let bytes = sample().encode().expect("encodes");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let kind = Manifest::decode(&flipped).map_err(|e| e.kind());
                assert_eq!(kind, Err(ErrorKind::Corrupted), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_newer_format_asks_for_an_upgrade() {
        let newer = Manifest { format_version: 2, pgml_version: "9.1.0".to_owned(), ..sample() };
        let error = Manifest::decode(&newer.encode().expect("encodes")).expect_err("newer");
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        assert_eq!(error.detail(), Some("it was written by pgml 9.1.0"));
        assert_eq!(error.hint(), Some("upgrade pgml to read this model"));
    }

    #[test]
    fn a_part_name_cannot_leave_its_folder() {
        for name in ["state.safetensors", "1_Pooling/config.json", "c++.json"] {
            assert!(is_part_name(name), "{name}");
        }
        for name in ["", "..", "../x", "a/../b", "/etc/passwd", "a//b", ".hidden", "a b", "c:\\x", MANIFEST] {
            assert!(!is_part_name(name), "{name}");
        }
    }

    #[test]
    fn floats_of_a_manifest_come_back_exactly() {
        // Without serde_json's `float_roundtrip` some of these come back one unit in the last place off.
        let mut state = 1_u64;
        let values: Vec<f64> = (0..2000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                f64::from_bits(state)
            })
            .filter(|value| value.is_finite())
            .collect();
        let labels = Labels { names: Vec::new(), values };
        let manifest = Manifest { labels: Some(labels), ..sample() };
        let read = Manifest::decode(&manifest.encode().expect("encodes")).expect("decodes");
        assert_eq!(read.labels, manifest.labels);
    }
}
