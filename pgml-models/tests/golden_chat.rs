//! Chat templates against transformers.
#![cfg(feature = "generation")]

use pgml_models::generation::{ChatTemplate, SpecialTokens};
use serde_json::Value;

#[test]
fn chats_are_written_as_transformers_writes_them() {
    let golden: Value = serde_json::from_str(include_str!("../../tests/golden/chat.json")).expect("the golden file");
    let special: SpecialTokens = golden["special"]
        .as_object()
        .expect("special tokens")
        .iter()
        .map(|(name, token)| (name.as_str(), token.as_str().expect("a text")))
        .collect();
    let mut wrong = Vec::new();
    for case in golden["cases"].as_array().expect("cases") {
        let text = |key: &str| case[key].as_str().expect("a text");
        let name =
            format!("{} of {} with {} tools, prompt {}", text("chat"), text("template"), case["tools"], case["prompt"]);
        let source = golden["templates"][text("template")].as_str().expect("a template");
        let template = ChatTemplate::new(source).unwrap_or_else(|error| panic!("{name}: {error}"));
        let tools = Some(&golden["tools"]).filter(|_| case["tools"] == true);
        let found = template.render(&golden["chats"][text("chat")], tools, case["prompt"] == true, &special);
        let good = match (&found, case["text"].as_str(), case["error"].as_str()) {
            (Ok(found), Some(expected), _) => found == expected,
            // What Jinja itself complains about has other words here.
            (Err(error), _, Some(expected)) => expected.contains("dict object") || error.message().ends_with(expected),
            _ => false,
        };
        if !good {
            wrong.push(format!(
                "{name}:\n  found    {found:?}\n  expected {:?}",
                case.get("text").or(case.get("error"))
            ));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}
