//! What a project is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::unknown_name;
use crate::{Error, ErrorKind, Result};

macro_rules! tasks {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal),+ $(,)?) => {
        /// What a project is for. Names are those of PostgresML; both dashes and underscores are understood.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Task { $($(#[doc = $doc])* $variant),+ }

        impl Task {
            /// Every task, in the order of PostgresML's enum, then our own.
            pub const ALL: &'static [Task] = &[$(Task::$variant),+];

            /// The name with underscores, as stored.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Task::$variant => $name),+ }
            }
        }
    };
}

tasks! {
    /// Predict a number.
    Regression = "regression",
    /// Predict a class.
    Classification = "classification",
    /// Express rows in fewer dimensions.
    Decomposition = "decomposition",
    /// Group similar rows.
    Clustering = "clustering",
    /// Answer a question from a context.
    QuestionAnswering = "question_answering",
    /// Shorten a text.
    Summarization = "summarization",
    /// Translate a text.
    Translation = "translation",
    /// Classify a text.
    TextClassification = "text_classification",
    /// Continue a text.
    TextGeneration = "text_generation",
    /// Map a text to a text.
    Text2text = "text2text",
    /// Map a text to a vector.
    Embedding = "embedding",
    /// Classify a pair of texts.
    TextPairClassification = "text_pair_classification",
    /// Chat.
    Conversation = "conversation",
    /// Find rows that are unlike the others. PostgresML has no such task.
    AnomalyDetection = "anomaly_detection",
}

impl Task {
    /// The name with dashes, as `pgml.train` returns it.
    #[must_use]
    pub fn display_name(self) -> String {
        self.name().replace('_', "-")
    }

    /// Whether training needs labels.
    #[must_use]
    pub fn is_supervised(self) -> bool {
        !matches!(self, Task::Clustering | Task::Decomposition | Task::AnomalyDetection | Task::Embedding)
    }

    /// The metric that decides which model is better, and whether a higher value is.
    #[must_use]
    pub fn target_metric(self) -> Option<(&'static str, bool)> {
        Some(match self {
            Task::Regression => ("r2", true),
            Task::Classification
            | Task::TextClassification
            | Task::TextPairClassification
            | Task::QuestionAnswering => ("f1", true),
            Task::Clustering => ("silhouette", true),
            Task::Decomposition => ("cumulative_explained_variance", true),
            Task::Translation | Task::Conversation => ("bleu", true),
            Task::Summarization => ("rouge_ngram_f1", true),
            Task::TextGeneration | Task::Text2text => ("perplexity", false),
            // Without labels nobody knows which rows are anomalies.
            Task::AnomalyDetection | Task::Embedding => return None,
        })
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Task {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let name = text.trim().to_lowercase().replace('-', "_");
        // `cluster` is what older PostgresML documentation calls clustering.
        let name = if name == "cluster" { "clustering" } else { &name };
        Task::ALL
            .iter()
            .copied()
            .find(|task| task.name() == name)
            .ok_or_else(|| unknown_name(ErrorKind::InvalidParameter, "task", text, Task::ALL.iter().map(|t| t.name())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_read_from_both_spellings() {
        for task in Task::ALL {
            assert_eq!(task.name().parse(), Ok(*task));
            assert_eq!(task.display_name().parse(), Ok(*task));
        }
    }

    #[test]
    fn an_unknown_task_lists_the_known_ones() {
        let error = "regresion".parse::<Task>().expect_err("a misspelling");
        assert_eq!(error.message(), "unknown task \"regresion\"; did you mean \"regression\"?");
    }
}
