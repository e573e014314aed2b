//! The rows of `pgml.files`: artifacts cut into pieces of at most 16 MiB, each byte checked when read.

use std::collections::BTreeMap;

use pgml_core::{Error, ErrorKind, Predictor, Result, Shared};

use crate::catalog::ModelRow;
use crate::digest::Running;
use crate::manifest::{MANIFEST, Manifest, PartEntry, corrupted};
use crate::{Artifact, Port, Resolver, Spool, legacy, queries, transformers};

/// The most bytes that one row holds. A `bytea` may have 1 GB, but sending it takes several times its size in memory.
pub const MAX_ROW_BYTES: usize = 16 << 20;

/// Stores an artifact as the files of model `model_id`.
///
/// # Errors
/// Whatever the database says.
pub fn write(port: &mut dyn Port, model_id: i64, artifact: &Artifact) -> Result<()> {
    write_part(port, model_id, MANIFEST, &artifact.manifest().encode()?, MAX_ROW_BYTES)?;
    for (name, bytes) in artifact.parts() {
        write_part(port, model_id, name, bytes, MAX_ROW_BYTES)?;
    }
    Ok(())
}

pub(crate) fn write_part(port: &mut dyn Port, model_id: i64, path: &str, bytes: &[u8], max: usize) -> Result<()> {
    let empty: &[u8] = &[];
    let mut pieces = bytes.chunks(max).peekable();
    if pieces.peek().is_none() {
        port.execute(queries::FILE_INSERT, &[&model_id, &path, &0_i32, &empty])?;
    }
    for (piece, number) in pieces.zip(0_i32..) {
        port.execute(queries::FILE_INSERT, &[&model_id, &path, &number, &piece])?;
    }
    Ok(())
}

/// How the files of a model are laid out: for each path, the length of each of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    model_id: i64,
    paths: BTreeMap<String, Vec<u64>>,
}

impl Layout {
    /// Asks for the layout; no content is read.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when there is no row, or a row in the middle is missing.
    pub fn read(port: &mut dyn Port, model_id: i64) -> Result<Self> {
        let mut paths: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for row in port.query(queries::FILE_LAYOUT, &[&model_id])? {
            let (path, part, bytes) = (row.get::<String>(0)?, row.get::<i32>(1)?, row.get::<i64>(2)?);
            let lengths = paths.entry(path.clone()).or_default();
            if usize::try_from(part) != Ok(lengths.len()) {
                return Err(corrupted(&path, &format!("its row {} is missing in pgml.files", lengths.len())));
            }
            lengths.push(bytes.unsigned_abs());
        }
        if paths.is_empty() {
            return Err(Error::new(ErrorKind::Corrupted, format!("model {model_id} has no rows in pgml.files"))
                .with_hint("restore them from a backup, or train the model again"));
        }
        Ok(Self { model_id, paths })
    }

    /// A layout as [`Layout::read`] would find it.
    #[cfg(test)]
    pub(crate) fn of(model_id: i64, paths: BTreeMap<String, Vec<u64>>) -> Self {
        Self { model_id, paths }
    }

    /// Whether there is a file at `path`.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.paths.contains_key(path)
    }

    /// Bytes of the file at `path`, 0 when there is none.
    #[must_use]
    pub fn bytes(&self, path: &str) -> u64 {
        self.paths.get(path).map_or(0, |lengths| lengths.iter().sum())
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.paths.values().flatten().sum()
    }

    /// Reads the file at `path` row by row, telling its digest too.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`], naming the path, when a row is missing or has another length than before.
    pub fn read_path(&self, port: &mut dyn Port, path: &str) -> Result<(Vec<u8>, String)> {
        let total = usize::try_from(self.bytes(path)).map_err(|_| corrupted(path, "it is too long"))?;
        let (mut bytes, mut digest) = (Vec::with_capacity(total), Running::new());
        self.read_pieces(port, path, &mut |piece: &[u8]| -> Result<()> {
            digest.update(piece);
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok((bytes, digest.finish()))
    }

    /// Hands out the file at `path` row by row, unchecked.
    pub(crate) fn read_pieces<E: From<Error>>(
        &self,
        port: &mut dyn Port,
        path: &str,
        take: &mut dyn FnMut(&[u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let lengths = self.paths.get(path).ok_or_else(|| corrupted(path, "it is missing in pgml.files"))?;
        for (length, number) in lengths.iter().zip(0_i32..) {
            let row = port.query(queries::FILE_READ, &[&self.model_id, &path, &number])?.pop();
            let row = row.ok_or_else(|| corrupted(path, &format!("its row {number} is missing in pgml.files")))?;
            let piece = row.into_bytes(0)?;
            if piece.len() as u64 != *length {
                return Err(corrupted(path, &format!("its row {number} changed while it was read")).into());
            }
            take(&piece)?;
        }
        Ok(())
    }

    /// The artifact, every byte of it checked. At most one row is held besides it. Large parts lie in the server's copies
    /// of `spool`, if it is given.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`], naming the part, when a byte differs from what was written;
    /// [`ErrorKind::NotSupported`] for a newer format.
    pub fn artifact(&self, port: &mut dyn Port, spool: Option<&Spool<'_>>) -> Result<Artifact> {
        let manifest = Manifest::decode(&self.read_path(port, MANIFEST)?.0)?;
        self.expect_exactly(&manifest.parts)?;
        let mut contents = BTreeMap::new();
        for entry in &manifest.parts {
            contents.insert(entry.name.clone(), self.part(port, entry, spool)?);
        }
        Ok(Artifact::of_checked(manifest, contents))
    }

    fn part(&self, port: &mut dyn Port, entry: &PartEntry, spool: Option<&Spool<'_>>) -> Result<Shared<u8>> {
        if let Some(spool) = spool
            && let Some(bytes) = spool.part(entry, &mut |take| self.read_pieces(port, &entry.name, take))?
        {
            return Ok(bytes);
        }
        let (bytes, sha256) = self.read_path(port, &entry.name)?;
        entry.check(bytes.len() as u64, &sha256)?;
        Ok(bytes.into())
    }

    /// Compares names and lengths with the manifest before any content is read.
    pub(crate) fn expect_exactly(&self, parts: &[PartEntry]) -> Result<()> {
        for entry in parts {
            if !self.has(&entry.name) {
                return Err(corrupted(&entry.name, "it is missing in pgml.files"));
            }
            if self.bytes(&entry.name) != entry.bytes {
                let why = format!("it has {} bytes instead of {}", self.bytes(&entry.name), entry.bytes);
                return Err(corrupted(&entry.name, &why));
            }
        }
        let listed = |path: &str| path == MANIFEST || parts.iter().any(|entry| entry.name == path);
        match self.paths.keys().find(|path| !listed(path)) {
            Some(path) => Err(corrupted(path, "the manifest does not list it")),
            None => Ok(()),
        }
    }
}

/// The predictor of a stored model, whether pgml or PostgresML trained it. With a `spool`, a large model is read where the
/// server's copy of it is mapped, and its rows only when there is no copy yet.
///
/// # Errors
/// As [`Layout::artifact`], [`Artifact::predictor`] and [`legacy::predictor`]; [`ErrorKind::NotSupported`] for a transformer.
pub fn load(
    port: &mut dyn Port,
    model: &ModelRow,
    spool: Option<&Spool<'_>>,
    resolver: Resolver<'_>,
) -> Result<Predictor> {
    let layout = Layout::read(port, model.id)?;
    if layout.has(MANIFEST) {
        if model.algorithm == transformers::ALGORITHM {
            return Err(no_predictor(model));
        }
        return layout.artifact(port, spool)?.predictor(resolver);
    }
    legacy::predictor(port, model, &layout, resolver)
}

fn no_predictor(model: &ModelRow) -> Error {
    let message = format!("model {} of project \"{}\" is a transformer, which reads texts", model.id, model.project);
    let name = model.project.replace('\'', "''");
    Error::new(ErrorKind::NotSupported, message)
        .with_hint(format!("use pgml.embed('{name}', text), or pgml.rank if it was made for ranking"))
}

/// Reads the artifact of model `model_id` from its rows. See [`Layout::artifact`].
///
/// # Errors
/// As there.
pub fn read(port: &mut dyn Port, model_id: i64) -> Result<Artifact> {
    Layout::read(port, model_id)?.artifact(port, None)
}

#[cfg(test)]
mod tests {
    use pgml_core::Parts;
    use postgres_types::Type;

    use super::*;
    use crate::fake::{Fake, row};
    use crate::manifest;

    type Files = Vec<(String, i32, Vec<u8>)>;

    fn sample() -> Artifact {
        let state = Parts::new().with("mean", vec![0.1_f64]).with_meta("n", &3).expect("JSON");
        Artifact::new(manifest::tests::sample(), &state).expect("an artifact")
    }

    /// The rows that `artifact` becomes, cut small.
    fn rows(artifact: &Artifact, max: usize) -> Files {
        let manifest = artifact.manifest().encode().expect("encodes");
        let parts = std::iter::once((MANIFEST, manifest.as_slice())).chain(artifact.parts());
        let cut = |(path, bytes): (&str, &[u8])| -> Files {
            bytes.chunks(max).zip(0..).map(|(piece, n)| (path.to_owned(), n, piece.to_vec())).collect()
        };
        parts.flat_map(cut).collect()
    }

    /// A database that holds these rows, for one reading.
    struct Table<'a>(&'a Files);

    impl Port for Table<'_> {
        fn query(&mut self, sql: &str, params: &[crate::Param<'_>]) -> Result<Vec<crate::Row>> {
            if sql == queries::FILE_LAYOUT {
                let mut sorted: Vec<_> = self.0.iter().collect();
                sorted.sort();
                let layout = |(path, part, data): &(String, i32, Vec<u8>)| {
                    row(&[(Type::TEXT, path), (Type::INT4, part), (Type::INT8, &(data.len() as i64))])
                };
                return Ok(sorted.into_iter().map(layout).collect());
            }
            assert_eq!(sql, queries::FILE_READ);
            let wanted = row(&[(Type::TEXT, params[1]), (Type::INT4, params[2])]);
            let (path, part) = (wanted.get::<String>(0)?, wanted.get::<i32>(1)?);
            let found = self.0.iter().filter(|(p, n, _)| (p, n) == (&path, &part));
            Ok(found.map(|(_, _, data)| row(&[(Type::BYTEA, data)])).collect())
        }

        fn execute(&mut self, sql: &str, _: &[crate::Param<'_>]) -> Result<u64> {
            panic!("a read must not write: {sql}")
        }
    }

    #[test]
    fn writing_cuts_every_part_and_keeps_empty_ones() {
        let mut port = Fake::default();
        for _ in 0..4 {
            port = port.expect(queries::FILE_INSERT, vec![]);
        }
        write_part(&mut port, 7, "a", &[1, 2, 3, 4, 5], 2).expect("writes");
        write_part(&mut port, 7, "b", &[], 2).expect("writes");
        port.assert_done();
        let data: Vec<_> = port.bound.iter().map(|values| (values[2].clone(), values[3].clone())).collect();
        let number = |n: i32| Some(n.to_be_bytes().to_vec());
        let expected = [(number(0), vec![1, 2]), (number(1), vec![3, 4]), (number(2), vec![5]), (number(0), vec![])];
        assert_eq!(data, expected.map(|(n, bytes)| (n, Some(bytes))));
    }

    #[test]
    fn an_artifact_in_many_rows_comes_back() {
        assert_eq!(read(&mut Table(&rows(&sample(), 10)), 7), Ok(sample()));
    }

    #[test]
    fn every_flipped_bit_of_every_row_is_noticed() {
        let files = rows(&sample(), 100);
        for at in 0..files.len() {
            for byte in 0..files[at].2.len() {
                let mut changed = files.clone();
                changed[at].2[byte] ^= 1 << (byte % 8);
                let kind = read(&mut Table(&changed), 7).map_err(|e| e.kind());
                assert_eq!(kind, Err(ErrorKind::Corrupted), "{} byte {byte}", files[at].0);
            }
        }
    }

    #[test]
    fn a_missing_a_renamed_a_swapped_and_a_foreign_row_are_noticed() {
        let files = rows(&sample(), 50);
        for at in 0..files.len() {
            let mut missing = files.clone();
            missing.remove(at);
            assert_eq!(read(&mut Table(&missing), 7).map_err(|e| e.kind()), Err(ErrorKind::Corrupted), "row {at}");
            let mut renamed = files.clone();
            renamed[at].0.push('x');
            assert_eq!(read(&mut Table(&renamed), 7).map_err(|e| e.kind()), Err(ErrorKind::Corrupted), "row {at}");
        }
        let mut swapped = files.clone();
        (swapped[0].2, swapped[1].2) = (files[1].2.clone(), files[0].2.clone());
        assert!(read(&mut Table(&swapped), 7).is_err());
        let mut foreign = files;
        foreign.push(("extra.bin".to_owned(), 0, vec![1]));
        let error = read(&mut Table(&foreign), 7).expect_err("a foreign row");
        assert_eq!(error.message(), "part \"extra.bin\" of the stored model is corrupted");
    }

    #[test]
    fn a_model_without_rows_says_so() {
        let error = read(&mut Table(&vec![]), 7).expect_err("no rows");
        assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupted, "model 7 has no rows in pgml.files"));
    }
}
