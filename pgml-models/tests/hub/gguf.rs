//! Models in GGUF files: which of a repository's are downloaded.

use std::collections::BTreeMap;

use pgml_core::ErrorKind;

use crate::scene::{FIRST, NAME, Scene, tree};
use crate::stand_in::Commit;

const PARTS: [&str; 2] = ["Q8_0/tiny-00001-of-00002.gguf", "Q8_0/tiny-00002-of-00002.gguf"];

/// A hub whose model is these files.
fn scene(files: &[&str]) -> Scene {
    let scene = Scene::new();
    let content = |path: &&str| ((*path).to_owned(), format!("what is in {path}").into_bytes());
    let files: BTreeMap<String, Vec<u8>> = files.iter().map(content).collect();
    scene.hub.publish(NAME, "main", &Commit { hash: FIRST.into(), files });
    scene
}

/// A repository as people who quantise models make them.
fn many() -> Scene {
    scene(&["README.md", "tiny.Q2_K.gguf", "tiny.Q4_K_M.gguf", "tiny.Q6_K.gguf", PARTS[0], PARTS[1]])
}

#[test]
fn the_file_that_is_named_is_downloaded_and_no_other() {
    let scene = many();
    let named = scene.client().with_file(Some("tiny.Q2_K.gguf"));
    let folder = named.fetch(NAME, None, None, &scene.run()).expect("fetched");
    assert_eq!(tree(&folder), ["tiny.Q2_K.gguf"]);
    assert_eq!(scene.hub.asked("/resolve/").len(), 1);
    assert_eq!(named.find(NAME, None).expect("a name"), Some(folder));
}

#[test]
fn a_file_that_is_not_there_is_refused_with_those_that_are() {
    let scene = many();
    let named = scene.client().with_file(Some("tiny.Q3_K.gguf"));
    let error = named.fetch(NAME, None, None, &scene.run()).expect_err("no such file");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("\"tiny.Q3_K.gguf\""), "{error}");
    let known = format!("known: {}, tiny.Q2_K.gguf, tiny.Q4_K_M.gguf, tiny.Q6_K.gguf", PARTS[0]);
    assert_eq!(error.detail(), Some(known.as_str()));
    for path in ["../tiny.Q2_K.gguf", "/etc/tiny.gguf", "Q8_0/../tiny.Q2_K.gguf"] {
        let named = scene.client().with_file(Some(path));
        let error = named.fetch(NAME, None, None, &scene.run()).expect_err("a path trick");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

#[test]
fn all_parts_of_a_file_are_downloaded() {
    for part in PARTS {
        let scene = many();
        let named = scene.client().with_file(Some(part));
        let folder = named.fetch(NAME, None, None, &scene.run()).expect("fetched");
        assert_eq!(tree(&folder), PARTS);
        assert_eq!(named.find(NAME, None).expect("a name"), Some(folder));
    }
    let scene = scene(&["a-Q4_0-00001-of-00002.gguf", "a-Q4_0-00002-of-00002.gguf"]);
    let folder = scene.fetch().expect("fetched");
    assert_eq!(tree(&folder).len(), 2);
}

#[test]
fn a_part_that_is_not_there_is_named() {
    let scene = scene(&["a-Q4_0-00001-of-00003.gguf", "a-Q4_0-00003-of-00003.gguf"]);
    let error = scene.refused();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert!(error.message().contains("\"a-Q4_0-00002-of-00003.gguf\""), "{error}");
    scene.assert_nothing_is_there();
}

#[test]
fn two_files_of_one_repository_are_two_models() {
    let scene = many();
    let named = |file| scene.client().with_file(file);
    let files = [None, Some("tiny.Q2_K.gguf"), Some("tiny.Q6_K.gguf")];
    for file in files {
        named(file).fetch(NAME, None, None, &scene.run()).expect("fetched");
    }
    let folder = scene.snapshot(FIRST);
    assert_eq!(tree(&folder), ["tiny.Q2_K.gguf", "tiny.Q4_K_M.gguf", "tiny.Q6_K.gguf"]);
    for file in files {
        assert_eq!(named(file).find(NAME, None).expect("a name"), Some(folder.clone()), "{file:?}");
        scene.offline().with_file(file).fetch(NAME, None, None, &scene.run()).expect("offline");
    }
    let named = scene.offline().with_file(Some("tiny.Q3_K.gguf"));
    let error = named.fetch(NAME, None, None, &scene.run()).expect_err("not in the cache");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.detail(), Some("known: tiny.Q2_K.gguf, tiny.Q4_K_M.gguf, tiny.Q6_K.gguf"));
    assert!(error.hint().is_some_and(|hint| hint.contains("nothing may be downloaded")), "{error}");
}
