//! From a name to vectors: a small checkpoint of the real architecture, served by the hub.

use std::fs;
use std::path::Path;

use pgml_core::Run;
use pgml_core::text::{EmbedArgs, ModelSpec};

use crate::scene::{FIRST, NAME, Scene};
use crate::stand_in::Commit;

/// Words to numbers; the model knows no more than its 61 of them.
const TOKENIZER: &str = r#"{
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 1, "one": 7, "two": 11, "three": 60}}
}"#;

#[test]
fn a_fetched_model_embeds_as_the_same_folder_does() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/architectures/bert");
    let read = |name: &str| fs::read(golden.join(name)).expect("the golden checkpoint");
    let files = [
        ("config.json", read("config.json")),
        ("model.safetensors", read("model.safetensors")),
        ("tokenizer.json", TOKENIZER.as_bytes().to_vec()),
    ];
    let scene = Scene::new();
    let plain = tempfile::tempdir().expect("a folder");
    for (name, content) in &files {
        fs::write(plain.path().join(name), content).expect("written");
    }
    let files = files.into_iter().map(|(name, content)| (name.to_owned(), content)).collect();
    scene.hub.publish(NAME, "main", &Commit { hash: FIRST.into(), files });

    let fetched = scene.fetch().expect("fetched");
    let vectors = |folder: &Path| {
        let embedder = pgml_models::text::load_embedder(folder, &ModelSpec::named(NAME), &Run::new()).expect("loads");
        embedder.embed(&["one two", "three"], &EmbedArgs::default(), &Run::new()).expect("vectors")
    };
    let found = vectors(&fetched);
    assert_eq!(found.len(), 2);
    assert_ne!(found[0], found[1]);
    assert_eq!(found, vectors(plain.path()));
}
