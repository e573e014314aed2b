//! `fill-mask`: which words could stand in a gap (Devlin et al. 2019).

use std::sync::Arc;

use pgml_core::text::{FillArgs, Question, TextPipeline, Tokens};
use pgml_core::{Error, ErrorKind, Hyperparams, Result, Run, bail};
use serde_json::{Map, Value, json};

use super::headed::{Aim, Headed};
use super::pipelines::Folder;
use super::reader::Reader;
use crate::transformers::HeadKind;

const AIM: Aim = Aim { head: Some(HeadKind::Words), what: "fill masks" };

/// A checkpoint of a masked language model.
pub struct Filler {
    model: Headed,
    reader: Arc<Reader>,
    mask: u32,
    padding: Option<u32>,
}

impl Filler {
    /// Reads the model.
    ///
    /// # Errors
    /// See [`load_pipeline`](super::load_pipeline).
    pub fn load(from: &Folder<'_>) -> Result<Self> {
        let reader = Reader::load(from.folder)?;
        let Some(mask) = reader.special("mask_token", &["[MASK]", "<mask>"]) else {
            bail!(NotSupported, "the model's tokenizer has no mask_token to fill");
        };
        let padding = reader.special("pad_token", &["[PAD]", "<pad>"]);
        Ok(Self { model: from.headed(AIM)?, reader: Arc::new(reader), mask, padding })
    }

    /// The ids of the words to choose among, each once.
    fn targets(&self, args: &FillArgs) -> Result<Option<Vec<u32>>> {
        let Some(words) = args.targets()? else { return Ok(None) };
        let mut ids = Vec::new();
        for word in words {
            let id = match self.reader.id(word) {
                Some(id) => Some(id),
                None => self.reader.plain(word)?.get_ids().first().copied(),
            };
            ids.extend(id);
        }
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            bail!(InvalidParameter, "none of the targets has a token");
        }
        Ok(Some(ids))
    }

    fn no_mask(&self) -> Error {
        let mask = self.reader.text(&[self.mask], false).unwrap_or_default();
        Error::new(ErrorKind::InvalidData, format!("the text has no {mask}"))
            .with_hint(format!("write {mask} where a word is to be found"))
    }
}

/// What fills one mask.
struct Filling<'a> {
    reader: &'a Reader,
    /// The text's tokens.
    ids: &'a [u32],
    padding: Option<u32>,
    /// Whether it is the text's only mask.
    is_only: bool,
}

impl Filling<'_> {
    fn json(&self, place: usize, (id, score): (u32, f64)) -> Result<Value> {
        let mut ids = self.ids.to_vec();
        ids[place] = id;
        ids.retain(|id| Some(*id) != self.padding);
        // Other masks are special tokens too: they stay to be seen.
        let sequence = self.reader.text(&ids, self.is_only)?;
        Ok(json!({"score": score, "token": id, "token_str": self.reader.text(&[id], false)?, "sequence": sequence}))
    }
}

impl TextPipeline for Filler {
    fn ask(&self, input: &str, args: &Map<String, Value>) -> Result<Question> {
        let args = FillArgs::from_json("transform", args)?;
        let targets = self.targets(&args)?;
        let tokens = match args.truncates() {
            true => self.reader.first(input, self.model.max_tokens())?,
            false => self.reader.limited(input, self.model.most_tokens())?,
        };
        let places: Vec<usize> = (0..tokens.len()).filter(|i| tokens.ids[*i] == self.mask).collect();
        if places.is_empty() {
            return Err(self.no_mask());
        }
        let (reader, padding, ids) = (Arc::clone(&self.reader), self.padding, tokens.ids.clone());
        let answer = move |outputs: Vec<Vec<f32>>| {
            let scores = outputs.first().map(Vec::as_slice).unwrap_or_default();
            let vocabulary = scores.len() / places.len();
            let filling = Filling { reader: &reader, ids: &ids, padding, is_only: places.len() == 1 };
            let words = |(i, place): (usize, &usize)| -> Result<Value> {
                let best = args.best(&scores[i * vocabulary..(i + 1) * vocabulary], targets.as_deref());
                best.into_iter().map(|word| filling.json(*place, word)).collect()
            };
            let mut answers = places.iter().enumerate().map(words).collect::<Result<Vec<Value>>>()?;
            Ok(if answers.len() == 1 { answers.remove(0) } else { answers.into() })
        };
        Ok(Question::new(vec![tokens], answer))
    }

    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        self.model.outputs_at(batch, |id| id == self.mask, run)
    }
}
