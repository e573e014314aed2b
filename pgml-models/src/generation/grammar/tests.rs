use std::time::Instant;

use serde_json::{Value, json};

use super::*;

/// Every byte, some words as of a real vocabulary, an end, and a special token.
fn vocabulary(words: usize) -> (Vec<Vec<u8>>, Vocabulary, u32) {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut tokens: Vec<Vec<u8>> = (0..=254).map(|byte| vec![byte]).collect();
    for common in [
        "{\"", "\":", "\",", "\"}", "},{", "[]", "true", "false", "null", " {", ": \"", "  ", "\n\n", "é", "日本",
        "-1", "10",
    ] {
        tokens.push(common.as_bytes().to_vec());
    }
    while tokens.len() < words {
        let length = rng.usize(2..10);
        let first: &[u8] = if rng.bool() { b" " } else { b"" };
        let letters =
            (0..length).map(|_| *rng.choice(b"etaoinshrdlucmfwypvbgkjqxz0123456789\"{}[]:,._-").expect("letters"));
        let word = first.iter().copied().chain(letters).collect();
        tokens.push(word);
    }
    tokens.push(b"\xff<|end|>".to_vec());
    tokens.push(b"\xff<|tool|>".to_vec());
    let end = tokens.len() as u32 - 2;
    let vocabulary = Vocabulary::of_bytes(tokens.clone()).expect("a vocabulary");
    (tokens, vocabulary, end)
}

/// A text by random preferences, in which the end is liked more and more.
fn draw(tokens: &[Vec<u8>], mut constraint: Box<dyn Constraint>, end: u32, seed: u64) -> (Vec<u8>, Vec<f64>) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut text, mut times) = (Vec::new(), Vec::new());
    let closing = |token: &[u8]| token.iter().all(|byte| b"\"}]".contains(byte));
    for round in 0..20_000 {
        let impatience = if round > 60 { 30.0 } else { 0.0 };
        let mut scores: Vec<f32> = (0..tokens.len()).map(|_| rng.f32() * 10.0).collect();
        for (score, token) in scores.iter_mut().zip(tokens) {
            *score += if closing(token) { impatience } else { 0.0 } + if token.len() > 1 { 0.0 } else { 2.0 };
        }
        scores[end as usize] += 2.0 * impatience;
        let begin = Instant::now();
        constraint.mask(&mut scores).expect("some token fits");
        times.push(begin.elapsed().as_secs_f64());
        let best =
            (0..).zip(&scores).max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(id, _): (u32, _)| id).expect("a token");
        assert!(scores[best as usize].is_finite());
        if best == end {
            return (text, times);
        }
        let begin = Instant::now();
        constraint.advance(best).expect("an allowed token");
        *times.last_mut().expect("a time") += begin.elapsed().as_secs_f64();
        text.extend(&tokens[best as usize]);
        if round % 7 == 3 {
            constraint = constraint.fork();
        }
    }
    panic!("no end: {}", String::from_utf8_lossy(&text[..text.len().min(500)]));
}

/// Schemas, and what holds for each text of theirs.
#[expect(clippy::type_complexity, reason = "a table of a test")]
fn schemas() -> Vec<(Value, Box<dyn Fn(&Value) -> bool>)> {
    let is = |f: fn(&Value) -> bool| -> Box<dyn Fn(&Value) -> bool> { Box::new(f) };
    vec![
        (json!({"type": "object"}), is(Value::is_object)),
        (json!({"type": "string"}), is(Value::is_string)),
        (json!({"type": "string", "maxLength": 5}), is(|v| v.as_str().is_some_and(|s| s.chars().count() <= 5))),
        (
            json!({"type": "string", "pattern": "^[a-c]+\\d$"}),
            is(|v| v.as_str().is_some_and(|s| s.ends_with(|c: char| c.is_ascii_digit()))),
        ),
        (json!({"type": "string", "format": "date"}), is(|v| v.as_str().is_some_and(|s| s.len() == 10))),
        (
            json!({"type": "integer", "minimum": -3, "maximum": 250}),
            is(|v| v.as_i64().is_some_and(|n| (-3..=250).contains(&n))),
        ),
        (json!({"type": "number"}), is(Value::is_number)),
        (json!({"type": "boolean"}), is(Value::is_boolean)),
        (json!({"type": "null"}), is(Value::is_null)),
        (
            json!({"enum": ["red", "green", 3, null, {"a": [1]}]}),
            is(|v| [json!("red"), json!("green"), json!(3), Value::Null, json!({"a": [1]})].contains(v)),
        ),
        (json!({"const": "fix \"ed\""}), is(|v| v == "fix \"ed\"")),
        (
            json!({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 4}),
            is(|v| v.as_array().is_some_and(|a| (2..=4).contains(&a.len()) && a.iter().all(Value::is_number))),
        ),
        (
            json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "sure": {"type": "boolean"}},
            "required": ["name", "age"], "additionalProperties": false}),
            is(|v| {
                v["name"].is_string()
                    && v["age"].is_number()
                    && v.as_object().is_some_and(|o| o.keys().all(|k| ["name", "age", "sure"].contains(&k.as_str())))
            }),
        ),
        (
            json!({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "null"}}]}),
            is(|v| v.is_number() || v.is_array()),
        ),
        (
            json!({"$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "value": {"type": "integer"}},
            "required": ["value"], "additionalProperties": false}}, "$ref": "#/$defs/tree"}),
            is(|v| v["value"].is_number()),
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "boolean"}}),
            is(|v| v.as_object().is_some_and(|o| o.values().all(Value::is_boolean))),
        ),
        (json!({"type": ["string", "null"]}), is(|v| v.is_string() || v.is_null())),
        (json!(true), is(|_| true)),
    ]
}

#[test]
fn texts_of_random_preferences_are_valid() {
    let (tokens, vocabulary, end) = vocabulary(3_000);
    for (schema, holds) in schemas() {
        let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
        let format = ResponseFormat::parse(&format).expect("a format").expect("a form");
        for seed in 0..12 {
            let constraint = vocabulary.constraint(&format, &[end]).unwrap_or_else(|error| panic!("{schema}: {error}"));
            let (text, _) = draw(&tokens, constraint, end, seed);
            match serde_json::from_slice::<Value>(&text) {
                Ok(value) => assert!(holds(&value), "{schema}: {value}"),
                // JSON has numbers that no type of Rust holds, and random digits find them.
                Err(error) => {
                    let any = serde_json::from_slice::<serde::de::IgnoredAny>(&text);
                    let large = any.is_ok() && error.to_string().starts_with("number out of range");
                    assert!(large, "{schema}: {error}: {}", String::from_utf8_lossy(&text));
                }
            }
        }
    }
    let object = ResponseFormat::parse(&json!({"type": "json_object"})).expect("a format").expect("a form");
    for seed in 0..12 {
        let (text, _) = draw(&tokens, vocabulary.constraint(&object, &[end]).expect("a constraint"), end, seed);
        serde_json::from_slice::<serde::de::IgnoredAny>(&text).expect("JSON");
        assert!(text.trim_ascii_start().starts_with(b"{"));
    }
}

#[test]
fn patterns_and_choices_hold_for_the_whole_text() {
    let (tokens, vocabulary, end) = vocabulary(3_000);
    let drawn = |format: Value, seed| {
        let format = ResponseFormat::parse(&format).expect("a format").expect("a form");
        let (text, _) = draw(&tokens, vocabulary.constraint(&format, &[end]).expect("a constraint"), end, seed);
        String::from_utf8(text).expect("UTF-8")
    };
    for seed in 0..20 {
        for pattern in [r"[0-9]{3}-[a-f]{2}", r"^[0-9]{3}-[a-f]{2}$"] {
            let text = drawn(json!({"type": "regex", "pattern": pattern}), seed);
            let good =
                text.bytes().zip("000-aa".bytes()).all(|(found, like)| found.is_ascii_digit() == like.is_ascii_digit());
            assert!(good && text.len() == 6, "{text}");
        }
        assert_eq!(drawn(json!({"type": "regex", "pattern": r"\$"}), seed), "$");
        let choices = ["yes", "no", "a|b (c)? é", "no, thanks"];
        assert!(choices.contains(&drawn(json!({"type": "choice", "choices": choices}), seed).as_str()));
    }
}

#[test]
fn what_is_not_understood_is_refused_with_its_name() {
    let error = |format: Value| ResponseFormat::parse(&format).expect_err("refused").to_string();
    assert_eq!(
        error(json!({"type": "json_shema"})),
        "unknown type of response_format \"json_shema\" (its types are text, json_object, json_schema, regex, choice); \
         hint: did you mean \"json_schema\"?"
    );
    assert!(error(json!("json_object")).starts_with("response_format is an object"));
    assert!(error(json!({"type": "json_schema"})).contains("no schema"));
    assert!(error(json!({"type": "regex", "patern": "x"})).contains("has no \"patern\" (it has type, pattern)"));
    assert!(error(json!({"type": "choice", "choices": []})).contains("list of texts"));
    assert_eq!(ResponseFormat::parse(&json!({"type": "text"})).expect("no form"), None);
    let (tokens, vocabulary, end) = vocabulary(300);
    let refused = |schema: Value| {
        let error = vocabulary.constraint(&ResponseFormat::JsonSchema(schema), &[end]).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        error.to_string()
    };
    assert!(refused(json!({"type": "array", "uniqueItems": true, "contains": {"type": "null"}})).contains("contains"));
    assert!(refused(json!({"type": "strin"})).contains("strin"));
    assert!(refused(json!({"$ref": "#/$defs/gone"})).contains("gone"));
    assert!(refused(json!({"type": "integer", "minimum": 5, "maximum": 3})).contains("Unsatisfiable"));
    assert!(refused(json!({"$ref": "https://example.org/schema.json"})).contains("example.org"));
    assert!(refused(json!({"type": "string", "pattern": "a("})).contains("a("));
    for pattern in ["a(", "(a)\\1", "(?=a)"] {
        let error = vocabulary.constraint(&ResponseFormat::Regex(pattern.to_owned()), &[end]).expect_err(pattern);
        assert!(error.message().starts_with("the pattern"), "{error}");
    }
    // Too large rather than slow.
    let begin = Instant::now();
    let large = ResponseFormat::Regex("((a{1,1000}){1,1000}){1,1000}".to_owned());
    let _ = vocabulary.constraint(&large, &[end]).map(drop);
    assert!(begin.elapsed().as_secs_f64() < 5.0);
    let ends = |ends: &[u32]| vocabulary.constraint(&ResponseFormat::JsonObject, ends).expect_err("refused").kind();
    assert_eq!(ends(&[]), ErrorKind::NotSupported);
    assert_eq!(ends(&[end, tokens.len() as u32]), ErrorKind::InvalidParameter);
}

#[test]
fn every_end_may_end_a_complete_text_and_only_that() {
    let (tokens, vocabulary, end) = vocabulary(300);
    let mut constraint =
        vocabulary.constraint(&ResponseFormat::Choice(vec!["a".to_owned()]), &[end, 7]).expect("a constraint");
    let allowed = |constraint: &mut Box<dyn Constraint>| {
        let mut scores: Vec<f32> = (0..tokens.len()).map(|id| id as f32).collect();
        constraint.mask(&mut scores).expect("some fit");
        (0..).zip(scores).filter(|(_, score)| score.is_finite()).collect::<Vec<(u32, f32)>>()
    };
    assert_eq!(allowed(&mut constraint), [(97, 97.0)]);
    constraint.advance(97).expect("the choice");
    assert_eq!(allowed(&mut constraint), [(7, 7.0), (end, end as f32)]);
    constraint.advance(7).expect("an end");
}

#[test]
fn tokens_after_the_vocabulary_never_come() {
    let (tokens, vocabulary, end) = vocabulary(300);
    let mut constraint = vocabulary.constraint(&ResponseFormat::JsonObject, &[end]).expect("a constraint");
    let mut scores = vec![0.0; tokens.len() + 100];
    constraint.mask(&mut scores).expect("some fit");
    assert!(scores[tokens.len()..].iter().all(|score| *score == f32::NEG_INFINITY));
    assert_eq!(scores[end as usize], f32::NEG_INFINITY);
    assert_eq!(scores[usize::from(b'{')], 0.0);
    assert!(constraint.advance(u32::from(b'x')).is_err());
}

#[test]
fn a_token_of_a_large_vocabulary_takes_less_than_a_millisecond() {
    let begin = Instant::now();
    let (tokens, vocabulary, end) = vocabulary(150_000);
    eprintln!("150,000 tokens: {:.3} s", begin.elapsed().as_secs_f64());
    let mut times = Vec::new();
    for (schema, _) in schemas() {
        let format = ResponseFormat::JsonSchema(schema);
        let begin = Instant::now();
        let constraint = vocabulary.constraint(&format, &[end]).expect("a constraint");
        let compile = begin.elapsed().as_secs_f64();
        let (_, mut own) = draw(&tokens, constraint, end, 1);
        eprintln!(
            "{:.2} ms to compile, {:.3} ms a token of {}: {format:?}",
            1e3 * compile,
            1e3 * own.iter().sum::<f64>() / own.len() as f64,
            own.len()
        );
        times.append(&mut own);
    }
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let most = times.iter().copied().fold(0.0, f64::max);
    eprintln!("{:.3} ms a token, at most {:.3}", 1e3 * mean, 1e3 * most);
    assert!(mean < 1e-3, "{mean} s a token");
}

#[test]
fn tokens_are_the_bytes_that_their_tokenizer_decodes() {
    for file in ["byte_level", "byte_fallback"] {
        let path = format!("{}/../tests/golden/generation/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let tokenizer = Tokenizer::from_file(path).expect("a tokenizer");
        let size = tokenizer.get_vocab_size(true) + 10;
        let words = token_bytes::token_bytes(&tokenizer, size).expect("bytes");
        assert!(words[size - 10..].iter().all(Vec::is_empty));
        for text in ["hello world", "{\"a\": [1, 2.5]}", "né 日本 🌧", "two  spaces\n"] {
            let tokens = tokenizer.encode_fast(text, false).expect("tokens");
            let bytes: Vec<u8> = tokens.get_ids().iter().flat_map(|id| words[*id as usize].clone()).collect();
            // These small tokenizers leave bytes out that they have no token for.
            let Ok(bytes) = String::from_utf8(bytes) else { continue };
            let decoded = tokenizer.decode(tokens.get_ids(), false).expect("a text");
            // At the beginning of a text a decoder leaves out the space before the first word.
            assert_eq!(bytes.trim_start(), decoded.trim_start(), "{file}: {:?}", tokens.get_tokens());
        }
    }
    let plain = Tokenizer::new(tokenizers::models::wordpiece::WordPiece::default());
    let error = token_bytes::token_bytes(&plain, 10).expect_err("no pieces of a text");
    assert_eq!(error.kind(), ErrorKind::NotSupported);
}

#[test]
fn a_vocabulary_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Vocabulary>();
}
