//! Connections and hubs that fail.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use pgml_core::ErrorKind;

use crate::scene::{FIRST, Scene, WEIGHTS, commit};
use crate::stand_in::{Fault, sha256};

const WHERE: &str = "model.safetensors";

fn ranges(scene: &Scene) -> Vec<Option<String>> {
    scene.hub.asked(WHERE).into_iter().map(|asked| asked.range).collect()
}

fn assert_whole(scene: &Scene) {
    let found = fs::read(scene.snapshot(FIRST).join(WHERE)).expect("readable");
    assert!(found == commit(FIRST, 1).files[WHERE], "the weights are those of the hub");
}

#[test]
fn a_broken_download_goes_on_from_where_it_ended() {
    let scene = Scene::new();
    scene.hub.spoil(WHERE, Fault::Truncated(300_000), 2);
    scene.fetch().expect("fetched");
    assert_eq!(ranges(&scene), [None, Some("bytes=300000-".into()), Some("bytes=600000-".into())]);
    assert_whole(&scene);
}

#[test]
fn what_an_earlier_call_left_is_used() {
    let scene = Scene::new();
    scene.hub.spoil(WHERE, Fault::Truncated(10_000), 4);
    let error = scene.refused();
    assert_eq!(error.kind(), ErrorKind::Io);
    scene.assert_nothing_is_there();
    scene.fetch().expect("fetched");
    assert_eq!(ranges(&scene).last(), Some(&Some("bytes=40000-".into())));
    assert_whole(&scene);
}

#[test]
fn a_hub_that_falls_silent_is_left_and_asked_again() {
    let scene = Scene::new();
    scene.hub.spoil(WHERE, Fault::Stalled(500_000), 1);
    scene.fetch().expect("fetched");
    assert_eq!(ranges(&scene), [None, Some("bytes=500000-".into())]);
    assert_whole(&scene);
}

#[test]
fn a_hub_that_stays_silent_is_an_error_that_says_so() {
    let scene = Scene::new();
    scene.hub.spoil(WHERE, Fault::Stalled(0), 99);
    let error = scene.refused();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("silent"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("HTTPS_PROXY")), "{error}");
    assert_eq!(ranges(&scene).len(), 4, "as often as the patience allows");
    scene.assert_nothing_is_there();
}

#[test]
fn a_slow_hub_is_waited_for() {
    let scene = Scene::new();
    let (start, pause) = (Instant::now(), Duration::from_millis(60));
    scene.hub.spoil(WHERE, Fault::Slow(WEIGHTS / 10, pause), 1);
    scene.fetch().expect("fetched");
    assert!(start.elapsed() >= 10 * pause, "longer than a silence may last");
    assert_eq!(ranges(&scene), [None]);
    assert_whole(&scene);
}

#[test]
fn wrong_bytes_are_refused_and_not_kept() {
    for path in [WHERE, "tokenizer.json"] {
        let scene = Scene::new();
        scene.hub.spoil(path, Fault::Wrong, 1);
        let error = scene.refused();
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{path}");
        assert!(error.message().contains(path), "{error}");
        scene.assert_nothing_is_there();
        scene.fetch().expect("fetched");
        assert_whole(&scene);
    }
}

#[test]
fn a_spoilt_rest_of_an_earlier_download_is_given_up_for_a_whole_one() {
    let scene = Scene::new();
    let blobs = scene.model().join("blobs");
    fs::create_dir_all(&blobs).expect("a folder");
    let partial = blobs.join(format!("{}.pgml.incomplete", sha256(&commit(FIRST, 1).files[WHERE])));
    for rest in [vec![7; 1000], vec![7; WEIGHTS], vec![7; WEIGHTS + 1]] {
        fs::write(&partial, rest).expect("written");
        scene.fetch().expect("fetched");
        assert_whole(&scene);
        assert!(!partial.exists());
        fs::remove_dir_all(scene.model().join("snapshots")).expect("removed");
        fs::remove_file(blobs.join(sha256(&commit(FIRST, 1).files[WHERE]))).expect("removed");
    }
}

#[test]
fn a_hub_that_sends_no_parts_is_asked_for_the_whole() {
    let scene = Scene::new();
    scene.hub.spoil(WHERE, Fault::Truncated(300_000), 1);
    scene.hub.spoil(WHERE, Fault::NoParts, 1);
    scene.fetch().expect("fetched");
    assert_eq!(ranges(&scene), [None, Some("bytes=300000-".into())]);
    assert_whole(&scene);
    let scene = Scene::new();
    scene.hub.spoil(WHERE, Fault::Truncated(300_000), 1);
    scene.hub.spoil(WHERE, Fault::Status(416, &[]), 1);
    scene.fetch().expect("fetched");
    assert_eq!(ranges(&scene), [None, Some("bytes=300000-".into()), None]);
    assert_whole(&scene);
}

#[test]
fn a_full_disk_is_an_error_that_says_where_to_make_room() {
    let scene = Scene::new();
    let blobs = scene.model().join("blobs");
    fs::create_dir_all(&blobs).expect("a folder");
    let partial = blobs.join(format!("{}.pgml.incomplete", sha256(&commit(FIRST, 1).files[WHERE])));
    symlink("/dev/full", partial).expect("a link");
    let error = scene.refused();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.hint().is_some_and(|hint| hint.starts_with("make room")), "{error}");
    scene.assert_nothing_is_there();
}

#[test]
fn no_hub_at_all_is_an_error_that_names_it() {
    let mut scene = Scene::new();
    // Port 1 of localhost is nobody's.
    scene.settings.endpoint = "http://127.0.0.1:1".into();
    let error = scene.refused();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("127.0.0.1:1"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("without network")), "{error}");
}
