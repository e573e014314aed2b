//! What a hub may answer instead of a model, and what it may try.

use std::time::{Duration, Instant};

use pgml_core::{Error, ErrorKind};

use crate::scene::{FIRST, NAME, Scene, commit};
use crate::stand_in::{Fault, StandIn};

fn answered(status: u16, headers: &'static [(&'static str, &'static str)], token: Option<&str>) -> Error {
    let scene = Scene::new();
    scene.hub.spoil("/api/", Fault::Status(status, headers), 99);
    let error = scene.client().fetch(NAME, None, token, &scene.run()).expect_err("refused");
    scene.assert_nothing_is_there();
    error
}

#[test]
fn a_missing_token_and_an_unaccepted_licence_are_named() {
    let error = answered(401, &[], None);
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.hint().is_some_and(|hint| hint.contains("needs a token")), "{error}");
    let gated = &[("x-error-code", "GatedRepo"), ("x-error-message", "Access is restricted")];
    let error = answered(403, gated, Some("hf_mine"));
    assert!(error.hint().is_some_and(|hint| hint.starts_with("accept the model's licence")), "{error}");
    assert_eq!(error.detail(), Some("Access is restricted"));
    assert!(answered(401, &[], Some("hf_mine")).hint().is_some_and(|hint| hint.contains("not valid")));
}

#[test]
fn an_unknown_model_is_an_error_at_once() {
    let scene = Scene::new();
    let error = scene.client().fetch("org/other", None, None, &scene.run()).expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::UnresolvedModel);
    assert!(error.message().contains("\"org/other\""), "{error}");
    assert_eq!(scene.hub.asked("org/other").len(), 1);
}

#[test]
fn a_hub_that_wants_a_pause_gets_it() {
    let scene = Scene::new();
    scene.hub.spoil("/api/", Fault::Status(429, &[("retry-after", "1")]), 1);
    let start = Instant::now();
    scene.fetch().expect("fetched");
    assert!(start.elapsed() >= Duration::from_secs(1));
    let start = Instant::now();
    let error = answered(429, &[("retry-after", "3600")], None);
    assert!(start.elapsed() < Duration::from_secs(1), "nobody waits for an hour");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.hint().is_some_and(|hint| hint.contains("HF_TOKEN")), "{error}");
}

#[test]
fn faults_of_the_hub_that_pass_are_waited_out() {
    let scene = Scene::new();
    for (path, status) in [("/api/", 500), ("/api/", 503), ("config.json", 502), ("model.safetensors", 504)] {
        scene.hub.spoil(path, Fault::Status(status, &[]), 1);
    }
    scene.fetch().expect("fetched");
    let error = answered(500, &[], None);
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("status 500"), "{error}");
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let (scene, store) = (Scene::new(), StandIn::start());
    store.publish(NAME, "main", &commit(FIRST, 1));
    scene.hub.spoil("model.safetensors", Fault::Redirected(format!("{}/cdn", store.address)), 1);
    scene.client().fetch(NAME, None, Some("hf_secret"), &scene.run()).expect("fetched");
    assert!(scene.hub.asked("").iter().all(|asked| asked.token.as_deref() == Some("Bearer hf_secret")));
    let stored = store.asked("");
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].token, None);
}

#[test]
fn the_servers_own_token_is_for_callers_without_one() {
    let mut scene = Scene::new();
    scene.settings.token = Some("hf_server".into());
    scene.fetch().expect("fetched");
    assert!(scene.hub.asked("").iter().all(|asked| asked.token.as_deref() == Some("Bearer hf_server")));
}

#[test]
fn redirects_in_circles_end() {
    let scene = Scene::new();
    scene.hub.spoil("/api/", Fault::Redirected(String::new()), 99);
    assert!(scene.refused().message().contains("round in circles"));
    assert!(scene.hub.asked("/api/").len() < 10);
}

#[test]
fn a_hub_cannot_write_outside_of_the_models_folder() {
    let scene = Scene::new();
    let mut evil = commit(FIRST, 1);
    evil.files.insert("modules.json".into(), br#"[{"path": ""}, {"path": "../../../../evil"}]"#.to_vec());
    evil.files.insert("../../../../evil/config.json".into(), b"{}".to_vec());
    scene.hub.publish(NAME, "main", &evil);
    assert_eq!(scene.refused().kind(), ErrorKind::Corrupted);
    scene.assert_nothing_is_there();
    assert!(!scene.cache.path().join("evil").exists());
}

#[test]
fn names_that_lead_elsewhere_are_never_asked_for() {
    let scene = Scene::new();
    for (name, revision) in [("../x", "main"), ("org/tiny?x", "main"), (NAME, "../../x"), (NAME, "main?x")] {
        let error = scene.client().fetch(name, Some(revision), None, &scene.run()).expect_err("no name");
        assert_eq!(error.kind(), ErrorKind::UnresolvedModel, "{name} {revision}");
    }
    assert_eq!(scene.hub.asked("").len(), 0);
}

#[test]
fn a_model_that_cannot_be_loaded_is_refused_before_its_weights_are_downloaded() {
    let scene = Scene::new();
    let mut old = commit(FIRST, 1);
    old.files.remove("model.safetensors");
    scene.hub.publish(NAME, "main", &old);
    let error = scene.refused();
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert!(error.hint().is_some_and(|hint| hint.contains("save_pretrained")), "{error}");
    assert_eq!(scene.hub.asked("pytorch_model.bin").len(), 0);
}

#[test]
fn an_answer_that_is_no_list_is_an_error() {
    let scene = Scene::new();
    scene.hub.spoil("/api/", Fault::Status(200, &[]), 99);
    let error = scene.refused();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert!(error.hint().is_some_and(|hint| hint.contains("HF_ENDPOINT")), "{error}");
}
