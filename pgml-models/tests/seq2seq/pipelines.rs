//! Texts in, texts out: as the pipelines of transformers, whatever else is under way and however little memory there is.

use std::collections::HashMap;

use pgml_core::text::{Event, GenerateArgs, Generated, ModelSpec, Prompt, TextGenerator, TextTask};
use pgml_core::{ErrorKind, Hyperparams, Run};
use pgml_models::device::Placement;
use pgml_models::text::load_generator;
use serde_json::{Map, Value, json};

use super::golden::{config, folder, folders, golden, load};

fn spec(device: &str) -> ModelSpec {
    ModelSpec { device: Some(device.to_owned()), ..ModelSpec::named("m") }
}

fn source(task: &str, text: &str) -> Prompt {
    Prompt::Source { task: task.to_owned(), text: text.to_owned() }
}

fn args(args: &Map<String, Value>) -> GenerateArgs {
    GenerateArgs::from_json("transform", args).expect("valid")
}

/// What a batch of at most `memory` bytes makes of requests that enter one after the other, a round apart.
fn together(model: &dyn TextGenerator, requests: &[(Prompt, GenerateArgs)], memory: u64) -> Vec<Vec<Generated>> {
    let mut batch = model.batch(memory);
    let (mut waiting, mut numbers, mut done) = (requests.iter(), Vec::new(), HashMap::new());
    while done.len() < requests.len() {
        if let Some((prompt, args)) = waiting.next() {
            numbers.push(batch.enter(model.prepare(prompt, args, true).expect("a request")));
        }
        for (number, event) in batch.round(&Run::new().with_threads(2)) {
            match event {
                Event::Piece { .. } => {}
                Event::Done(texts) => drop(done.insert(number, texts)),
                Event::Failed(error) => panic!("{error:?}"),
            }
        }
    }
    numbers.iter().map(|number| done.remove(number).expect("an answer")).collect()
}

#[test]
fn pipelines_answer_as_those_of_transformers() {
    for device in ["cpu", "flex"] {
        for folder in folders() {
            let model = load_generator(&folder, &spec(device), &Run::new()).expect("loads");
            for pipeline in golden(&folder).pipelines {
                let args = args(&pipeline.args);
                let requests: Vec<(Prompt, GenerateArgs)> =
                    pipeline.inputs.iter().map(|text| (source(&pipeline.task, text), args.clone())).collect();
                let answered = together(&*model, &requests, u64::MAX);
                let task = TextTask::named(&pipeline.task).expect("known");
                let key = task.made_key().expect("makes texts");
                let object = |text: Generated| json!({key: text.text});
                let got = task.whole(answered.into_iter().map(|all| all.into_iter().map(object).collect()).collect());
                assert_eq!(got, pipeline.answer, "{} {} {args:?}", folder.display(), pipeline.task);
            }
        }
    }
}

#[test]
fn without_tokenizer_json_the_sentencepiece_model_cuts_texts_the_same_way() {
    for (name, pieces) in [
        ("t5", "spiece.model"),
        ("pegasus", "spiece.model"),
        ("mbart", "sentencepiece.bpe.model"),
        ("mbart50", "sentencepiece.bpe.model"),
    ] {
        let folder = folder(name);
        let copy = tempfile::tempdir().expect("a folder");
        for file in ["config.json", "generation_config.json", "model.safetensors", "tokenizer_config.json", pieces] {
            std::fs::copy(folder.join(file), copy.path().join(file)).expect("copied");
        }
        let models =
            [&*folder, copy.path()].map(|path| load_generator(path, &spec("cpu"), &Run::new()).expect("loads"));
        let texts = golden(&folder).cases.into_iter().map(|case| case.text);
        let hard = ["", "  The   river ", "naïve 水水 and", "x y<extra_id_1>", "<unk>"].map(str::to_owned);
        let requests: Vec<(Prompt, GenerateArgs)> =
            texts.chain(hard).map(|text| (source("text2text-generation", &text), GenerateArgs::default())).collect();
        let [fast, own] = models.map(|model| together(&*model, &requests, u64::MAX));
        assert_eq!(own, fast, "{name}");
    }
}

#[test]
fn texts_begin_and_end_by_the_class_of_the_configuration_where_no_file_says_it() {
    let folder = folder("bart");
    let copy = tempfile::tempdir().expect("a folder");
    for file in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(folder.join(file), copy.path().join(file)).expect("copied");
    }
    // Those of the class are those of this checkpoint.
    let mut config = config(&folder);
    for key in ["decoder_start_token_id", "bos_token_id", "pad_token_id", "eos_token_id", "forced_eos_token_id"] {
        config.as_object_mut().expect("an object").remove(key);
    }
    std::fs::write(copy.path().join("config.json"), config.to_string()).expect("written");
    let models = [&*folder, copy.path()].map(|path| load_generator(path, &spec("cpu"), &Run::new()).expect("loads"));
    let asked = args(json!({"num_beams": 1, "max_new_tokens": 4}).as_object().expect("an object"));
    let texts = golden(&folder).cases.into_iter().map(|case| case.text);
    let requests: Vec<(Prompt, GenerateArgs)> =
        texts.map(|text| (source("text2text-generation", &text), asked.clone())).collect();
    let [said, unsaid] = models.map(|model| together(&*model, &requests, u64::MAX));
    assert_eq!(unsaid, said);
}

#[test]
fn little_memory_delays_texts_and_changes_none() {
    let folder = folder("t5");
    let model = load_generator(&folder, &spec("cpu"), &Run::new()).expect("loads");
    let page = load(&folder, &Placement::cpu()).decoder.layout().page_bytes() as u64;
    let cases = golden(&folder).cases;
    let beams = args(json!({"num_beams": 2, "max_new_tokens": 40}).as_object().expect("an object"));
    let greedy = args(json!({"max_new_tokens": 40}).as_object().expect("an object"));
    let requests: Vec<(Prompt, GenerateArgs)> = cases
        .iter()
        .flat_map(|case| [&beams, &greedy].map(|args| (source("text2text-generation", &case.text), args.clone())))
        .collect();
    let plenty = together(&*model, &requests, u64::MAX);
    // The longest input takes two pages, and each of its two beams two.
    let little = together(&*model, &requests, 6 * page);
    assert_eq!(little, plenty);
}

#[test]
fn long_inputs_that_gave_their_memory_back_are_read_again() {
    let folder = folder("t5");
    let model = load_generator(&folder, &spec("cpu"), &Run::new()).expect("loads");
    let page = load(&folder, &Placement::cpu()).decoder.layout().page_bytes() as u64;
    let text = "The ferry rests. ".repeat(60);
    let tokenizer = tokenizers::Tokenizer::from_file(folder.join("tokenizer.json")).expect("a tokenizer");
    let n_tokens = tokenizer.encode(text.as_str(), true).expect("encodes").len();
    assert!(n_tokens > 256, "{n_tokens} tokens: more than a round reads");
    let long = args(json!({"max_new_tokens": 40, "min_new_tokens": 40}).as_object().expect("an object"));
    let requests = vec![(source("text2text-generation", &text), long); 2];
    // Both inputs fit, and one page too few for both texts.
    let pages = 2 * n_tokens.div_ceil(pgml_models::kernels::PAGE) as u64 + 3;
    assert_eq!(together(&*model, &requests, pages * page), together(&*model, &requests, u64::MAX));
}

#[test]
fn an_input_beyond_all_memory_is_an_error_and_others_go_on() {
    let folder = folder("t5");
    let model = load_generator(&folder, &spec("cpu"), &Run::new()).expect("loads");
    let page = load(&folder, &Placement::cpu()).decoder.layout().page_bytes() as u64;
    let mut batch = model.batch(4 * page);
    let long = source("text2text-generation", &"river ".repeat(200));
    let enter = |prompt: &Prompt| model.prepare(prompt, &GenerateArgs::default(), true).expect("a request");
    let (long, short) = (batch.enter(enter(&long)), batch.enter(enter(&source("text2text-generation", "a"))));
    let (mut failed, mut done) = (None, false);
    while !batch.is_empty() {
        for (number, event) in batch.round(&Run::new()) {
            match event {
                Event::Failed(error) => failed = Some((number, error.kind())),
                Event::Done(_) => done = number == short,
                Event::Piece { .. } => assert_eq!(number, short),
            }
        }
    }
    assert_eq!((failed, done), (Some((long, ErrorKind::OutOfMemory)), true));
}

#[test]
fn a_text_that_grows_is_told_piece_by_piece() {
    let model = load_generator(&folder("translator"), &spec("cpu"), &Run::new()).expect("loads");
    let greedy = args(json!({"num_beams": 1}).as_object().expect("an object"));
    let mut pieces = Vec::new();
    let prompt = source("translation_en_to_de", "In winter the ice is thick.");
    let mut piece = |_: usize, piece: &str| {
        pieces.push(piece.to_owned());
        true
    };
    let texts = pgml_core::text::generate(&*model, &prompt, &greedy, &Run::new(), &mut piece).expect("a text");
    assert_eq!(texts[0].text, "Im Winter ist das Eis dick.");
    assert_eq!(pieces.concat(), texts[0].text);
    assert!(pieces.len() > 5, "{pieces:?}");
}

#[test]
fn models_with_an_encoder_continue_no_texts_and_others_make_none_from_another() {
    let model = load_generator(&folder("t5"), &spec("cpu"), &Run::new()).expect("loads");
    let continuing = folder("../generators/gpt2");
    for prompt in [Prompt::Text("a".to_owned()), Prompt::Chat("[]".to_owned())] {
        let error = model.prepare(&prompt, &GenerateArgs::default(), false).map(drop).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        assert!(error.hint().is_some_and(|hint| hint.contains("summarization")), "{error:?}");
    }
    let copy = tempfile::tempdir().expect("a folder");
    for file in ["gpt2/config.json", "gpt2/model.safetensors", "tokenizer.json"] {
        let from = continuing.join("..").join(file);
        std::fs::copy(&from, copy.path().join(from.file_name().expect("a name"))).expect("copied");
    }
    let model = load_generator(copy.path(), &spec("cpu"), &Run::new()).expect("loads");
    let refused = model.prepare(&source("summarization", "a"), &GenerateArgs::default(), false);
    assert_eq!(refused.map(drop).expect_err("refused").kind(), ErrorKind::NotSupported);
}
