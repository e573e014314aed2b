//! Tables and requests made short.

use std::sync::{Arc, Mutex};

use pgml_core::run::{Level, Progress, Reporter};
use pgml_core::{
    Algorithm, MatrixRef, Predictor, Run, Sampling, Split, Table, TableColumn, Task, TrainRequest, Values,
};
use serde_json::{Map, Value};

pub fn number(name: &str, values: &[f64]) -> TableColumn {
    column(name, "float8", Values::Number(values.to_vec().into()))
}

pub fn real(name: &str, values: &[f32]) -> TableColumn {
    column(name, "float4", Values::Number(values.to_vec().into()))
}

/// NULL is `None`. Codes are dealt out in the order of appearance, as a loader does.
pub fn text(name: &str, values: &[Option<&str>]) -> TableColumn {
    let mut dictionary = vec![String::new()];
    let mut code = |value: &Option<&str>| {
        let Some(value) = value else { return 0 };
        let known = dictionary.iter().skip(1).position(|text| text == value);
        known.map_or_else(
            || {
                dictionary.push((*value).to_owned());
                dictionary.len() as u32 - 1
            },
            |place| place as u32 + 1,
        )
    };
    let codes = values.iter().map(&mut code).collect();
    column(name, "text", Values::Text { codes, dictionary })
}

pub fn array(name: &str, elements: &[&[f32]]) -> TableColumn {
    column(name, "float4", Values::Array(elements.iter().map(|e| e.to_vec().into()).collect()))
}

pub fn column(name: &str, pg_type: &str, values: Values) -> TableColumn {
    TableColumn { name: name.to_owned(), pg_type: pg_type.to_owned(), nullable: true, values }
}

pub fn table(columns: Vec<TableColumn>) -> Table {
    Table::new(columns).expect("columns of equal length")
}

pub fn object(json: Value) -> Map<String, Value> {
    json.as_object().expect("an object").clone()
}

pub fn request(algorithm: &'static dyn Algorithm, task: Task, labels: &[&str]) -> TrainRequest {
    TrainRequest::new(algorithm, task, labels)
}

/// The last `n` rows are held out; `n` is at least 2 or 0.
pub fn last(n: usize) -> Split {
    Split { test_size: n as f32, sampling: Sampling::Last }
}

/// The table with its rows in another order.
pub fn reordered(table: &Table, order: &[u32]) -> Table {
    let values = |values: &Values| match values {
        Values::Number(v) => Values::Number(v.select(order)),
        Values::Array(elements) => Values::Array(elements.iter().map(|e| e.select(order)).collect()),
        Values::Text { codes, dictionary } => Values::Text {
            codes: order.iter().map(|row| codes[*row as usize]).collect(),
            dictionary: dictionary.clone(),
        },
    };
    let column = |c: &TableColumn| TableColumn { values: values(&c.values), ..c.clone() };
    Table { columns: table.columns.iter().map(column).collect(), n_rows: order.len() }
}

pub fn predict(predictor: &Predictor, rows: &[f64]) -> Vec<f64> {
    let rows = MatrixRef::new(rows, predictor.n_raw_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows() * predictor.n_outputs()];
    predictor.predict(rows, &mut out).expect("a prediction");
    out
}

/// The rows as the model sees them; the model is an echo.
pub fn seen(predictor: &Predictor, rows: &[f64]) -> Vec<f64> {
    let rows = MatrixRef::new(rows, predictor.n_raw_features()).expect("whole rows");
    let mut out = vec![0.0; rows.n_rows() * predictor.n_components()];
    predictor.transform(rows, &mut out).expect("components");
    out
}

/// Remembers what the user is told.
#[derive(Default)]
pub struct Heard(pub Mutex<Vec<(Level, String)>>);

impl Reporter for Heard {
    fn progress(&self, _: Progress) {}
    fn message(&self, level: Level, text: &str) {
        self.0.lock().expect("one thread").push((level, text.to_owned()));
    }
}

/// A run whose messages can be read.
pub fn listening() -> (Run, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    (Run::new().with_reporter(Arc::clone(&heard) as Arc<dyn Reporter>), heard)
}

impl Heard {
    pub fn texts(&self) -> Vec<String> {
        self.0.lock().expect("one thread").iter().map(|(_, text)| text.clone()).collect()
    }
}
