//! What a model is loaded for, and how it is asked to be loaded ahead of time.

use serde_json::{Map, Value};

use super::transform::task_names;
use super::{EmbedArgs, ModelSpec, RankArgs, TextTask, TransformModel};
use crate::error::unknown_name;
use crate::{ErrorKind, Hyperparams, Result, bail};

/// What a model is loaded for. One that is loaded for several things is in memory several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Texts to vectors.
    Embed,
    /// Pairs of texts to scores.
    Rank,
    /// Texts to longer texts.
    Generate,
    /// Texts to what a task makes of them.
    Answer(TextTask),
}

impl Purpose {
    /// What is loaded for a call of `embed`, of `rank`, or of `transform` with a task's name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for another name, listing what is known.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "embed" => Ok(Self::Embed),
            "rank" => Ok(Self::Rank),
            task => TextTask::named(task).map(Self::of).map_err(|_| {
                let known = ["embed", "rank"].into_iter().chain(task_names());
                unknown_name(ErrorKind::InvalidParameter, "task of a transformer", task, known)
            }),
        }
    }

    /// What a task of `transform` needs: all that make texts share one copy.
    #[must_use]
    pub fn of(task: TextTask) -> Self {
        if task.generates() { Self::Generate } else { Self::Answer(task) }
    }

    /// As users see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Rank => "rank",
            Self::Generate => "generate",
            Self::Answer(task) => task.name(),
        }
    }

    /// The form of the model `name` that a call with these arguments would use, and the token that it would show to the hub.
    /// For `embed` and `rank` they are the arguments of the call, else what the first argument of `transform` says beside the
    /// task and the model.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for what these calls refuse.
    pub fn form(self, name: &str, args: &Map<String, Value>) -> Result<(ModelSpec, Option<String>)> {
        match self {
            Self::Embed => EmbedArgs::from_json("embed", args).map(|args| (args.spec(name), args.token)),
            Self::Rank => RankArgs::from_json("rank", args).map(|args| (args.spec(name), args.token)),
            Self::Generate | Self::Answer(_) => {
                let asked = TransformModel::from_json("load_model", args)?;
                if asked.task.is_some() || asked.model.is_some() {
                    bail!(InvalidParameter, "task and model are arguments of their own, and not among the kwargs");
                }
                let asked = TransformModel { model: Some(name.to_owned()), ..asked };
                asked.resolve().map(|(_, spec)| (spec, asked.token))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form(task: &str, args: Value) -> Result<ModelSpec> {
        let Value::Object(args) = args else { unreachable!("an object") };
        Purpose::named(task)?.form("org/model", &args).map(|(spec, _)| spec)
    }

    #[test]
    fn what_is_loaded_ahead_is_what_the_call_will_ask_for() {
        let called = json!({"task": "text-generation", "model": "org/model", "load_in_4bit": true, "device": "cpu"});
        let called = TransformModel::read(&called).and_then(|asked| asked.resolve()).expect("known").1;
        for task in ["text-generation", "conversational", "summarization", "translation_en_to_de"] {
            assert_eq!(Purpose::named(task).expect(task), Purpose::Generate);
            assert_eq!(form(task, json!({"load_in_4bit": true, "device": "cpu"})).expect(task), called);
        }
        let args = json!({"dtype": "bf16"});
        assert_eq!(form("embed", args.clone()).expect("known"), form("fill-mask", args).expect("known"));
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        let error = Purpose::named("embedd").expect_err("unknown");
        assert!(error.message().contains("did you mean \"embed\"?"), "{error}");
        assert!(error.detail().is_some_and(|known| known.contains("rank, text-generation")), "{error:?}");
        assert!(form("text-generation", json!({"temperature": 1})).is_err());
        let error = form("text-generation", json!({"model": "other"})).expect_err("named twice");
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    }
}
