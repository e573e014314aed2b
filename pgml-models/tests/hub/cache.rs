//! The cache's layout, which Python's library reads and writes too.

use std::fs;

use pgml_core::ErrorKind;

use crate::scene::{FIRST, NAME, SECOND, Scene, WEIGHTS, commit, tree};
use crate::stand_in::{git_blob, sha256};

#[test]
fn a_fetched_model_lies_as_pythons_library_lays_it() {
    let scene = Scene::new();
    let folder = scene.fetch().expect("fetched");
    assert_eq!(folder, scene.snapshot(FIRST));
    let needed = ["1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "tokenizer.json"];
    assert_eq!(tree(&folder), needed);
    let files = commit(FIRST, 1).files;
    for (path, up) in [("config.json", "../../"), ("1_Pooling/config.json", "../../../")] {
        let expected = format!("{up}blobs/{}", git_blob(&files[path]));
        assert_eq!(fs::read_link(folder.join(path)).expect("a link").display().to_string(), expected);
    }
    let expected = format!("../../blobs/{}", sha256(&files["model.safetensors"]));
    assert_eq!(fs::read_link(folder.join("model.safetensors")).expect("a link").display().to_string(), expected);
    for path in needed {
        assert_eq!(fs::read(folder.join(path)).expect("readable"), files[path], "{path}");
    }
    assert_eq!(fs::read_to_string(scene.model().join("refs/main")).expect("a ref"), FIRST, "without a line end");
    assert_eq!(tree(&scene.model().join("blobs")).len(), needed.len(), "nothing is left over");
    let lock = format!(".locks/models--org--tiny/{}.lock", sha256(&files["model.safetensors"]));
    assert!(scene.cache.path().join("hub").join(lock).is_file());
}

#[test]
fn what_is_in_the_cache_is_used_without_asking_the_hub() {
    let scene = Scene::new();
    let folder = scene.fetch().expect("fetched");
    let asked = scene.hub.asked("").len();
    assert_eq!(scene.fetch().expect("again"), folder);
    assert_eq!(scene.client().find(NAME, None).expect("a name"), Some(folder.clone()));
    assert_eq!(scene.client().find(NAME, Some(FIRST)).expect("a name"), None, "not under this name, yet");
    assert_eq!(scene.client().fetch(NAME, Some(FIRST), None, &scene.run()).expect("by its commit"), folder);
    assert_eq!(scene.offline().fetch(NAME, None, None, &scene.run()).expect("offline"), folder);
    assert_eq!(scene.hub.asked("").len(), asked);
}

#[test]
fn what_pythons_library_began_is_completed() {
    let scene = Scene::new();
    scene.fetch().expect("fetched");
    fs::remove_file(scene.snapshot(FIRST).join("model.safetensors")).expect("removed");
    fs::remove_dir_all(scene.cache.path().join("pgml")).expect("no pins");
    let before = scene.hub.asked("model.safetensors").len();
    assert_eq!(scene.client().find(NAME, None).expect("a name"), None);
    scene.fetch().expect("completed");
    assert_eq!(scene.hub.asked("model.safetensors").len(), before, "the content was there, only the link was not");
    assert!(scene.snapshot(FIRST).join("model.safetensors").is_file());
}

#[test]
fn a_damaged_blob_is_downloaded_again() {
    let scene = Scene::new();
    let folder = scene.fetch().expect("fetched");
    fs::remove_dir_all(scene.cache.path().join("pgml")).expect("no pins");
    fs::write(fs::canonicalize(folder.join("config.json")).expect("a blob"), "other").expect("damaged");
    fs::remove_file(folder.join("model.safetensors")).expect("not whole");
    scene.fetch().expect("mended");
    assert_eq!(fs::read(folder.join("config.json")).expect("readable"), commit(FIRST, 1).files["config.json"]);
}

#[test]
fn progress_goes_up_to_all_bytes_and_each_file_is_told_once() {
    let scene = Scene::new();
    scene.fetch().expect("fetched");
    let progress = scene.heard.progress.lock().expect("not poisoned");
    let (done, total) = progress.iter().copied().max().expect("some progress");
    assert_eq!(done, total);
    assert!(total >= WEIGHTS as u64);
    let mut messages = scene.heard.messages.lock().expect("not poisoned").clone();
    messages.sort();
    assert_eq!(messages.len(), 5, "{messages:?}");
    assert_eq!(messages[2], "downloading model.safetensors of \"org/tiny\" (1 MB)");
}

#[test]
fn branches_with_slashes_and_commits_can_be_asked_for() {
    let scene = Scene::new();
    scene.hub.publish(NAME, "refs/pr/1", &commit(SECOND, 2));
    let fetch = |revision| scene.client().fetch(NAME, Some(revision), None, &scene.run());
    assert_eq!(fetch("refs/pr/1").expect("a branch"), scene.snapshot(SECOND));
    assert_eq!(fs::read_to_string(scene.model().join("refs/refs/pr/1")).expect("a ref"), SECOND);
    assert_eq!(fetch(FIRST).expect("a commit"), scene.snapshot(FIRST));
    assert!(!scene.model().join("refs").join(FIRST).exists());
    assert_eq!(fetch("v9").expect_err("no such tag").kind(), ErrorKind::UnresolvedModel);
}

#[test]
fn offline_nothing_is_asked_and_the_error_says_what_to_do() {
    let scene = Scene::new();
    let error = scene.offline().fetch(NAME, None, None, &scene.run()).expect_err("not in the cache");
    assert_eq!(error.kind(), ErrorKind::UnresolvedModel);
    assert_eq!(error.message(), "\"org/tiny\" is not in the model cache, and nothing may be downloaded");
    assert!(error.hint().is_some_and(|hint| hint.contains("copy the model's folder")), "{error}");
    assert_eq!(scene.hub.asked("").len(), 0);
}

#[test]
fn a_cache_that_was_copied_from_elsewhere_serves_offline() {
    let (scene, other) = (Scene::new(), Scene::new());
    scene.fetch().expect("fetched");
    let folders = [scene.cache.path().join("hub"), other.cache.path().to_owned()];
    let copied = std::process::Command::new("cp").arg("-a").args(folders).status().expect("cp");
    assert!(copied.success());
    let folder = other.offline().fetch(NAME, None, None, &other.run()).expect("offline");
    assert_eq!(folder, other.snapshot(FIRST));
    assert!(other.cache.path().join("pgml/pins/org--tiny.json").is_file(), "and is pinned there, too");
}

#[test]
fn offline_a_model_in_an_old_format_is_refused_with_advice() {
    let scene = Scene::new();
    let folder = scene.fetch().expect("fetched");
    fs::remove_dir_all(scene.cache.path().join("pgml")).expect("no pins");
    fs::rename(folder.join("model.safetensors"), folder.join("pytorch_model.bin")).expect("renamed");
    let error = scene.offline().fetch(NAME, None, None, &scene.run()).expect_err("no safetensors");
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert!(error.hint().is_some_and(|hint| hint.contains("save_pretrained")), "{error}");
}

#[test]
fn a_touched_file_is_read_again_before_it_is_trusted() {
    let scene = Scene::new();
    let folder = scene.fetch().expect("fetched");
    let find = || scene.client().find(NAME, None).expect("a name");
    assert_eq!(find(), Some(folder.clone()));
    let config = fs::canonicalize(folder.join("config.json")).expect("a blob");
    let content = fs::read(&config).expect("readable");
    fs::write(&config, content).expect("written");
    assert_eq!(find(), None);
    assert_eq!(scene.fetch().expect("the same"), folder);
    assert_eq!(find(), Some(folder));
}

#[test]
fn a_hub_that_lists_no_digests_is_asked_for_each() {
    let scene = Scene::new();
    scene.hub.list_without_digests();
    let folder = scene.fetch().expect("fetched");
    assert_eq!(fs::read(folder.join("model.safetensors")).expect("readable").len(), WEIGHTS);
    assert!(scene.hub.asked("model.safetensors").iter().any(|asked| asked.method == "HEAD"));
}
