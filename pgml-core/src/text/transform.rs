//! The tasks of `transform`: their names, and what each answers.

use serde_json::{Map, Value};

use super::{AnswerArgs, ClassifyArgs, EmbedArgs, FeatureArgs, FillArgs, GenerateArgs, ModelSpec};
use super::{SimilarityArgs, TableArgs, TagArgs, ZeroShotArgs};
use crate::error::unknown_name;
use crate::{Error, ErrorKind, Hyperparams, Result, bail, hyperparams};

/// What a model does with texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextTask {
    /// Goes on with a text.
    TextGeneration,
    /// Answers the last message of a conversation.
    Conversational,
    /// Makes a text from another, as the model was taught.
    Text2TextGeneration,
    /// Makes a text shorter.
    Summarization,
    /// Says the same in another language.
    Translation,
    /// Says which label a text has.
    TextClassification,
    /// Says which of the caller's labels a text has.
    ZeroShotClassification,
    /// Says what each word of a text is.
    TokenClassification,
    /// Finds the answer to a question in a text.
    QuestionAnswering,
    /// Says which words could stand in a gap.
    FillMask,
    /// Gives the numbers that a model makes of each token.
    FeatureExtraction,
    /// Says how much sentences mean the same.
    SentenceSimilarity,
    /// Finds the answer to a question in a table.
    TableQuestionAnswering,
}

/// What there is to know of a task.
struct Known {
    task: TextTask,
    name: &'static str,
    aliases: &'static [&'static str],
    /// The model of transformers' pipelines, where the task has one.
    default_model: Option<&'static str>,
    /// How the names of the classes end whose models are made for it.
    classes: &'static [&'static str],
    /// Checks its arguments.
    check: fn(&Map<String, Value>) -> Result<()>,
    /// Whether the answer to a single input comes alone, not in a list.
    alone: bool,
}

/// The arguments of what generates texts.
const GENERATION: fn(&Map<String, Value>) -> Result<()> = |args| GenerateArgs::from_json("transform", args).map(drop);

/// Every task, one line each.
#[rustfmt::skip]
static TASKS: &[Known] = &[
    Known { task: TextTask::TextGeneration, name: "text-generation", aliases: &[], default_model: Some("openai-community/gpt2"), classes: &["ForCausalLM", "LMHeadModel"], check: GENERATION, alone: false },
    Known { task: TextTask::Conversational, name: "conversational", aliases: &[], default_model: None, classes: &[], check: GENERATION, alone: false },
    Known { task: TextTask::Text2TextGeneration, name: "text2text-generation", aliases: &[], default_model: Some("google-t5/t5-base"), classes: &["ForConditionalGeneration"], check: GENERATION, alone: false },
    Known { task: TextTask::Summarization, name: "summarization", aliases: &[], default_model: Some("sshleifer/distilbart-cnn-12-6"), classes: &[], check: GENERATION, alone: false },
    Known { task: TextTask::Translation, name: "translation", aliases: &["translation_xx_to_yy"], default_model: Some("google-t5/t5-base"), classes: &["MTModel"], check: GENERATION, alone: false },
    Known { task: TextTask::TextClassification, name: "text-classification", aliases: &["sentiment-analysis"], default_model: Some("distilbert/distilbert-base-uncased-finetuned-sst-2-english"), classes: &["ForSequenceClassification"], check: |args| ClassifyArgs::from_json("transform", args).map(drop), alone: false },
    Known { task: TextTask::ZeroShotClassification, name: "zero-shot-classification", aliases: &[], default_model: Some("facebook/bart-large-mnli"), classes: &[], check: |args| ZeroShotArgs::from_json("transform", args)?.labels().map(drop), alone: false },
    Known { task: TextTask::TokenClassification, name: "token-classification", aliases: &["ner"], default_model: Some("dbmdz/bert-large-cased-finetuned-conll03-english"), classes: &["ForTokenClassification"], check: |args| TagArgs::from_json("transform", args)?.check(), alone: false },
    Known { task: TextTask::TableQuestionAnswering, name: "table-question-answering", aliases: &[], default_model: Some("google/tapas-base-finetuned-wtq"), classes: &["TapasForQuestionAnswering"], check: |args| TableArgs::from_json("transform", args).map(drop), alone: true },
    Known { task: TextTask::QuestionAnswering, name: "question-answering", aliases: &[], default_model: Some("distilbert/distilbert-base-cased-distilled-squad"), classes: &["ForQuestionAnswering"], check: |args| AnswerArgs::from_json("transform", args).map(drop), alone: true },
    Known { task: TextTask::FillMask, name: "fill-mask", aliases: &[], default_model: Some("distilbert/distilroberta-base"), classes: &["ForMaskedLM", "BertForPreTraining", "AlbertForPreTraining"], check: |args| FillArgs::from_json("transform", args)?.targets().map(drop), alone: true },
    Known { task: TextTask::FeatureExtraction, name: "feature-extraction", aliases: &[], default_model: Some("distilbert/distilbert-base-cased"), classes: &["Model"], check: |args| FeatureArgs::from_json("transform", args).map(drop), alone: false },
    Known { task: TextTask::SentenceSimilarity, name: "sentence-similarity", aliases: &[], default_model: None, classes: &[], check: |args| SimilarityArgs::from_json("transform", args).map(drop), alone: true },
];

hyperparams! {
    /// What the first argument of `transform` may say when it is JSON: the task, the model, and how to load it.
    pub struct TransformModel called "key" {
        /// The task's name; found out from the model when null.
        task: Option<String> = None;
        /// Name of the model on the hub, of a stored model, or its folder; the task's default model when null.
        model: Option<String> = None;
        /// Which of the model's GGUF files to use; the one that serves best on a CPU when null.
        model_file: Option<String> = None;
        /// Branch, tag or commit of the model.
        revision: Option<String> = None;
        /// Token for the model hub.
        token: Option<String> = None, aliases: ["use_auth_token"];
        /// Where the model runs: "auto", "cpu", "wgpu", "wgpu:1", ...
        device: Option<String> = None;
        /// The type of the model's numbers: "f32", "bf16" or "f16".
        dtype: Option<String> = None, choices: ["f32", "float32", "bf16", "bfloat16", "f16", "float16", "auto"], aliases: ["torch_dtype"];
        /// How the model's weights are quantised: in blocks of 32, as GGUF's Q8_0 and Q4_0.
        quantization: Option<String> = None, choices: ["int8", "int4"];
        /// PostgresML's way to ask for quantization "int8".
        load_in_8bit: bool = false;
        /// PostgresML's way to ask for quantization "int4".
        load_in_4bit: bool = false;
        /// Accepted for compatibility: the device is chosen by "device".
        device_map: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: code of a model is never executed.
        trust_remote_code: bool = false, no_effect: true;
    }
}

impl TextTask {
    /// Finds a task by its name; that of a translation may have its languages in it, as translation_en_to_de.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], listing what is known.
    pub fn named(name: &str) -> Result<Self> {
        if languages(name).is_some() {
            return Ok(Self::Translation);
        }
        let found = TASKS.iter().find(|known| known.name == name || known.aliases.contains(&name));
        let found = found.map(|known| known.task);
        found.ok_or_else(|| unknown_name(ErrorKind::InvalidParameter, "task of transform", name, task_names()))
    }

    /// Its name, which is that of transformers.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.known().name
    }

    /// Whether it makes texts.
    #[must_use]
    pub fn generates(self) -> bool {
        matches!(self, Self::TextGeneration | Self::Conversational) || self.made_key().is_some()
    }

    /// What it is called in an answer that a text was made from the input; `None` for tasks that do something else.
    #[must_use]
    pub fn made_key(self) -> Option<&'static str> {
        match self {
            Self::Text2TextGeneration => Some("generated_text"),
            Self::Summarization => Some("summary_text"),
            Self::Translation => Some("translation_text"),
            _ => None,
        }
    }

    /// Checks that it makes texts, which can be had piece by piece.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] when it does not.
    pub fn check_stream(self) -> Result<()> {
        if !self.generates() {
            bail!(NotSupported, "the task \"{}\" makes no text to stream; use pgml.transform", self.name());
        }
        Ok(())
    }

    /// Checks the task's arguments.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], listing what is known.
    pub fn check(self, args: &Map<String, Value>) -> Result<()> {
        (self.known().check)(args)
    }

    /// The task that a model is made for, by what its `config.json` says of its class.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] for a class from which no task follows, listing those from which one does.
    pub fn of_config(config: &Value) -> Result<Self> {
        let class = config.get("architectures").and_then(|classes| classes.get(0)).and_then(Value::as_str);
        let Some(class) = class else {
            return Err(unclear("config.json of the model names no class (architectures)"));
        };
        let is_for = |known: &&Known| known.classes.iter().any(|end| class.ends_with(end));
        TASKS.iter().find(is_for).map(|known| known.task).ok_or_else(|| unclear(&format!("the model is a {class}")))
    }

    /// What comes back for all inputs. Where one text was made from each, they stand in one list.
    #[must_use]
    pub fn whole(self, mut answers: Vec<Value>) -> Value {
        if self.made_key().is_some() && answers.iter().all(|texts| texts.as_array().is_some_and(|all| all.len() == 1)) {
            return answers.into_iter().map(|mut texts| texts[0].take()).collect();
        }
        if self.known().alone && answers.len() == 1 { answers.remove(0) } else { answers.into() }
    }

    /// The model that is used where none is named.
    #[must_use]
    pub fn default_model(self) -> Option<&'static str> {
        self.known().default_model
    }

    fn known(self) -> &'static Known {
        TASKS.iter().find(|known| known.task == self).unwrap_or(&TASKS[0])
    }
}

/// All names of tasks.
pub(super) fn task_names() -> impl Iterator<Item = &'static str> {
    TASKS.iter().flat_map(|known| std::iter::once(known.name).chain(known.aliases.iter().copied()))
}

/// The languages in the name of a translation's task.
fn languages(task: &str) -> Option<[&str; 2]> {
    let (from, to) = task.strip_prefix("translation_")?.split_once("_to_")?;
    let is_code = |code: &str| !code.is_empty() && !code.contains('_') && code.len() <= 16;
    (is_code(from) && is_code(to)).then_some([from, to])
}

fn unclear(what: &str) -> Error {
    let classes: Vec<String> = TASKS.iter().flat_map(|known| known.classes).map(|end| format!("…{end}")).collect();
    Error::new(ErrorKind::NotSupported, format!("{what}, from which no task follows"))
        .with_detail(format!("known: {}", classes.join(", ")))
        .with_hint("name the task too: {\"task\": …, \"model\": …}")
}

impl TransformModel {
    /// Reads the first argument of `transform`: a task's name, or an object.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for an unknown key, listing what is known, and for neither a task nor a model.
    pub fn read(task: &Value) -> Result<Self> {
        let read = match task {
            Value::String(name) => Self { task: Some(name.clone()), ..Self::default() },
            Value::Object(keys) => Self::from_json("transform", keys)?,
            other => bail!(InvalidParameter, "task is {other}, but must be a name or a JSON object"),
        };
        if read.task.is_none() && read.model.is_none() {
            bail!(InvalidParameter, "neither a task nor a model is named");
        }
        Ok(read)
    }

    /// What is to be done, where it does not follow from the model alone, and by which model in which form.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for an unknown task, and where a model must be named.
    pub fn resolve(&self) -> Result<(Option<TextTask>, ModelSpec)> {
        let task = self.task.as_deref().map(TextTask::named).transpose()?;
        // The model that is there for translations knows three pairs of languages.
        let pair = self.task.as_deref().and_then(languages);
        let knows = pair.is_none_or(|[from, to]| from == "en" && ["de", "fr", "ro"].contains(&to));
        let default = task.and_then(TextTask::default_model).filter(|_| knows);
        let Some(model) = self.model.as_deref().or(default) else {
            let name = self.task.as_deref().unwrap_or_default();
            bail!(InvalidParameter, "the task \"{name}\" needs a model: {{\"task\": …, \"model\": …}}");
        };
        let dtype = self.dtype.clone().filter(|dtype| dtype != "auto");
        let form = EmbedArgs { dtype, ..EmbedArgs::default() };
        let old = self.load_in_4bit.then_some("int4").or(self.load_in_8bit.then_some("int8"));
        let quantization = self.quantization.clone().or(old.map(str::to_owned));
        let spec = ModelSpec {
            revision: self.revision.clone(),
            device: self.device.clone(),
            file: self.model_file.clone(),
            quantization,
            ..form.spec(model)
        };
        Ok((task, spec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_task_may_be_a_name_or_an_object() {
        let (task, spec) = TransformModel::read(&json!("text-generation")).and_then(|t| t.resolve()).expect("known");
        assert_eq!((task, spec.name.as_str()), (Some(TextTask::TextGeneration), "openai-community/gpt2"));
        let object = json!({"task": "conversational", "model": "m", "torch_dtype": "bfloat16", "load_in_8bit": true});
        let (task, spec) = TransformModel::read(&object).and_then(|t| t.resolve()).expect("known");
        assert_eq!((task, spec.name.as_str()), (Some(TextTask::Conversational), "m"));
        assert_eq!((spec.dtype.as_deref(), spec.quantization.as_deref()), (Some("bf16"), Some("int8")));
    }

    #[test]
    fn a_task_follows_from_the_class_of_a_model() {
        let (task, _) = TransformModel::read(&json!({"model": "m"})).and_then(|t| t.resolve()).expect("a model");
        assert_eq!(task, None);
        for (class, task) in [
            ("RobertaForSequenceClassification", TextTask::TextClassification),
            ("BertForTokenClassification", TextTask::TokenClassification),
            ("DistilBertForQuestionAnswering", TextTask::QuestionAnswering),
            ("TapasForQuestionAnswering", TextTask::TableQuestionAnswering),
            ("ModernBertForMaskedLM", TextTask::FillMask),
            ("GPT2LMHeadModel", TextTask::TextGeneration),
            ("Qwen3ForCausalLM", TextTask::TextGeneration),
            ("BertModel", TextTask::FeatureExtraction),
            ("T5ForConditionalGeneration", TextTask::Text2TextGeneration),
            ("MarianMTModel", TextTask::Translation),
        ] {
            assert_eq!(TextTask::of_config(&json!({"architectures": [class]})).expect(class), task);
        }
        for config in [json!({}), json!({"architectures": ["ElectraForPreTraining"]})] {
            let error = TextTask::of_config(&config).expect_err("unclear");
            assert!(error.detail().is_some_and(|known| known.contains("…ForTokenClassification")), "{error:?}");
        }
    }

    #[test]
    fn a_translation_may_have_its_languages_in_its_name() {
        let resolve = |task: &str| TransformModel::read(&json!(task)).and_then(|t| t.resolve());
        for name in ["translation", "translation_en_to_de"] {
            let (task, spec) = resolve(name).expect(name);
            assert_eq!((task, spec.name.as_str()), (Some(TextTask::Translation), "google-t5/t5-base"));
        }
        assert!(resolve("translation_en_to_fi").expect_err("no model").message().contains("needs a model"));
        for name in ["translation_en", "translation_en_XX_to_de_DE", "translation__to_", "translation_en_to_"] {
            assert_eq!(TextTask::named(name).expect_err(name).kind(), ErrorKind::InvalidParameter);
        }
    }

    #[test]
    fn texts_made_from_inputs_stand_in_one_list_where_each_has_one() {
        let text = |text: &str| json!({"summary_text": text});
        let whole = |answers| TextTask::Summarization.whole(answers);
        assert_eq!(whole(vec![json!([text("a")]), json!([text("b")])]), json!([text("a"), text("b")]));
        let several = vec![json!([text("a"), text("b")]), json!([text("c"), text("d")])];
        assert_eq!(whole(several.clone()), json!(several));
        assert_eq!(whole(Vec::new()), json!([]));
    }

    #[test]
    fn one_answer_comes_alone_where_transformers_gives_it_alone() {
        let one = || vec![json!({"answer": "x"})];
        assert_eq!(TextTask::QuestionAnswering.whole(one()), json!({"answer": "x"}));
        assert_eq!(TextTask::TextClassification.whole(one()), json!([{"answer": "x"}]));
        assert_eq!(TextTask::QuestionAnswering.whole([one(), one()].concat()).as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        for (task, word) in [
            (json!("text-invention"), "text-generation"),
            (json!({"model": "m", "colour": 1}), "revision"),
            (json!({}), "neither a task nor a model"),
            (json!("conversational"), "needs a model"),
            (json!(3), "must be a name"),
        ] {
            let error = TransformModel::read(&task).and_then(|t| t.resolve()).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::InvalidParameter);
            let more = [error.detail(), error.hint()].map(Option::unwrap_or_default);
            let said = format!("{} {}", error.message(), more.join(" "));
            assert!(said.contains(word), "{said}");
        }
    }
}
