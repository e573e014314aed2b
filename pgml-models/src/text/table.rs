//! `table-question-answering`: which cells of a table answer a question, and what is to be done with them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use pgml_core::text::{Answer, Question, TableArgs, TableQuestion, TableToken, TextPipeline, Tokens};
use pgml_core::{Hyperparams, Result, Run};
use serde_json::{Map, Value, json};

use super::headed::{Aim, Headed};
use super::pipelines::Folder;
use super::read_json_if_there;
use super::table_tokens::TableReader;
use crate::transformers::{HeadKind, only};

const AIM: Aim = Aim { head: Some(HeadKind::Cells), what: "answer questions about tables" };

/// A checkpoint of TAPAS (Herzig et al. 2020).
pub struct TableAnswerer {
    model: Headed,
    reader: TableReader,
    choice: Arc<Choice>,
}

/// How cells are chosen.
struct Choice {
    /// Rows and columns from there on count as one.
    last: (u32, u32),
    /// Whether no column may answer.
    may_be_empty: bool,
    /// What may be done with cells, by number, and whether its name stands before the answer.
    aggregators: Vec<(String, bool)>,
}

impl TableAnswerer {
    /// Reads the model.
    ///
    /// # Errors
    /// See [`load_pipeline`](super::load_pipeline).
    pub fn load(from: &Folder<'_>) -> Result<Self> {
        let tokenizer: Value = read_json_if_there(&from.folder.join("tokenizer_config.json"))?.unwrap_or_default();
        only(&tokenizer, "cell_trim_length", &[json!(-1)])?;
        only(&tokenizer, "strip_column_names", &[json!(false)])?;
        only(&tokenizer, "max_question_length", &[])?;
        only(&tokenizer, "min_question_length", &[])?;
        let model = from.headed(AIM)?;
        let limit = |key: &str| tokenizer.get(key).and_then(Value::as_u64).map(|n| n as usize);
        let most = model.max_tokens().unwrap_or(usize::MAX);
        let limits = [most, limit("max_column_id").unwrap_or(most), limit("max_row_id").unwrap_or(most)];
        Ok(Self {
            reader: TableReader::load(from.folder, limits)?,
            choice: Arc::new(Choice::read(&from.config)),
            model,
        })
    }
}

impl Choice {
    fn read(config: &Value) -> Self {
        let number = |key: &str| config.get(key).and_then(Value::as_u64);
        let size = |key: &str, usual| number(key).unwrap_or(usual).clamp(1, 1 << 16) as u32 - 1;
        let names = config.get("aggregation_labels").and_then(Value::as_object);
        let n = names.map_or(0, Map::len).min(number("num_aggregation_labels").unwrap_or(0) as usize);
        let name = |i: usize| names.and_then(|names| names.get(&i.to_string())).and_then(Value::as_str).unwrap_or("");
        let none = number("no_aggregation_label_index").map(|i| i as usize);
        Self {
            last: (size("max_num_rows", 64), size("max_num_columns", 32)),
            may_be_empty: config.get("allow_empty_column_selection").and_then(Value::as_bool).unwrap_or(false),
            aggregators: (0..n).map(|i| (name(i).to_owned(), Some(i) != none)).collect(),
        }
    }

    /// The cells that answer, rows and columns from 0: those of the best column that are rather in than out. `outputs` holds
    /// for each token the scores of its cell and of its column.
    fn cells(&self, cells: &[TableToken], outputs: &[f32]) -> Vec<(usize, usize)> {
        let shared = |cell: &TableToken| (cell.column.min(self.last.1), cell.row.min(self.last.0));
        let mut means: BTreeMap<(u32, u32), (f64, f64, f64)> = BTreeMap::new();
        for (cell, scores) in cells.iter().zip(outputs.chunks_exact(2)) {
            let sum = means.entry(shared(cell)).or_default();
            *sum = (sum.0 + f64::from(scores[0]), sum.1 + f64::from(scores[1]), sum.2 + 1.0);
        }
        let mut columns: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
        for ((column, _), (_, score, n)) in &means {
            let sum = columns.entry(*column).or_default();
            *sum = (sum.0 + score / n, sum.1 + 1.0);
        }
        if !self.may_be_empty {
            columns.remove(&0);
        }
        let mean = |(sum, n): (f64, f64)| sum / n;
        let best = columns.into_iter().max_by(|a, b| mean(a.1).total_cmp(&mean(b.1)).then(b.0.cmp(&a.0)));
        let best = best.map_or(0, |(column, _)| column);
        let answers = |cell: &&TableToken| {
            let (column, _) = shared(cell);
            column != 0 && column == best && cell.row > 0 && means.get(&shared(cell)).is_some_and(|sum| sum.0 > 0.0)
        };
        let mut chosen: Vec<(usize, usize)> = cells.iter().filter(answers).map(place).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    /// The name of the best of `scores`, and whether it stands before the answer.
    fn aggregator(&self, scores: &[f32]) -> Option<(&str, bool)> {
        let best = (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
        self.aggregators.get(best).map(|(name, shown)| (name.as_str(), *shown))
    }
}

impl TextPipeline for TableAnswerer {
    fn ask(&self, input: &str, args: &Map<String, Value>) -> Result<Question> {
        let args = TableArgs::from_json("transform", args)?;
        let asked = TableQuestion::read(input)?;
        let table = self.reader.table(&asked)?;
        let mut sequences: VecDeque<Tokens> =
            asked.queries.iter().map(|query| self.reader.question(query, &table)).collect::<Result<_>>()?;
        let conversation = Conversation { asked, choice: Arc::clone(&self.choice), answers: Vec::new() };
        if args.sequential
            && let Some(first) = sequences.pop_front()
        {
            return Ok(conversation.go_on(first, sequences, &[]));
        }
        Ok(conversation.at_once(sequences.into()))
    }

    fn compute(&self, batch: &[&Tokens], run: &Run) -> Result<Vec<Vec<f32>>> {
        self.model.outputs(batch, run)
    }
}

/// Questions about one table, and the answers so far.
struct Conversation {
    asked: TableQuestion,
    choice: Arc<Choice>,
    answers: Vec<Value>,
}

impl Conversation {
    /// Asks all questions, none of which knows the answer to another.
    fn at_once(mut self, sequences: Vec<Tokens>) -> Question {
        let cells: Vec<Vec<TableToken>> = sequences.iter().map(|tokens| tokens.cells.clone()).collect();
        Question::new(sequences, move |outputs| {
            for (cells, outputs) in cells.iter().zip(&outputs) {
                self.hear(cells, outputs);
            }
            Ok(self.end())
        })
    }

    /// Asks a question that knows which cells answered the `earlier` one, and then those that are `left`, as in Herzig et al.
    /// (2020).
    fn go_on(mut self, mut tokens: Tokens, mut left: VecDeque<Tokens>, earlier: &[(usize, usize)]) -> Question {
        for cell in tokens.cells.iter_mut().filter(|cell| cell.row > 0 && cell.column > 0) {
            cell.answered = u32::from(earlier.contains(&place(cell)));
        }
        let cells = tokens.cells.clone();
        let then = move |outputs: Vec<Vec<f32>>| {
            let chosen = self.hear(&cells, outputs.first().map(Vec::as_slice).unwrap_or_default());
            Ok(match left.pop_front() {
                Some(next) => Answer::Depends(self.go_on(next, left, &chosen)),
                None => Answer::Known(self.end()),
            })
        };
        Question { sequences: vec![tokens], then: Box::new(then) }
    }

    /// Notes the answer to a question, and says which cells are in it.
    fn hear(&mut self, cells: &[TableToken], outputs: &[f32]) -> Vec<(usize, usize)> {
        let (of_tokens, aggregation) = outputs.split_at((2 * cells.len()).min(outputs.len()));
        let chosen = self.choice.cells(cells, of_tokens);
        self.answers.push(self.asked.answer(&chosen, self.choice.aggregator(aggregation)));
        chosen
    }

    /// The answer to one question, or the list of several.
    fn end(mut self) -> Value {
        if self.answers.len() == 1 { self.answers.remove(0) } else { self.answers.into() }
    }
}

/// The row and the column of a cell, from 0.
fn place(cell: &TableToken) -> (usize, usize) {
    (cell.row as usize - 1, cell.column as usize - 1)
}
