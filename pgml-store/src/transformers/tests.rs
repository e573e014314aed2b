//! A transformer's way into rows and out again. Rows lie in memory, folders in temporary ones.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use postgres_types::Type;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::Row;
use crate::fake::{Fake, row};

const MODEL: i64 = 7;

fn model_row() -> Row {
    row(&[
        (Type::INT8, &MODEL),
        (Type::INT8, &3_i64),
        (Type::TEXT, &"org/it's"),
        (Type::TEXT, &"embedding"),
        (Type::INT8, &None::<i64>),
        (Type::INT4, &1_i32),
        (Type::TEXT, &ALGORITHM),
        (Type::TEXT, &"rust"),
        (Type::JSONB, &json!({})),
        (Type::JSONB, &None::<Value>),
    ])
}

/// The files of a model, two of which are not needed.
fn source() -> (TempDir, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("1_Pooling")).expect("a folder");
    let weights: Vec<u8> = (0..MAX_ROW_BYTES + 1000).map(|at| (at % 251) as u8).collect();
    fs::write(folder.path().join("blob"), weights).expect("written");
    std::os::unix::fs::symlink("blob", folder.path().join("model.safetensors")).expect("a link");
    for (path, content) in [("config.json", "{}"), ("1_Pooling/config.json", ""), ("README.md", "no")] {
        fs::write(folder.path().join(path), content).expect("written");
    }
    let files = ["model.safetensors", "config.json", "1_Pooling/config.json"].map(str::to_owned);
    (folder, files.to_vec())
}

/// The rows of `pgml.files` of [`MODEL`].
#[derive(Clone, Default)]
struct Rows {
    files: Vec<(String, i32, Vec<u8>)>,
    dropped: bool,
}

impl Rows {
    /// What storing [`source`] gives.
    fn stored() -> Self {
        let (folder, files) = source();
        let number = |n: i64| vec![row(&[(Type::INT8, &n)])];
        let project = row(&[(Type::INT8, &3_i64), (Type::TEXT, &"org/it's"), (Type::TEXT, &"embedding")]);
        let mut port = Fake::default()
            .expect(queries::PROJECT_BY_NAME, vec![project])
            .expect(queries::MODEL_NEXT_ID, number(MODEL))
            .expect(queries::MODEL_INSERT, vec![]);
        // Two rows of the weights, one of each other file, the manifest.
        for _ in 0..5 {
            port = port.expect(queries::FILE_INSERT, vec![]);
        }
        port = port.expect(queries::MODEL_BY_ID, vec![model_row()]).expect(queries::DEPLOYMENT_INSERT, number(1));
        let steps = RefCell::new(Vec::new());
        let source = SourceFolder { path: folder.path(), files: &files };
        let id = store(&mut port, "org/it's", None, &source, &|done, total| steps.borrow_mut().push((done, total)));
        assert_eq!(id, Ok(MODEL));
        port.assert_done();
        let total = MAX_ROW_BYTES as u64 + 1002;
        assert_eq!(steps.take(), [0, 2, 2 + MAX_ROW_BYTES as u64, total].map(|done| (done, total)));
        let files = port.bound[3..8].iter().map(|values| {
            let [_, Some(path), Some(part), Some(data)] = &values[..] else { panic!("no NULLs") };
            let part = i32::from_be_bytes(part[..].try_into().expect("four bytes"));
            (String::from_utf8(path.clone()).expect("text"), part, data.clone())
        });
        Self { files: files.collect(), dropped: false }
    }
}

impl Port for Rows {
    fn query(&mut self, sql: &str, params: &[crate::Param<'_>]) -> Result<Vec<Row>> {
        if sql == queries::MODEL_BY_ID {
            return Ok(if self.dropped { Vec::new() } else { vec![model_row()] });
        }
        if sql == queries::FILE_LAYOUT {
            self.files.sort();
            let layout = |(path, part, data): &(String, i32, Vec<u8>)| {
                row(&[(Type::TEXT, path), (Type::INT4, part), (Type::INT8, &(data.len() as i64))])
            };
            return Ok(self.files.iter().map(layout).collect());
        }
        assert_eq!(sql, queries::FILE_READ);
        let wanted = row(&[(Type::TEXT, params[1]), (Type::INT4, params[2])]);
        let wanted = (wanted.get::<String>(0)?, wanted.get::<i32>(1)?);
        let found = self.files.iter().filter(|(path, part, _)| (path, part) == (&wanted.0, &wanted.1));
        Ok(found.map(|(_, _, data)| row(&[(Type::BYTEA, data)])).collect())
    }

    fn execute(&mut self, sql: &str, _: &[crate::Param<'_>]) -> Result<u64> {
        panic!("a read must not write: {sql}")
    }
}

struct Root(TempDir);

impl Root {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("transformers")
    }

    fn copy(&self, rows: &mut Rows, model: i64) -> Result<Copy> {
        Unpacked::new(self.path(), 5, &|database| database == 6, &|_, _| ()).copy(rows, model)
    }

    /// Names besides the markers.
    fn folders(&self) -> Vec<String> {
        let names = fs::read_dir(self.path()).expect("the folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().expect("text")).collect();
        names.retain(|name| name.len() == 64 || name.ends_with(".tmp"));
        names.sort();
        names
    }
}

#[test]
fn a_stored_transformer_comes_back_file_by_file_and_is_made_once() {
    let (source, files) = source();
    let (mut rows, root) = (Rows::stored(), Root::new());
    let copy = root.copy(&mut rows, MODEL).expect("made");
    for path in &files {
        let read = |folder: &std::path::Path| fs::read(folder.join(path)).expect("there");
        assert!(read(&copy.folder) == read(source.path()), "{path}");
    }
    assert!(copy.is_there() && !copy.folder.join("README.md").exists());
    let weights = copy.folder.join("model.safetensors");
    let made = fs::metadata(&weights).expect("there").modified().expect("known");
    assert_eq!(root.copy(&mut rows, MODEL), Ok(copy.clone()));
    assert_eq!(fs::metadata(&weights).expect("there").modified().expect("known"), made);
    // A file that is gone comes back with the folder.
    fs::remove_file(&weights).expect("removed");
    assert_eq!(root.copy(&mut rows, MODEL), Ok(copy.clone()));
    assert!(weights.exists());
    fs::remove_dir_all(&copy.folder).expect("removed");
    assert!(!copy.is_there());
}

#[test]
fn a_damaged_row_is_told_by_its_file_and_leaves_no_folder() {
    let (rows, root) = (Rows::stored(), Root::new());
    for at in 0..rows.files.len() {
        let mut damaged = rows.clone();
        let (path, _, data) = &mut damaged.files[at];
        let Some(byte) = data.last_mut() else { continue };
        *byte ^= 1;
        let path = path.clone();
        let error = root.copy(&mut damaged, MODEL).expect_err("damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupted);
        assert!(error.message().contains(&format!("\"{path}\"")), "{error}");
        let checked = Stored::read(&mut damaged, MODEL).and_then(|stored| stored.check(&mut damaged));
        assert_eq!(checked, Err(error));
        assert_eq!(root.folders(), [""; 0]);
    }
    let mut whole = rows;
    assert_eq!(Stored::read(&mut whole, MODEL).and_then(|stored| stored.check(&mut whole)), Ok(()));
}

#[test]
fn of_many_at_once_one_makes_the_folder_and_all_use_it() {
    let (rows, root) = (Rows::stored(), Root::new());
    let pieces = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let step = |done: u64, _: u64| {
                    pieces.fetch_add(usize::from(done > 0), Ordering::SeqCst);
                };
                let copy = Unpacked::new(root.path(), 5, &|_| true, &step).copy(&mut rows.clone(), MODEL);
                assert!(copy.expect("made").is_there());
            });
        }
    });
    assert_eq!(pieces.load(Ordering::SeqCst), 3, "two pieces of the weights, one of the configuration");
    assert_eq!(root.folders().len(), 1);
}

#[test]
fn folders_go_that_nobody_uses_when_another_is_made() {
    let digest = |c: &str| c.repeat(64);
    let [long_ago, of_dropped, of_other, of_gone, unmarked] = ["a", "b", "c", "d", "e"].map(digest);
    let root = Root::new();
    let marker = |name: &str, days: u64| {
        let path = root.path().join(name);
        fs::write(&path, "").expect("written");
        let used = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        fs::File::options().write(true).open(path).and_then(|file| file.set_modified(used)).expect("own file");
    };
    for folder in [&long_ago, &of_dropped, &of_other, &of_gone, &unmarked, &format!("{unmarked}.tmp")] {
        fs::create_dir_all(root.path().join(folder).join("1_Pooling")).expect("a folder");
    }
    marker(&format!("{long_ago}.6.1"), 31);
    marker(&format!("{of_other}.6.1"), 29);
    marker(&format!("{of_gone}.9.1"), 0);
    let mut rows = Rows::stored();
    let made = root.copy(&mut rows, MODEL).expect("made").folder;
    let mut left = vec![of_other.clone(), made.file_name().expect("a name").to_string_lossy().into_owned()];
    left.sort();
    assert_eq!(root.folders(), left);

    // The next to be made finds the model of this one dropped.
    marker(&format!("{of_dropped}.5.1"), 0);
    fs::create_dir(root.path().join(&of_dropped)).expect("a folder");
    rows.dropped = true;
    fs::remove_dir_all(&made).expect("removed");
    root.copy(&mut rows, MODEL).expect("made again");
    assert!(!root.folders().contains(&of_dropped));
}

#[test]
fn a_transformer_has_no_predictor_and_says_what_it_is_for() {
    let mut rows = Rows::stored();
    let mut port = Fake::default().expect(queries::MODEL_BY_ID, vec![model_row()]);
    let model = catalog::model(&mut port, MODEL).expect("a row");
    let error = crate::files::load(&mut rows, &model, None, &crate::fake::resolve).map(drop).expect_err("no predictor");
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert_eq!(error.hint(), Some("use pgml.embed('org/it''s', text), or pgml.rank if it was made for ranking"));
}

#[test]
fn a_name_that_leads_out_of_the_folder_is_not_stored() {
    let (folder, _) = source();
    for path in ["../secret", "a b"] {
        let files = [path.to_owned()];
        let source = SourceFolder { path: folder.path(), files: &files };
        let error = store(&mut Fake::default(), "x", None, &source, &|_, _| ()).expect_err("refused");
        assert!(error.message().contains(path), "{error}");
    }
}
