//! Texts that grow, with scripted models: what callers are promised, whoever else asks.

mod common;

use std::time::{Duration, Instant};

use pgml_core::frames::{Reply, Request};
use pgml_core::text::ModelSpec;
use pgml_core::{Error, ErrorKind};
use serde_json::{Value, json};

use common::{Caller, start};

fn request(caller: &Caller, model: &str, args: &Value, inputs: u64, stream: bool) -> Request {
    Request::Transform {
        model: ModelSpec::named(model),
        task: Some("text-generation".into()),
        args: args.to_string(),
        inputs,
        chat: false,
        stream,
        token: None,
        settings: caller.settings.clone(),
    }
}

fn ask(caller: &mut Caller, model: &str, args: &Value, texts: &[&str], stream: bool) {
    let request = request(caller, model, args, texts.len() as u64, stream);
    caller.send(&request);
    if !texts.is_empty() {
        caller.send(&Request::Texts(texts.iter().map(|text| (*text).to_owned()).collect()));
    }
}

/// All pieces of JSON that come.
fn pieces(caller: &mut Caller) -> Result<Vec<String>, Error> {
    let mut pieces = Vec::new();
    loop {
        match caller.reply() {
            Reply::Json(piece) => pieces.push(piece),
            Reply::Done(_) => return Ok(pieces),
            Reply::Error(error) => return Err(error),
            other => panic!("{other:?}"),
        }
    }
}

fn whole(caller: &mut Caller, args: &Value, texts: &[&str]) -> Result<Value, Error> {
    ask(caller, "generate", args, texts, false);
    let json = pieces(caller)?.concat();
    Ok(serde_json::from_str(&json).expect("JSON"))
}

#[test]
fn answers_come_whole_and_in_the_order_of_the_prompts() {
    let mut caller = start().caller_of();
    let prompts: Vec<String> = (0..100).map(|i| format!("word{i} and")).collect();
    let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
    let answer = whole(&mut caller, &json!({"max_new_tokens": 3}), &prompts).expect("works");
    for (i, answer) in answer.as_array().expect("an array").iter().enumerate() {
        assert_eq!(*answer, json!([{"generated_text": format!("word{i} and word{i} and word{i}")}]));
    }
    assert_eq!(whole(&mut caller, &json!({}), &[]).expect("works"), json!([]));
}

#[test]
fn a_stream_brings_each_piece_when_it_is_there() {
    let mut caller = start().caller_of();
    ask(&mut caller, "generate-slow", &json!({"max_new_tokens": 2000}), &["a b"], true);
    let began = Instant::now();
    assert_eq!(caller.reply(), Reply::Json("[\"a b\"]".into()), "the prompt");
    assert_eq!(caller.reply(), Reply::Json("[\" a\"]".into()));
    assert!(began.elapsed() < Duration::from_secs(1), "two thousand pieces take more than two seconds");
    assert_eq!(pieces(&mut caller).expect("works").len(), 1999);
}

#[test]
fn connections_share_rounds_and_a_caller_that_goes_leaves_the_others_alone() {
    let server = start();
    let mut callers: Vec<Caller> = (0..8).map(|_| server.caller()).collect();
    for caller in &mut callers {
        ask(caller, "generate-slow", &json!({"max_new_tokens": 300}), &["a b c"], true);
    }
    for caller in &mut callers {
        caller.reply();
    }
    drop(callers.split_off(4));
    for caller in &mut callers {
        assert_eq!(pieces(caller).expect("works").len(), 300);
    }
    let models = server.models();
    assert_eq!(models[0].purpose, "generate");
    assert!(models[0].shared_batches > 100, "{} of {} rounds", models[0].shared_batches, models[0].batches);
}

#[test]
fn who_leaves_is_gone_within_a_tenth_of_a_second() {
    let server = start();
    let mut caller = server.caller();
    ask(&mut caller, "generate-slow", &json!({"max_new_tokens": 1_000_000}), &["a"], true);
    caller.reply();
    caller.reply();
    drop(caller);
    std::thread::sleep(Duration::from_millis(100));
    let before = server.models()[0].batches;
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(server.models()[0].batches, before, "rounds go on for nobody");
}

#[test]
fn a_panic_fails_those_in_the_round_and_the_next_call_works() {
    let mut caller = start().caller_of();
    ask(&mut caller, "generate-panic", &json!({}), &["fine", "it is bad"], false);
    let error = pieces(&mut caller).expect_err("a panic");
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.message().contains("a scripted panic"), "{}", error.message());
    ask(&mut caller, "generate-panic", &json!({"max_new_tokens": 1}), &["fine"], false);
    assert_eq!(pieces(&mut caller).expect("works").concat(), r#"[[{"generated_text":"fine fine"}]]"#);
}

#[test]
fn bad_prompts_arguments_and_tasks_are_errors_and_the_connection_goes_on() {
    let mut caller = start().caller_of();
    let error = whole(&mut caller, &json!({"max_new_tokns": 3}), &["a"]).expect_err("misspelt");
    assert!(error.message().contains("max_new_tokens"), "{}", error.message());
    assert_eq!(whole(&mut caller, &json!({}), &["a", " "]).expect_err("empty").kind(), ErrorKind::InvalidData);
    let mut unknown = request(&caller, "generate", &json!({}), 0, false);
    if let Request::Transform { task, .. } = &mut unknown {
        *task = Some("knitting".into());
    }
    caller.send(&unknown);
    assert!(pieces(&mut caller).expect_err("no such task").message().contains("knitting"));
    assert!(whole(&mut caller, &json!({"max_new_tokens": 1}), &["a"]).is_ok());
}

#[test]
fn a_task_that_is_not_named_follows_from_the_model() {
    let mut caller = start().caller_of();
    let mut asked = request(&caller, "answers", &json!({}), 1, false);
    if let Request::Transform { task, .. } = &mut asked {
        *task = None;
    }
    let mut answer = |text: &str| {
        caller.send(&asked);
        caller.send(&Request::Texts(vec![text.to_owned()]));
        pieces(&mut caller).map(|pieces| pieces.concat())
    };
    // The answer to one question comes alone.
    assert_eq!(answer("yyy").expect("works"), r#"{"label":3.0,"score":1.0}"#);
    if let Request::Transform { args, .. } = &mut asked {
        *args = json!({"max_new_tokens": 1}).to_string();
    }
    caller.send(&asked);
    caller.send(&Request::Texts(vec!["y".to_owned()]));
    assert!(pieces(&mut caller).expect_err("no such argument").message().contains("max_new_tokens"));
}

#[test]
fn tasks_that_read_answer_each_input_in_its_place() {
    let mut caller = start().caller_of();
    let texts: Vec<String> = (0..300).map(|i| "y".repeat(i * 7 % 40 + 1)).collect();
    // The second asks its model twice, knowing what it said.
    for model in ["plain", "turns"] {
        let mut asked = request(&caller, model, &json!({}), 300, false);
        if let Request::Transform { task, .. } = &mut asked {
            *task = Some("text-classification".into());
        }
        caller.send(&asked);
        caller.send(&Request::Texts(texts.clone()));
        let answer: Value = serde_json::from_str(&pieces(&mut caller).expect("works").concat()).expect("JSON");
        for (answer, text) in answer.as_array().expect("an array").iter().zip(&texts) {
            assert_eq!(*answer, json!({"label": text.len() as f32, "score": 1.0}));
        }
        assert_eq!(answer.as_array().map(Vec::len), Some(300));
    }
}

#[test]
fn a_thousand_prompts_at_once_are_all_answered() {
    let server = start();
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let mut caller = server.caller();
                let answer = whole(&mut caller, &json!({"max_new_tokens": 5}), &["a b"; 10]).expect("works");
                assert_eq!(answer, Value::from(vec![json!([{"generated_text": "a b a b a b a"}]); 10]));
            });
        }
    });
    assert_eq!(server.models()[0].calls, 100);
}
