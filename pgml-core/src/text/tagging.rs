//! Labels of tokens, and how tokens become entities.

use serde_json::{Value, json};

use super::ScoreFunction;
use crate::{Result, bail, hyperparams};

hyperparams! {
    /// What a caller of `token-classification` may ask for: the names of transformers.
    pub struct TagArgs called "argument" {
        /// How tokens become entities: not at all, by equal labels of neighbours, or so that the tokens of a word share a label: that of the first, of the mean of their scores, or of the highest score.
        aggregation_strategy: String = "none".to_owned(), choices: ["none", "simple", "first", "average", "max"];
        /// Labels that are left out.
        ignore_labels: Vec<String> = vec!["O".to_owned()];
        /// By how many tokens the windows overlap that a text longer than the model reads is cut into; it is cut off when null.
        stride: Option<u32> = None;
        /// The older name of aggregation_strategy "simple", or "first" with ignore_subwords.
        grouped_entities: bool = false;
        /// Whether the tokens of a word share the label of the first, with grouped_entities.
        ignore_subwords: bool = false;
        /// Accepted for compatibility: texts are cut where the model reads no further.
        truncation: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: texts are not padded.
        padding: Value = Value::Null, no_effect: true;
        /// Accepted for compatibility: batches are made of the texts of all sessions.
        batch_size: u32 = 1, no_effect: true;
    }
}

/// A token of a text, special ones left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextToken {
    /// As it stands in the vocabulary; as it stands in the text where the vocabulary does not have it.
    pub word: String,
    /// Where it begins and ends in the text, in characters.
    pub place: (usize, usize),
    /// Its number among the tokens that the model reads together, special ones counted.
    pub index: usize,
    /// Whether it goes on with the word of the token before.
    pub continues: bool,
}

/// How tokens become entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    None,
    Simple,
    First,
    Average,
    Max,
}

/// A token or word, and what it is.
#[derive(Debug, Clone, PartialEq)]
struct Entity {
    label: String,
    score: f64,
    index: usize,
    word: String,
    place: (usize, usize),
}

/// Puts tokens together to a text, as their tokenizer does.
pub type JoinTokens<'a> = dyn Fn(Vec<String>) -> Result<String> + 'a;

impl TagArgs {
    /// Checks what depends on several of them.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) for windows of tokens that stay single.
    pub fn check(&self) -> Result<()> {
        if self.stride.is_some() && self.strategy() == Strategy::None {
            bail!(InvalidParameter, "stride needs an aggregation_strategy: simple, first, average or max");
        }
        Ok(())
    }

    fn strategy(&self) -> Strategy {
        match self.aggregation_strategy.as_str() {
            "simple" => Strategy::Simple,
            "first" => Strategy::First,
            "average" => Strategy::Average,
            "max" => Strategy::Max,
            _ if self.grouped_entities && self.ignore_subwords => Strategy::First,
            _ if self.grouped_entities => Strategy::Simple,
            _ => Strategy::None,
        }
    }

    /// The answer to one text: the entities of each of its `windows`, of which `outputs` holds the scores of all tokens, a
    /// number per label.
    ///
    /// # Errors
    /// Those of `join`; [`ErrorKind::Internal`](crate::ErrorKind::Internal) for outputs of another shape.
    pub fn answer(
        &self,
        labels: &[String],
        windows: &[Vec<TextToken>],
        outputs: &[Vec<f32>],
        join: &JoinTokens<'_>,
    ) -> Result<Value> {
        let mut entities = Vec::new();
        for (tokens, outputs) in windows.iter().zip(outputs) {
            let scores = |token: &TextToken| outputs.get(token.index * labels.len()..(token.index + 1) * labels.len());
            let Some(scores) = tokens.iter().map(scores).collect::<Option<Vec<&[f32]>>>() else {
                bail!(Internal, "a model gave fewer labels than there are tokens");
            };
            let scores: Vec<Vec<f64>> = scores.into_iter().map(|outputs| ScoreFunction::Softmax.of(outputs)).collect();
            entities.extend(self.entities(labels, tokens, &scores, join)?);
        }
        entities.retain(|entity| !self.ignore_labels.contains(&entity.label));
        if windows.len() > 1 {
            entities = without_overlaps(entities);
        }
        let single = self.strategy() == Strategy::None;
        Ok(entities.into_iter().map(|entity| if single { entity.json() } else { entity.group_json() }).collect())
    }

    fn entities(
        &self,
        labels: &[String],
        tokens: &[TextToken],
        scores: &[Vec<f64>],
        join: &JoinTokens<'_>,
    ) -> Result<Vec<Entity>> {
        let strategy = self.strategy();
        let entities: Vec<Entity> = match strategy {
            Strategy::None | Strategy::Simple => {
                tokens.iter().zip(scores).map(|(token, scores)| Entity::of_token(labels, token, scores)).collect()
            }
            _ => words(tokens)
                .map(|rows| Entity::of_word(labels, &tokens[rows.clone()], &scores[rows], strategy, join))
                .collect::<Result<_>>()?,
        };
        if strategy == Strategy::None { Ok(entities) } else { groups(&entities, join) }
    }
}

impl Entity {
    fn of_token(labels: &[String], token: &TextToken, scores: &[f64]) -> Self {
        let best = largest(scores);
        Self {
            label: labels[best].clone(),
            score: scores[best],
            index: token.index,
            word: token.word.clone(),
            place: token.place,
        }
    }

    fn of_word(
        labels: &[String],
        tokens: &[TextToken],
        scores: &[Vec<f64>],
        strategy: Strategy,
        join: &JoinTokens<'_>,
    ) -> Result<Self> {
        let (first, last) = (&tokens[0], &tokens[tokens.len() - 1]);
        let of_all = match strategy {
            Strategy::Average => mean(scores),
            Strategy::Max => {
                let highest: Vec<f64> = scores.iter().map(|scores| scores[largest(scores)]).collect();
                scores[largest(&highest)].clone()
            }
            _ => scores[0].clone(),
        };
        Ok(Self {
            word: join(tokens.iter().map(|token| token.word.clone()).collect())?,
            place: (first.place.0, last.place.1),
            ..Self::of_token(labels, first, &of_all)
        })
    }

    /// The prefix of its label, which says whether an entity begins, and what it is.
    fn tag(&self) -> (bool, &str) {
        match self.label.strip_prefix("B-") {
            Some(tag) => (true, tag),
            None => (false, self.label.strip_prefix("I-").unwrap_or(&self.label)),
        }
    }

    fn json(self) -> Value {
        let (start, end) = self.place;
        json!({
            "entity": self.label, "score": self.score, "index": self.index, "word": self.word, "start": start, "end": end
        })
    }

    fn group_json(self) -> Value {
        let (start, end) = self.place;
        json!({"entity_group": self.label, "score": self.score, "word": self.word, "start": start, "end": end})
    }
}

/// The tokens of each word.
fn words(tokens: &[TextToken]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let begins = |i: &usize| *i == 0 || !tokens[*i].continues;
    let starts: Vec<usize> = (0..tokens.len()).filter(begins).chain([tokens.len()]).collect();
    (1..starts.len()).map(move |i| starts[i - 1]..starts[i])
}

/// Neighbours of one kind, unless a new one begins.
fn groups(entities: &[Entity], join: &JoinTokens<'_>) -> Result<Vec<Entity>> {
    let mut groups: Vec<&[Entity]> = Vec::new();
    let mut start = 0;
    for i in 1..=entities.len() {
        let goes_on = entities.get(i).is_some_and(|entity| {
            let (begins, tag) = entity.tag();
            !begins && tag == entities[i - 1].tag().1
        });
        if !goes_on {
            groups.push(&entities[start..i]);
            start = i;
        }
    }
    groups.into_iter().map(|group| grouped(group, join)).collect()
}

fn grouped(group: &[Entity], join: &JoinTokens<'_>) -> Result<Entity> {
    let (first, last) = (&group[0], &group[group.len() - 1]);
    Ok(Entity {
        label: first.label.split_once('-').map_or(&*first.label, |(_, tag)| tag).to_owned(),
        score: group.iter().map(|entity| entity.score).sum::<f64>() / group.len() as f64,
        index: first.index,
        word: join(group.iter().map(|entity| entity.word.clone()).collect())?,
        place: (first.place.0, last.place.1),
    })
}

/// Of entities that two windows saw, the longer one, then the surer one.
fn without_overlaps(mut entities: Vec<Entity>) -> Vec<Entity> {
    entities.sort_by_key(|entity| entity.place.0);
    let mut kept: Vec<Entity> = Vec::new();
    for entity in entities {
        match kept.last_mut() {
            Some(before) if before.place.0 <= entity.place.0 && entity.place.0 < before.place.1 => {
                let length = |entity: &Entity| entity.place.1 - entity.place.0;
                if (length(&entity), entity.score) > (length(before), before.score) {
                    *before = entity;
                }
            }
            _ => kept.push(entity),
        }
    }
    kept
}

/// The place of the first of the largest.
fn largest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let sum = |label: usize| rows.iter().map(|row| row[label]).sum::<f64>();
    (0..rows[0].len()).map(|label| sum(label) / rows.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hyperparams;

    fn args(json: Value) -> TagArgs {
        TagArgs::from_json("transform", json.as_object().expect("an object")).expect("valid")
    }

    fn token(word: &str, start: usize, continues: bool, index: usize) -> TextToken {
        TextToken { word: word.to_owned(), place: (start, start + word.len()), index, continues }
    }

    /// "ab" and "##c" are a word, "d" is another.
    fn answer(args: &TagArgs, outputs: &[f32]) -> Value {
        let labels = ["O", "B-X", "I-X"].map(str::to_owned);
        let tokens = vec![token("ab", 0, false, 0), token("c", 2, true, 1), token("d", 4, false, 2)];
        args.answer(&labels, &[tokens], &[outputs.to_vec()], &|words| Ok(words.concat())).expect("works")
    }

    #[test]
    fn neighbours_of_one_kind_are_an_entity_until_another_begins() {
        let outputs = [0.0, 5.0, 0.0, 0.0, 0.0, 5.0, 0.0, 5.0, 0.0];
        let groups = answer(&args(json!({"aggregation_strategy": "simple"})), &outputs);
        let words: Vec<&str> =
            groups.as_array().expect("a list").iter().filter_map(|group| group["word"].as_str()).collect();
        assert_eq!(words, ["abc", "d"]);
        assert_eq!(groups[0]["entity_group"], "X");
    }

    #[test]
    fn the_tokens_of_a_word_share_a_label() {
        // The first token says I-X a little, the second O a lot.
        let outputs = [0.0, 0.0, 1.0, 6.0, 0.0, 0.0, 0.0, 0.0, 3.0];
        for (strategy, n) in [("first", 1), ("average", 1), ("max", 1), ("simple", 2), ("none", 2)] {
            let groups = answer(&args(json!({"aggregation_strategy": strategy})), &outputs);
            assert_eq!(groups.as_array().map(Vec::len), Some(n), "{strategy}: {groups}");
        }
    }

    #[test]
    fn windows_of_single_tokens_are_refused() {
        assert!(args(json!({"stride": 3})).check().is_err());
        assert!(args(json!({"stride": 3, "grouped_entities": true})).check().is_ok());
    }
}
