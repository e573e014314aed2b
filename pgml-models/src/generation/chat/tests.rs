use std::time::Instant;

use pgml_core::Hyperparams;
use pgml_core::text::GenerateArgs;
use serde_json::{Value, json};

use super::*;

fn render(source: &str, messages: &Value) -> Result<String> {
    ChatTemplate::new(source)?.render(messages, None, true, &SpecialTokens::default())
}

fn hello() -> Value {
    json!([{"role": "user", "content": "hello"}])
}

fn refused(source: &str) -> String {
    let begin = Instant::now();
    let error = render(source, &hello()).expect_err(source);
    let seconds = begin.elapsed().as_secs_f64();
    assert!(seconds < 4.0, "{source}: {seconds} s");
    eprintln!("{seconds:.3} s: {}: {error}", &source[..source.len().min(60)]);
    error.to_string()
}

#[test]
fn hostile_templates_are_refused_in_time_and_space() {
    let programs = [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        "{{ 'a' * 1000000000 }}",
        "{% set n = 99999999 %}{{ 'a' * n }}",
        "{% set n = 99999999 %}{{ n * 'a' }}",
        "{% set n = 99999999 %}{{ ([1] * n)|length }}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s|replace('a', 'aa') %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s.replace('a', 'aa') %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s]|join %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s.join([ns.s, ns.s]) %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s|list + ns.s|list %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[]) %}{% for i in range(99999) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[]) %}{% for i in range(99999) %}{% set ns.s = {'a': ns.s} %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[]) %}{% for i in range(99999) %}{% set ns.s = ns.s|map('upper') %}{% set ns.s = [ns.s] %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns|tojson }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ 'a'|indent(1000000000, true) }}",
        "{% set x %}{% for i in range(99999) %}{{ messages[0].content * 1000 }}{% endfor %}{% endset %}",
        "{% set s = messages[0].content * 99999 %}{% for i in range(99999) %}{% for j in range(99) %}{% if s == s ~ 'a' %}{% endif %}{% endfor %}{% endfor %}",
        "{% set n = 1000000 %}{% set s = ('a' * n) ~ ('a' * n) %}{{ s|list|length }}",
        "{% set n = 1000000 %}{% set s %}{{ 'a' * n }}{{ 'a' * n }}{% endset %}{{ s.split('a')|length }}",
        "{% set n = 1000000 %}{% for i in range(999) %}{% set s = ('a' * n)|sort %}{% endfor %}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{{ raise_exception('no') }}",
        "{% for %}",
        "{{ (((",
    ];
    for source in programs {
        refused(source);
    }
    // Much text of the template's own, many times.
    refused(&format!("{{% set x %}}{{% for i in range(99999) %}}{}{{% endfor %}}{{% endset %}}", "x".repeat(100_000)));
    refused(&format!("{{% for i in range(99) %}}{}{{% endfor %}}", "x".repeat(100_000)));
    // Deep, by every way to be deep.
    for (open, close) in [("(", ")"), ("[", "]"), ("-", ""), ("not ", ""), ("{% if x %}", "{% endif %}"), ("{1:", "}")]
    {
        let many = 100_000 / (open.len() + close.len());
        let inner = format!("{}1{}", open.repeat(many), close.repeat(many));
        refused(&if open.starts_with("{%") { inner } else { format!("{{{{ {inner} }}}}") });
    }
    for link in ["+1", ".a", "[0]", "|upper", " if a else 1", "~'a'", " and a", " is string"] {
        refused(&format!("{{{{ a{} }}}}", link.repeat(100_000 / link.len())));
    }
    let _ = render(&format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(20_000)), &hello());
    refused(&"x".repeat(1 << 20));
}

#[test]
fn a_long_chat_is_no_attack() {
    let source = "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] | trim }}\n{% endfor %}";
    let long = "word ".repeat(2 << 20);
    let text = render(source, &json!([{"role": "user", "content": long}])).expect("a long message");
    assert_eq!(text.len(), long.len() - 1 + 7);
    let many: Vec<Value> = (0..5_000).map(|i| json!({"role": "user", "content": format!("number {i}")})).collect();
    let text = render(source, &Value::Array(many)).expect("many messages");
    assert!(text.ends_with("<user>number 4999\n"));
}

#[test]
fn messages_are_checked() {
    let error = |messages: Value| render("{{ messages }}", &messages).expect_err("refused").to_string();
    let hint = "; hint: a message is an object, as {\"role\": \"user\", \"content\": \"...\"}";
    assert_eq!(error(json!("hello")), format!("a chat is a list of messages{hint}"));
    assert_eq!(error(json!([])), format!("the chat has no messages{hint}"));
    assert_eq!(error(json!(["hello"])), format!("message 1 is not an object{hint}"));
    assert_eq!(error(json!([{"content": "x"}])), format!("message 1 has no \"role\" that is a text{hint}"));
    assert_eq!(error(json!([{"role": "user", "content": null}])), format!("message 1 has no \"content\"{hint}"));
    let parts = json!([{"role": "user", "content": [{"type": "image", "url": "x"}]}]);
    assert!(error(parts).starts_with("message 1 has a part of type \"image\""));
}

#[test]
fn texts_in_parts_are_joined_unless_the_template_reads_parts() {
    let messages = json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]);
    assert_eq!(render("{{ messages[0].content }}", &messages).expect("joined"), "a\nb");
    let source = "{% for part in messages[0].content %}<{{ part['text'] }}>{% endfor %}";
    assert_eq!(render(source, &messages).expect("read"), "<a><b>");
}

#[test]
fn a_checkpoint_has_one_template_or_named_ones_or_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    assert!(ChatTemplate::read(path).expect("none").is_none());
    let config = json!({"eos_token": {"content": "</s>"}, "bos_token": "<s>", "chat_template": [
        {"name": "default", "template": "plain"}, {"name": "tool_use", "template": "{{ tools|tojson }}{{ eos_token }}"}]});
    std::fs::write(path.join("tokenizer_config.json"), config.to_string()).expect("written");
    let special = SpecialTokens::read(path).expect("tokens");
    assert_eq!((special.get("bos_token"), special.get("eos_token")), (Some("<s>"), Some("</s>")));
    let template = ChatTemplate::read(path).expect("read").expect("there");
    assert_eq!(template.render(&hello(), None, true, &special).expect("plain"), "plain");
    let tools = json!([{"name": "f"}]);
    assert_eq!(template.render(&hello(), Some(&tools), true, &special).expect("tools"), "[{\"name\": \"f\"}]</s>");
    std::fs::write(path.join("chat_template.jinja"), "file").expect("written");
    let template = ChatTemplate::read(path).expect("read").expect("there");
    assert_eq!(template.render(&hello(), None, true, &special).expect("file"), "file");
    std::fs::remove_file(path.join("chat_template.jinja")).expect("removed");
    std::fs::write(path.join("tokenizer_config.json"), "{\"chat_template\": 5}").expect("written");
    assert_eq!(ChatTemplate::read(path).expect_err("a number").kind(), ErrorKind::Corrupted);
}

#[test]
fn a_name_of_our_own_cannot_be_replaced() {
    let source = "{% set weigh = 1 %}{% macro concat(a, b) %}no{% endmacro %}{{ 'a' ~ 'b' }}";
    assert_eq!(render(source, &hello()).expect("works"), "ab");
}

#[test]
fn a_call_may_bring_its_template_or_name_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let prompt = |args: Value| {
        let args = GenerateArgs::from_json("transform", args.as_object().expect("an object")).expect("arguments");
        Chats::read(folder.path()).expect("read").prompt(&hello().to_string(), &args)
    };
    assert_eq!(
        prompt(json!({})).expect_err("none").to_string(),
        "the model has no chat template; hint: use a model that was trained on chats, or give its template as args.chat_template"
    );
    assert_eq!(prompt(json!({"chat_template": "{{ messages[0].role }}"})).expect("its own"), "user");
    let named = json!({"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"},
        {"name": "search", "template": "{{ tools|length }}"}]});
    std::fs::write(folder.path().join("tokenizer_config.json"), named.to_string()).expect("written");
    assert_eq!(prompt(json!({})).expect("the default"), "d");
    assert_eq!(prompt(json!({"tools": [{"name": "f"}]})).expect("for tools"), "t");
    assert_eq!(prompt(json!({"chat_template": "search", "tools": [{"name": "f"}]})).expect("named"), "1");
    assert_eq!(prompt(json!({"tools": {"name": "f"}})).expect_err("no list").kind(), ErrorKind::InvalidParameter);
}
