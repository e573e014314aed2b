//! The same checkpoints as a server runs them: texts in, texts out, requests in one batch that keeps what it has read.

use std::fs;
use std::path::Path;

use pgml_core::text::{Event, GenerateArgs, GenerationBatch, ModelSpec, Prompt, TextGenerator};
use pgml_core::{Hyperparams, Run};
use pgml_models::text::CheckpointGenerator;
use serde_json::{Value, json};

use super::golden::{folder, folders};

const MEMORY: u64 = 1 << 30;

/// The checkpoint in `folder` with the tokenizer that all share.
fn served(folder_of: &Path) -> CheckpointGenerator {
    let whole = tempfile::tempdir().expect("a folder");
    for file in [folder_of.join("config.json"), folder_of.join("model.safetensors"), folder("tokenizer.json")] {
        fs::copy(&file, whole.path().join(file.file_name().expect("a name"))).expect("a copy");
    }
    CheckpointGenerator::load(whole.path(), &ModelSpec::named(""), &Run::new()).expect("loads")
}

/// What `prompts` become together.
fn texts(model: &CheckpointGenerator, batch: &mut dyn GenerationBatch, prompts: &[&str]) -> Vec<String> {
    let args = json!({"max_new_tokens": 12});
    let args = GenerateArgs::from_json("generate", args.as_object().expect("an object")).expect("known arguments");
    let mut enter = |prompt: &&str| {
        batch.enter(model.prepare(&Prompt::Text((*prompt).to_owned()), &args, false).expect("a request"))
    };
    let requests: Vec<u64> = prompts.iter().map(&mut enter).collect();
    let mut texts = vec![String::new(); prompts.len()];
    while !batch.is_empty() {
        for (request, event) in batch.round(&Run::new()) {
            let place = requests.iter().position(|own| *own == request).expect("one of them");
            match event {
                Event::Done(mut done) => texts[place] = done.remove(0).text,
                Event::Failed(error) => panic!("{}: {error}", prompts[place]),
                Event::Piece { .. } => {}
            }
        }
    }
    texts
}

#[test]
fn texts_of_one_batch_are_those_of_transformers() {
    for folder in folders() {
        let golden: Value =
            serde_json::from_slice(&fs::read(folder.join("golden.json")).expect("golden.json")).expect("valid JSON");
        let of = |key: &str| -> Vec<&str> {
            golden["cases"].as_array().into_iter().flatten().filter_map(|case| case[key].as_str()).collect()
        };
        let model = served(&folder);
        assert_eq!(texts(&model, &mut *model.batch(MEMORY), &of("prompt")), of("text"), "{}", folder.display());
    }
}

#[test]
fn keys_of_long_texts_do_not_serve_short_ones_that_begin_alike() {
    let model = served(&folder("phi3_long"));
    let long = "Every morning the ferry crosses the river and comes back before noon";
    for prompts in [[long, "Every"], ["Every", long]] {
        let alone = prompts.map(|prompt| texts(&model, &mut *model.batch(MEMORY), &[prompt]).remove(0));
        let mut batch = model.batch(MEMORY);
        let later = prompts.map(|prompt| texts(&model, &mut *batch, &[prompt]).remove(0));
        assert_eq!(later, alone);
        assert_eq!(texts(&model, &mut *batch, &prompts), alone);
    }
}
