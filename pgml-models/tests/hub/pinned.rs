//! A name means one model for good.

use std::fs;

use pgml_core::ErrorKind;

use crate::scene::{FIRST, NAME, SECOND, Scene, commit};

#[test]
fn a_new_commit_on_the_hub_changes_nothing_until_it_is_accepted() {
    let scene = Scene::new();
    scene.fetch().expect("the first use");
    scene.hub.publish(NAME, "main", &commit(SECOND, 2));
    assert_eq!(scene.fetch().expect("as before"), scene.snapshot(FIRST));
    let refreshed = scene.client().refresh(NAME, None, None, &scene.run()).expect("accepted");
    assert_eq!(refreshed, scene.snapshot(SECOND));
    assert_eq!(scene.fetch().expect("the new one"), scene.snapshot(SECOND));
    assert_eq!(fs::read_to_string(scene.model().join("refs/main")).expect("a ref"), SECOND);
}

#[test]
fn an_empty_cache_is_filled_with_the_pinned_commit() {
    let scene = Scene::new();
    scene.fetch().expect("the first use");
    scene.hub.publish(NAME, "main", &commit(SECOND, 2));
    fs::remove_dir_all(scene.model()).expect("emptied");
    assert_eq!(scene.fetch().expect("fetched by its commit"), scene.snapshot(FIRST));
}

#[test]
fn a_pinned_commit_that_is_gone_is_refused_and_not_replaced() {
    let scene = Scene::new();
    scene.fetch().expect("the first use");
    scene.hub.publish(NAME, "main", &commit(SECOND, 2));
    scene.hub.withdraw(NAME, FIRST);
    fs::remove_dir_all(scene.model()).expect("emptied");
    let error = scene.refused();
    assert_eq!(error.kind(), ErrorKind::NotReady);
    assert_eq!(error.message(), "\"org/tiny\" is not the model that it was at its first use");
    assert!(error.detail().is_some_and(|detail| detail.contains(FIRST)), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("pgml.load_model('org/tiny', refresh => true)")), "{error}");
    assert_eq!(scene.client().find(NAME, None).expect("a name"), None);
    scene.client().refresh(NAME, None, None, &scene.run()).expect("accepted");
    assert_eq!(scene.fetch().expect("the new one"), scene.snapshot(SECOND));
}

#[test]
fn another_commit_that_python_put_into_the_cache_is_not_taken() {
    let (scene, other) = (Scene::new(), Scene::new());
    scene.fetch().expect("the first use");
    other.hub.publish(NAME, "main", &commit(SECOND, 2));
    other.fetch().expect("elsewhere");
    // As if Python's library had updated the branch, and somebody had removed the old commit.
    fs::remove_dir_all(scene.model()).expect("removed");
    fs::rename(other.model(), scene.model()).expect("moved");
    let error = scene.offline().fetch(NAME, None, None, &scene.run()).expect_err("not the pinned one");
    assert_eq!(error.kind(), ErrorKind::NotReady);
    assert!(error.detail().is_some_and(|detail| detail.contains(FIRST) && detail.contains(SECOND)), "{error}");
    scene.offline().refresh(NAME, None, None, &scene.run()).expect("accepted");
    scene.offline().fetch(NAME, None, None, &scene.run()).expect("the new one");
}

#[test]
fn changed_bytes_under_the_same_commit_are_refused() {
    let scene = Scene::new();
    let folder = scene.fetch().expect("the first use");
    let blob = fs::canonicalize(folder.join("model.safetensors")).expect("a blob");
    let mut bytes = fs::read(&blob).expect("readable");
    bytes[1000] ^= 1;
    fs::write(&blob, bytes).expect("changed");
    let error = scene.refused();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert!(error.detail().is_some_and(|detail| detail.contains("model.safetensors")), "{error}");
}

#[test]
fn revisions_are_pinned_one_by_one() {
    let scene = Scene::new();
    scene.hub.publish(NAME, "v2", &commit(SECOND, 2));
    scene.fetch().expect("main");
    scene.client().fetch(NAME, Some("v2"), None, &scene.run()).expect("the tag");
    let pins = fs::read_to_string(scene.cache.path().join("pgml/pins/org--tiny.json")).expect("readable");
    let pins: serde_json::Value = serde_json::from_str(&pins).expect("JSON");
    assert_eq!(pins["revisions"]["main"]["commit"], FIRST);
    assert_eq!(pins["revisions"]["v2"]["commit"], SECOND);
    let weights = &pins["revisions"]["v2"]["files"]["model.safetensors"]["sha256"];
    assert_eq!(weights, &crate::stand_in::sha256(&commit(SECOND, 2).files["model.safetensors"]));
}
