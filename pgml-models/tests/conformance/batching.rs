//! A row's prediction does not depend on the rows it comes with, nor on who else is asking.

use pgml_core::Model;

use crate::data;
use crate::subject::{Answers, Finding, Subject};

pub fn a_batch_is_predicted_as_its_rows(subject: &Subject) -> Finding {
    let data = data::small(subject.task);
    let model = subject.fit(&data)?;
    let rows = data.to_rows();
    let whole = answers(&*model, &rows)?;
    for rows_at_once in [1, 7, 64] {
        let mut pieces: Vec<Answers> = Vec::new();
        for piece in rows.chunks(rows_at_once * model.n_features()) {
            pieces.push(answers(&*model, piece)?);
        }
        whole.expect_same(&joined(&pieces)).map_err(|e| format!("{rows_at_once} rows at once: {e}"))?;
    }
    Ok(())
}

pub fn no_rows_are_predicted_as_nothing(subject: &Subject) -> Finding {
    let nothing = answers(&*subject.fit(&data::small(subject.task))?, &[])?;
    if nothing.parts.iter().any(|(_, values)| !values.is_empty()) {
        return Err("values for no rows".to_owned());
    }
    Ok(())
}

pub fn threads_share_a_model(subject: &Subject) -> Finding {
    let data = data::small(subject.task);
    let model = subject.fit(&data)?;
    let rows = data.to_rows();
    let alone = answers(&*model, &rows)?;
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..4).map(|_| scope.spawn(|| answers(&*model, &rows)?.expect_same(&alone))).collect();
        askers.into_iter().try_for_each(|asker| asker.join().map_err(|_| "panicked in a thread".to_owned())?)
    })
}

fn answers(model: &dyn Model, rows: &[f64]) -> Result<Answers, String> {
    Answers::of(model, rows).map_err(|e| format!("cannot predict: {e}"))
}

fn joined(pieces: &[Answers]) -> Answers {
    let mut parts = pieces[0].parts.clone();
    for piece in &pieces[1..] {
        parts.iter_mut().zip(&piece.parts).for_each(|(all, more)| all.1.extend_from_slice(&more.1));
    }
    Answers { parts }
}
