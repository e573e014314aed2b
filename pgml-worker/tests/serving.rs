//! The server with scripted models: what its callers are promised, whoever else asks.

mod common;

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use pgml_core::ErrorKind;
use pgml_core::frames::{Reply, Request, Settings};
use pgml_core::text::ModelSpec;

use common::{start, start_for};

#[test]
fn vectors_come_back_in_the_order_of_the_texts() {
    let mut caller = start().caller_of();
    let texts: Vec<String> = (0..3000).map(|i| "x".repeat(i * 7 % 50)).collect();
    caller.ask("plain", "{}", &texts);
    let lengths: Vec<f32> = caller.answer().expect("works").iter().map(|vector| vector[0]).collect();
    let expected: Vec<f32> = texts.iter().map(|text| text.len() as f32).collect();
    assert_eq!(lengths, expected);
}

#[test]
fn arguments_shape_the_texts_and_the_vectors() {
    let mut caller = start().caller_of();
    caller.ask("plain", r#"{"prompt": "ab", "truncate_dim": 2, "normalize": true}"#, &["c".into(), "c".into()]);
    let vectors = caller.answer().expect("works");
    let length = 10_f32.sqrt();
    assert!((vectors[0][0] - 3.0 / length).abs() < 1e-6 && vectors[0].len() == 2 && vectors[0] == vectors[1]);
    caller.ask("plain", r#"{"truncate_dim": 9}"#, &["c".into()]);
    assert_eq!(caller.answer().expect_err("too many").kind(), ErrorKind::InvalidParameter);
    assert_eq!(caller.embed("plain", &[]).expect("no texts"), Vec::<Vec<f32>>::new());
}

#[test]
fn fifty_who_ask_at_once_load_one_copy() {
    let server = start();
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| server.caller().embed("sluggish", &["abc"]).expect("works"));
        }
    });
    assert_eq!(server.loads.load(Ordering::SeqCst), 1);
    let models = server.models();
    assert_eq!((models.len(), models[0].calls, models[0].rows), (1, 50, 50));
}

#[test]
fn texts_of_several_callers_share_batches() {
    let server = start();
    server.caller().embed("slow", &["x"]).expect("loaded");
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| server.caller().embed("slow", &["abcdefghij"; 5]).expect("works"));
        }
    });
    let model = &server.models()[0];
    assert!(model.shared_batches > 0, "{model:?}");
    assert!(model.batches < 20, "{model:?}");
}

#[test]
fn a_single_text_does_not_wait_for_a_hundred_thousand() {
    let server = start();
    let mut crowd = server.caller();
    crowd.ask("slow", "{}", &vec!["0123456789".to_owned(); 10_000]);
    thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    server.caller().embed("slow", &["one"]).expect("works");
    let waited = start.elapsed();
    // The crowd needs 100 s in all; a batch is at most 2,048 tokens, two seconds, before the pace is known.
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    assert!(server.models()[0].rows < 10_000, "the crowd is still waiting");
}

#[test]
fn the_work_of_a_caller_who_goes_away_goes_with_it() {
    let server = start();
    let mut crowd = server.caller();
    crowd.ask("slow", "{}", &vec!["0123456789".to_owned(); 10_000]);
    thread::sleep(Duration::from_millis(300));
    drop(crowd);
    let before = server.models()[0].batches;
    thread::sleep(Duration::from_millis(2500));
    let after = server.models()[0].batches;
    assert!(after <= before + 1, "{before} batches when it went, {after} later");
}

#[test]
fn a_panic_fails_the_request_that_caused_it_and_no_other() {
    let server = start();
    server.caller().embed("panic-slow", &["x"]).expect("loaded");
    thread::scope(|scope| {
        for number in 0..10 {
            let server = &server;
            scope.spawn(move || {
                let mut caller = server.caller();
                let text = if number == 3 { "this is bad" } else { "this is good" };
                let result = caller.embed("panic-slow", &[text]);
                if number == 3 {
                    let error = result.expect_err("a panic");
                    assert_eq!(error.kind(), ErrorKind::Internal);
                    assert!(error.message().contains("a scripted panic"), "{error}");
                } else {
                    assert_eq!(result.expect("works")[0][0], 12.0);
                }
                assert!(caller.embed("panic-slow", &["again"]).is_ok(), "the connection goes on");
            });
        }
    });
}

#[test]
fn an_error_in_the_middle_leaves_the_connection_usable() {
    let server = start();
    let mut caller = server.caller();
    let mut texts = vec!["good".to_owned(); 20_000];
    texts[5] = "bad".into();
    caller.ask("panic", "{}", &texts);
    assert!(caller.answer().is_err());
    for (model, kind) in [("absent", ErrorKind::UnresolvedModel), ("broken", ErrorKind::Corrupted)] {
        caller.ask(model, "{}", &texts);
        assert_eq!(caller.answer().expect_err(model).kind(), kind);
    }
    caller.ask("plain", r#"{"promt": "x"}"#, &texts);
    assert!(caller.answer().expect_err("a typo").message().contains("promt"));
    assert_eq!(caller.embed("plain", &["ok"]).expect("works")[0][0], 2.0);
}

#[test]
fn models_make_room_for_each_other_and_none_is_larger_than_the_budget() {
    let server = start();
    let mut caller = server.caller();
    caller.settings.memory = 1500 << 20;
    caller.embed("large-a", &["x"]).expect("fits");
    caller.embed("small", &["x"]).expect("fits too");
    caller.embed("large-b", &["x"]).expect("takes the place of the first");
    let names: Vec<String> = server.models().into_iter().map(|model| model.model.name).collect();
    assert_eq!(names, ["large-b", "small"], "the one used longest ago went");
    caller.settings.memory = 100 << 20;
    let error = caller.embed("large-c", &["x"]).expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert_eq!(error.message(), "the model \"large-c\" needs 1024 MiB, but all models together may take 100 MiB");
}

#[test]
fn a_model_in_use_is_waited_for_and_not_dropped() {
    let server = start();
    let mut first = server.caller();
    first.settings.memory = 1500 << 20;
    first.ask("large-slow", "{}", &vec!["0123456789".to_owned(); 60]);
    thread::sleep(Duration::from_millis(200));
    let mut second = server.caller();
    second.settings.memory = 1500 << 20;
    second.embed("large-other", &["x"]).expect("waits its turn");
    assert_eq!(first.answer().expect("undisturbed").len(), 60);
}

#[test]
fn unused_models_go_after_a_while_or_when_told() {
    let server = start();
    let mut caller = server.caller();
    caller.settings.keep_alive = Some(300);
    caller.embed("plain", &["x"]).expect("works");
    assert_eq!(server.models().len(), 1);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !server.models().is_empty() {
        assert!(Instant::now() < deadline, "it stays");
        thread::sleep(Duration::from_millis(20));
    }
    caller.settings.keep_alive = None;
    caller.embed("plain", &["x"]).expect("works again");
    caller.send(&Request::Unload { name: "plain".into() });
    assert_eq!(caller.reply(), Reply::Done(1));
    assert!(server.models().is_empty());
}

#[test]
fn loading_stops_when_nobody_waits_for_it() {
    let server = start();
    let mut caller = server.caller();
    caller.ask("sluggish", "{}", &["x".into()]);
    thread::sleep(Duration::from_millis(100));
    drop(caller);
    thread::sleep(Duration::from_millis(600));
    assert!(server.models().is_empty());
    assert_eq!(server.loads.load(Ordering::SeqCst), 1);
    let mut caller = server.caller();
    caller.ask("sluggish", "{}", &["x".into()]);
    thread::sleep(Duration::from_millis(100));
    drop(caller);
    // It has been told to stop, and may not have stopped yet.
    server.caller().embed("sluggish", &["x"]).expect("loads anew");
}

#[test]
fn a_model_from_elsewhere_is_fetched_once_and_everybody_hears_of_it() {
    let server = start();
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let mut caller = server.caller();
                caller.ask("distant", r#"{"token": "key"}"#, &["x".into()]);
                caller.answer().expect("works");
                let is_warning =
                    |news: &&Reply| matches!(news, Reply::Message { text, .. } if text == "it is far away");
                assert_eq!(caller.news.iter().filter(is_warning).count(), 1, "{:?}", caller.news);
                let of_download =
                    |news: &Reply| matches!(news, Reply::Progress { phase, total: 100, .. } if phase == "downloading");
                assert!(caller.news.iter().any(of_download), "{:?}", caller.news);
            });
        }
    });
    let counts = || (server.fetches.load(Ordering::SeqCst), server.loads.load(Ordering::SeqCst));
    assert_eq!(counts(), (1, 1));
    server.caller().embed("distant", &["x"]).expect("it is in memory, whatever the token");
    let error = server.caller().embed("distant-other", &["x"]).expect_err("no token");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(counts(), (2, 1));
}

#[test]
fn fetching_stops_when_nobody_waits_for_it() {
    let server = start();
    let mut caller = server.caller();
    caller.ask("distant", r#"{"token": "key"}"#, &["x".into()]);
    thread::sleep(Duration::from_millis(100));
    drop(caller);
    let mut caller = server.caller();
    caller.ask("distant", r#"{"token": "key"}"#, &["x".into()]);
    caller.answer().expect("the next caller is not cancelled along");
    assert_eq!(server.loads.load(Ordering::SeqCst), 1);
}

#[test]
fn a_refreshed_model_takes_the_place_of_the_old_one() {
    let server = start();
    let mut caller = server.caller();
    let refresh = |refresh, settings: &Settings| {
        let (model, token) = (ModelSpec::named("distant"), Some("key".to_owned()));
        Request::Load { model, task: "embed".into(), token, refresh, settings: settings.clone() }
    };
    for (again, loads) in [(false, 1), (false, 1), (true, 2), (false, 2)] {
        caller.send(&refresh(again, &caller.settings.clone()));
        assert_eq!(caller.answer().expect("works"), Vec::<Vec<f32>>::new());
        assert_eq!(server.loads.load(Ordering::SeqCst), loads);
        assert_eq!(server.models().len(), 1);
    }
}

#[test]
fn a_model_is_located_without_being_loaded() {
    let server = start();
    let mut caller = server.caller();
    for (name, token, fetches) in [("plain", None, 0), ("distant", Some("key".to_owned()), 1)] {
        let settings = caller.settings.clone();
        caller.send(&Request::Locate { model: ModelSpec::named(name), token, settings });
        let place = loop {
            match caller.reply() {
                Reply::Progress { .. } | Reply::Message { .. } => {}
                other => break other,
            }
        };
        assert_eq!(place, Reply::Folder { folder: name.into(), files: vec!["config.json".into()] });
        assert_eq!(caller.reply(), Reply::Done(1));
        let counts = (server.fetches.load(Ordering::SeqCst), server.loads.load(Ordering::SeqCst));
        assert_eq!(counts, (fetches, 0), "{name}");
    }
}

#[test]
fn models_of_one_name_from_several_folders_are_several_and_a_refresh_leaves_them() {
    let server = start();
    let mut caller = server.caller();
    let load = |folder: Option<&str>, refresh, settings: &Settings| {
        let model = ModelSpec { folder: folder.map(str::to_owned), ..ModelSpec::named("distant") };
        Request::Load { model, task: "embed".into(), token: Some("key".into()), refresh, settings: settings.clone() }
    };
    for (folder, refresh, loads) in
        [(Some("a"), false, 1), (Some("b"), false, 2), (Some("a"), false, 2), (None, false, 3), (None, true, 4)]
    {
        caller.send(&load(folder, refresh, &caller.settings.clone()));
        caller.answer().expect("works");
        assert_eq!(server.loads.load(Ordering::SeqCst), loads, "{folder:?}");
    }
    assert_eq!(server.models().len(), 3, "both folders, and what the name means now");
}

#[test]
fn documents_are_scored_against_the_query() {
    let server = start();
    let mut caller = server.caller();
    let settings = caller.settings.clone();
    let model = ModelSpec::named("rank");
    caller.send(&Request::Rank { model, args: "{}".into(), query: "ab".into(), documents: 3, settings });
    caller.send(&Request::Texts(vec!["c".into(), "".into(), "def".into()]));
    assert_eq!(caller.reply(), Reply::Scores(vec![3.0, 2.0, 5.0]));
    assert_eq!(caller.reply(), Reply::Done(3));
}

#[test]
fn nonsense_ends_the_connection_and_nothing_else() {
    let server = start();
    let mut caller = server.caller();
    caller.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    assert_eq!(caller.stream.read(&mut [0; 10]).expect("closed"), 0);
    assert!(server.caller().embed("plain", &["x"]).is_ok());
}

#[test]
fn who_comes_when_all_places_are_taken_is_told_so_and_finds_one_when_another_has_gone() {
    let server = start_for(2);
    let mut callers: Vec<_> = (0..2).map(|_| server.caller()).collect();
    for caller in &mut callers {
        caller.embed("plain", &["a"]).expect("there is a place");
    }
    let error = server.caller().embed("plain", &["a"]).expect_err("there is none");
    assert!(error.message().starts_with("2 sessions use the inference program"), "{error}");
    assert_eq!(error.kind(), ErrorKind::ConnectionFailure);
    callers[1].embed("plain", &["a"]).expect("nobody else lost theirs");
    callers.pop();
    let start = Instant::now();
    while server.caller().embed("plain", &["a"]).is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "the place is free");
    }
}
