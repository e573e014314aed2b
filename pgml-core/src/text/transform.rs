//! The tasks of `transform`: their names, and what each answers.

use serde_json::{Map, Value};

use super::{ClassifyArgs, EmbedArgs, GenerateArgs, ModelSpec, ZeroShotArgs};
use crate::error::unknown_name;
use crate::{ErrorKind, Hyperparams, Result, bail, hyperparams};

/// What a model does with texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextTask {
    /// Goes on with a text.
    TextGeneration,
    /// Answers the last message of a conversation.
    Conversational,
    /// Says which label a text has.
    TextClassification,
    /// Says which of the caller's labels a text has.
    ZeroShotClassification,
}

/// A task's names.
struct Names {
    task: TextTask,
    name: &'static str,
    aliases: &'static [&'static str],
    /// The model of transformers' pipelines, where the task has one.
    default_model: Option<&'static str>,
}

#[rustfmt::skip]
static TASKS: &[Names] = &[
    Names { task: TextTask::TextGeneration, name: "text-generation", aliases: &[], default_model: Some("openai-community/gpt2") },
    Names { task: TextTask::Conversational, name: "conversational", aliases: &[], default_model: None },
    Names { task: TextTask::TextClassification, name: "text-classification", aliases: &["sentiment-analysis"], default_model: Some("distilbert/distilbert-base-uncased-finetuned-sst-2-english") },
    Names { task: TextTask::ZeroShotClassification, name: "zero-shot-classification", aliases: &[], default_model: None },
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
    /// Finds a task by its name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], listing what is known.
    pub fn named(name: &str) -> Result<Self> {
        let found = TASKS.iter().find(|names| names.name == name || names.aliases.contains(&name));
        found.map(|names| names.task).ok_or_else(|| {
            let known = TASKS.iter().flat_map(|names| std::iter::once(names.name).chain(names.aliases.iter().copied()));
            unknown_name(ErrorKind::InvalidParameter, "task of transform", name, known)
        })
    }

    /// Its name, which is that of transformers.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.names().name
    }

    /// Whether it makes texts.
    #[must_use]
    pub fn generates(self) -> bool {
        matches!(self, Self::TextGeneration | Self::Conversational)
    }

    /// Checks the task's arguments.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], listing what is known.
    pub fn check(self, args: &Map<String, Value>) -> Result<()> {
        match self {
            Self::TextGeneration | Self::Conversational => GenerateArgs::from_json("transform", args).map(drop),
            Self::TextClassification => ClassifyArgs::from_json("transform", args).map(drop),
            Self::ZeroShotClassification => ZeroShotArgs::from_json("transform", args)?.labels().map(drop),
        }
    }

    /// The model that is used where none is named.
    #[must_use]
    pub fn default_model(self) -> Option<&'static str> {
        self.names().default_model
    }

    fn names(self) -> &'static Names {
        TASKS.iter().find(|names| names.task == self).unwrap_or(&TASKS[0])
    }
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

    /// What is to be done, and by which model in which form.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for an unknown task, and where a model must be named.
    pub fn resolve(&self) -> Result<(TextTask, ModelSpec)> {
        let task = match &self.task {
            Some(name) => TextTask::named(name)?,
            None => TextTask::TextGeneration,
        };
        let Some(model) = self.model.as_deref().or(task.default_model()) else {
            bail!(InvalidParameter, "the task \"{}\" needs a model: {{\"task\": …, \"model\": …}}", task.name());
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
        assert_eq!((task, spec.name.as_str()), (TextTask::TextGeneration, "openai-community/gpt2"));
        let object = json!({"task": "conversational", "model": "m", "torch_dtype": "bfloat16", "load_in_8bit": true});
        let (task, spec) = TransformModel::read(&object).and_then(|t| t.resolve()).expect("known");
        assert_eq!((task, spec.name.as_str()), (TextTask::Conversational, "m"));
        assert_eq!((spec.dtype.as_deref(), spec.quantization.as_deref()), (Some("bf16"), Some("int8")));
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
