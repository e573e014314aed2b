//! Several callers at the same time, and callers who change their mind.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use pgml_core::{ErrorKind, Run};
use pgml_models::hub::Hub;

use crate::scene::{FIRST, NAME, Scene, settings};
use crate::stand_in::Fault;

/// Of the process that [`two_processes_download_once`] starts.
const CHILD: &str = "PGML_TEST_HUB_CHILD";

fn assert_each_file_was_sent_once(scene: &Scene) {
    for path in ["/config.json", "tokenizer.json", "model.safetensors"] {
        let once = if path == "/config.json" { 2 } else { 1 };
        assert_eq!(scene.hub.asked(path).len(), once, "{path}");
    }
}

#[test]
fn two_threads_download_once() {
    let scene = Scene::new();
    scene.hub.spoil("model.safetensors", Fault::Slow(100_000, Duration::from_millis(20)), 1);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| scene.fetch())).collect();
        for caller in callers {
            assert_eq!(caller.join().expect("no panic").expect("fetched"), scene.snapshot(FIRST));
        }
    });
    assert_each_file_was_sent_once(&scene);
}

#[test]
fn two_processes_download_once() {
    let scene = Scene::new();
    scene.hub.spoil("model.safetensors", Fault::Slow(100_000, Duration::from_millis(40)), 1);
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "at_once::a_process_that_another_test_starts"])
        .env(CHILD, format!("{} {}", scene.hub.address, scene.cache.path().display()))
        .spawn();
    let mut child = child.expect("a process");
    scene.fetch().expect("fetched here");
    assert!(child.wait().expect("ended").success(), "fetched there");
    assert_each_file_was_sent_once(&scene);
}

#[test]
fn a_process_that_another_test_starts() {
    let Ok(where_from) = std::env::var(CHILD) else { return };
    let (endpoint, cache) = where_from.split_once(' ').expect("an address and a folder");
    let hub = Hub::new(settings(endpoint, cache.as_ref()));
    hub.fetch(NAME, None, None, &Run::new()).expect("fetched");
}

/// How long a fetch goes on after a cancel that comes when `path` is asked for.
fn time_to_stop(scene: &Scene, path: &str) -> Duration {
    let run = scene.run();
    thread::scope(|scope| {
        let fetch = scope.spawn(|| scene.client().fetch(NAME, None, None, &run));
        while scene.hub.asked(path).is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(50));
        let start = Instant::now();
        run.cancel();
        let error = fetch.join().expect("no panic").expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        start.elapsed()
    })
}

#[test]
fn a_cancel_ends_the_wait_for_a_silent_hub_and_keeps_what_is_there() {
    let mut scene = Scene::new();
    scene.settings.patience.silence = Duration::from_secs(30);
    scene.hub.spoil("model.safetensors", Fault::Stalled(500_000), 1);
    let time = time_to_stop(&scene, "model.safetensors");
    assert!(time < Duration::from_millis(500), "{time:?}");
    scene.assert_nothing_is_there();
    scene.fetch().expect("fetched");
    assert_eq!(scene.hub.asked("model.safetensors")[1].range.as_deref(), Some("bytes=500000-"));
}

#[test]
fn a_cancel_ends_a_pause() {
    let mut scene = Scene::new();
    scene.settings.patience.longest_pause = Duration::from_secs(60);
    scene.hub.spoil("/api/", Fault::Status(429, &[("retry-after", "30")]), 1);
    let time = time_to_stop(&scene, "/api/");
    assert!(time < Duration::from_millis(500), "{time:?}");
}

#[test]
fn one_file_that_cannot_be_had_stops_the_others() {
    let mut scene = Scene::new();
    scene.settings.patience.silence = Duration::from_secs(30);
    scene.hub.spoil("model.safetensors", Fault::Stalled(500_000), 1);
    scene.hub.spoil("tokenizer.json", Fault::Status(403, &[]), 1);
    let start = Instant::now();
    let error = scene.refused();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}
