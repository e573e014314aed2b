//! What there is to train: the views `pgml.algorithms` and `pgml.hyperparams`.

use pgml_models::ALGORITHMS;
use pgrx::JsonB;
use pgrx::prelude::*;

type AlgorithmRows = TableIterator<
    'static,
    (name!(name, String), name!(tasks, Vec<String>), name!(source, String), name!(description, String)),
>;

#[pg_extern(sql = false)]
fn algorithms_table() -> AlgorithmRows {
    TableIterator::new(ALGORITHMS.iter().map(|a| {
        let tasks = a.tasks().iter().map(|t| t.name().to_owned()).collect();
        (a.name().to_owned(), tasks, a.source().to_owned(), a.description().to_owned())
    }))
}

type HyperparamRows = TableIterator<
    'static,
    (
        name!(algorithm, String),
        name!(name, String),
        name!(type_name, String),
        name!(default_value, JsonB),
        name!(range, Option<String>),
        name!(choices, Option<Vec<String>>),
        name!(aliases, Vec<String>),
        name!(has_effect, bool),
        name!(description, String),
    ),
>;

#[pg_extern(sql = false)]
fn hyperparams_table() -> HyperparamRows {
    let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<String>>();
    TableIterator::new(ALGORITHMS.iter().flat_map(move |a| {
        a.params().iter().map(move |p| {
            let range = Some(p.range.describe()).filter(|r| !r.is_empty());
            let choices = (!p.choices.is_empty()).then(|| owned(p.choices));
            let (algorithm, name, kind) = (a.name().to_owned(), p.name.to_owned(), p.kind.to_owned());
            let default = JsonB((p.default)());
            (algorithm, name, kind, default, range, choices, owned(p.aliases), !p.no_effect, p.doc.to_owned())
        })
    }))
}
