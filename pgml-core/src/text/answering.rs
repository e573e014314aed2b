//! Answers that stand in a text: from scores of beginnings and ends to the best spans (Chen et al. 2017).

use serde_json::{Map, Value, json};

use super::ScoreFunction;
use crate::{Error, ErrorKind, Result, bail, hyperparams};

hyperparams! {
    /// What a caller of `question-answering` may ask for: the names of transformers.
    pub struct AnswerArgs called "argument" {
        /// How many answers to return, best first; a list where there are several.
        top_k: u32 = 1, range: at_least(1.0), aliases: ["topk"];
        /// By how many tokens the windows overlap that a long context is cut into; 128, or half of max_seq_len, when null.
        doc_stride: Option<u32> = None;
        /// Most tokens of an answer.
        max_answer_len: u32 = 15, range: at_least(1.0);
        /// Most tokens of a question with a window of the context; 384, or what the model reads, when null.
        max_seq_len: Option<u32> = None, range: at_least(1.0);
        /// Accepted for compatibility: questions are not cut, as in transformers with its fast tokenizers.
        max_question_len: u32 = 64, no_effect: true;
        /// Whether "the context does not say it" may be the answer, an empty one.
        handle_impossible_answer: bool = false;
        /// Whether answers are made of whole words.
        align_to_words: bool = true;
        /// Accepted for compatibility: texts are not padded.
        padding: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: contexts are cut into windows.
        truncation: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: batches are made of the texts of all sessions.
        batch_size: u32 = 1, no_effect: true;
    }
}

/// What is asked of which text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextQuestion {
    /// The question.
    pub question: String,
    /// The text that answers it.
    pub context: String,
}

/// A token of a question and a window of its context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextToken {
    /// Whether an answer may begin or end here.
    pub allowed: bool,
    /// Where it begins and ends in its text, in characters.
    pub place: (usize, usize),
    /// The same of the word that it is part of.
    pub word: Option<(usize, usize)>,
}

/// An answer, its place in characters.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    score: f64,
    start: usize,
    end: usize,
}

impl ContextQuestion {
    /// Reads an input of the task: a JSON object with `question` and `context`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`], showing what is expected.
    pub fn read(input: &str) -> Result<Self> {
        let object: Option<Map<String, Value>> = serde_json::from_str(input).ok();
        let text = |key: &str| -> Result<String> {
            let value = object.as_ref().and_then(|object| object.get(key)).and_then(Value::as_str);
            value.filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| {
                Error::new(ErrorKind::InvalidParameter, format!("an input of question-answering has no {key}"))
                    .with_hint("inputs => ARRAY['{\"question\": \"Where is it?\", \"context\": \"It is here.\"}']")
            })
        };
        let (question, context) = (text("question")?, text("context")?);
        let unknown = object.iter().flat_map(Map::keys).find(|key| !["question", "context"].contains(&key.as_str()));
        match unknown {
            Some(key) => {
                bail!(
                    InvalidParameter,
                    "unknown key \"{key}\" of an input of question-answering; known: question, context"
                )
            }
            None => Ok(Self { question, context }),
        }
    }
}

impl AnswerArgs {
    /// The answer to a question: of each window of its context the tokens, and in `outputs` for each of them the scores of an
    /// answer's beginning and of its end.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for outputs of another shape.
    pub fn answer(&self, context: &str, windows: &[Vec<ContextToken>], outputs: &[Vec<f32>]) -> Result<Value> {
        let mut spans = Vec::new();
        let mut no_answer = 1e6_f64;
        for (tokens, outputs) in windows.iter().zip(outputs) {
            if outputs.len() != 2 * tokens.len() {
                bail!(Internal, "a model gave other than two numbers per token");
            }
            let [mut starts, mut ends] = [0, 1].map(|side| probabilities(tokens, outputs, side));
            if let (Some(start), Some(end)) = (starts.first_mut(), ends.first_mut()) {
                no_answer = no_answer.min(*start * *end);
                (*start, *end) = (0.0, 0.0);
            }
            spans.extend(self.spans(tokens, &starts, &ends));
        }
        if self.handle_impossible_answer {
            spans.push(Span { score: no_answer, start: 0, end: 0 });
        }
        spans.sort_by(|a, b| b.score.total_cmp(&a.score));
        spans.truncate(self.top_k as usize);
        let mut answers: Vec<Value> = spans.into_iter().map(|span| span.json(context)).collect();
        Ok(if answers.len() == 1 { answers.remove(0) } else { answers.into() })
    }

    /// The best spans of one window.
    fn spans(&self, tokens: &[ContextToken], starts: &[f64], ends: &[f64]) -> Vec<Span> {
        let longest = self.max_answer_len as usize;
        let mut candidates: Vec<(usize, usize, f64)> = Vec::new();
        for (start, of_start) in starts.iter().enumerate() {
            let within = ends.iter().enumerate().skip(start).take(longest);
            candidates.extend(within.map(|(end, of_end)| (start, end, of_start * of_end)));
        }
        let wanted = (self.top_k as usize).min(candidates.len());
        let order = |a: &(usize, usize, f64), b: &(usize, usize, f64)| {
            b.2.total_cmp(&a.2).then_with(|| (a.0, a.1).cmp(&(b.0, b.1)))
        };
        if wanted < candidates.len() {
            candidates.select_nth_unstable_by(wanted, order);
            candidates.truncate(wanted);
        }
        candidates.sort_by(order);
        // The first token stands for "no answer" and is never left out.
        let allowed = |i: usize| i == 0 || tokens[i].allowed;
        let spans = candidates.into_iter().filter(|(start, end, _)| allowed(*start) && allowed(*end));
        spans.map(|(start, end, score)| self.span(&tokens[start], &tokens[end], score)).collect()
    }

    fn span(&self, first: &ContextToken, last: &ContextToken, score: f64) -> Span {
        let (start, end) = match (first.word, last.word) {
            (Some(first), Some(last)) if self.align_to_words => (first.0, last.1),
            _ => (first.place.0, last.place.1),
        };
        Span { score, start, end }
    }
}

impl Span {
    fn json(self, context: &str) -> Value {
        let answer: String = context.chars().skip(self.start).take(self.end.saturating_sub(self.start)).collect();
        json!({"score": self.score, "start": self.start, "end": self.end, "answer": answer})
    }
}

/// Of an answer's beginning (0) or end (1), for each token; where there can be none, the score is as low as in transformers.
fn probabilities(tokens: &[ContextToken], outputs: &[f32], side: usize) -> Vec<f64> {
    let output = |(i, token): (usize, &ContextToken)| if token.allowed { outputs[2 * i + side] } else { -10_000.0 };
    ScoreFunction::Softmax.of(&tokens.iter().enumerate().map(output).collect::<Vec<f32>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hyperparams;

    fn args(json: Value) -> AnswerArgs {
        AnswerArgs::from_json("transform", json.as_object().expect("an object")).expect("valid")
    }

    fn window(places: &[(usize, usize)]) -> Vec<ContextToken> {
        let token = |place: &(usize, usize)| ContextToken { allowed: true, place: *place, word: None };
        places.iter().map(token).collect()
    }

    #[test]
    fn an_answer_begins_before_it_ends_and_is_not_too_long() {
        let tokens = window(&[(0, 0), (0, 2), (3, 5), (6, 8)]);
        // The best beginning is behind the best end.
        let outputs = [0.0, 0.0, 3.0, 9.0, 9.0, 0.0, 0.0, 5.0];
        let best =
            args(json!({})).answer("aé bb cc", std::slice::from_ref(&tokens), &[outputs.to_vec()]).expect("works");
        assert_eq!((&best["answer"], &best["start"], &best["end"]), (&json!("bb cc"), &json!(3), &json!(8)));
        let short =
            args(json!({"max_answer_len": 1})).answer("aé bb cc", &[tokens], &[outputs.to_vec()]).expect("works");
        assert_eq!(short["answer"], "aé");
    }

    #[test]
    fn no_answer_is_the_product_of_the_first_token() {
        let tokens = window(&[(0, 0), (0, 2)]);
        let asked = args(json!({"handle_impossible_answer": true, "top_k": 9}));
        let answers = asked.answer("ab", &[tokens], &[vec![4.0, 4.0, 0.0, 0.0]]).expect("works");
        assert_eq!(answers[0]["answer"], "");
        assert!(answers[0]["score"].as_f64().is_some_and(|score| score > 0.9));
    }

    #[test]
    fn an_input_is_an_object_with_both_texts() {
        let read = ContextQuestion::read(r#"{"question": "q", "context": "c"}"#).expect("both");
        assert_eq!((read.question.as_str(), read.context.as_str()), ("q", "c"));
        for input in [
            "text",
            r#"{"question": "q"}"#,
            r#"{"question": "q", "context": ""}"#,
            r#"{"question": "q", "context": "c", "x": 1}"#,
        ] {
            assert_eq!(ContextQuestion::read(input).expect_err(input).kind(), ErrorKind::InvalidParameter);
        }
    }
}
