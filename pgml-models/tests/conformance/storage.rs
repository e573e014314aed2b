//! A stored model comes back as it was, and a damaged one is refused.

use pgml_core::parts::ArrayData;
use pgml_core::{ErrorKind, Model, Parts};

use crate::data;
use crate::determinism::expect_same_parts;
use crate::subject::{Answers, Finding, Subject, unless_refused};

pub fn a_stored_model_predicts_the_same_bits(subject: &Subject) -> Finding {
    let data = data::small(subject.task);
    let model = subject.fit(&data)?;
    let parts = model.encode().map_err(|e| format!("cannot encode: {e}"))?;
    let back = subject.algorithm.decode(&parts).map_err(|e| format!("cannot decode: {e}"))?;
    if shape(&*model) != shape(&*back) {
        return Err(format!("shape {:?} comes back as {:?}", shape(&*model), shape(&*back)));
    }
    let rows = data.to_rows();
    let answers = |model: &dyn Model| Answers::of(model, &rows).map_err(|e| format!("cannot predict: {e}"));
    answers(&*model)?.expect_same(&answers(&*back)?)?;
    expect_same_parts(&parts, &back.encode().map_err(|e| format!("cannot encode again: {e}"))?)?;
    if model.own_metrics() != back.own_metrics() {
        return Err("its own metrics differ when it comes back".to_owned());
    }
    Ok(())
}

fn shape(model: &dyn Model) -> (usize, usize, Option<usize>, Option<usize>) {
    let n_classes = model.classifier().map(pgml_core::Classifier::n_classes);
    let n_components = model.transformer().map(pgml_core::Transform::n_components);
    (model.n_features(), model.n_outputs(), n_classes, n_components)
}

pub fn a_damaged_model_is_refused_or_harmless(subject: &Subject) -> Finding {
    let data = data::small(subject.task);
    let parts = subject.fit(&data)?.encode().map_err(|e| format!("cannot encode: {e}"))?;
    if subject.algorithm.decode(&Parts::new()).is_ok() {
        return Err("decodes a model from nothing".to_owned());
    }
    for (damage, damaged) in damages(&parts) {
        let decoded = unless_refused(subject.algorithm.decode(&damaged), &[ErrorKind::Corrupted]);
        if let Some(model) = decoded.map_err(|e| format!("{damage}: {e}"))? {
            // It may refuse here too; what counts is that nothing panics.
            let rows = vec![0.5; 3 * model.n_features()];
            let _ = Answers::of(&*model, &rows);
        }
    }
    Ok(())
}

/// Each array missing, short, and with its first value replaced by the greatest; each other value missing or text.
fn damages(parts: &Parts) -> Vec<(String, Parts)> {
    let mut damages = Vec::new();
    for name in parts.arrays.keys() {
        let mut missing = parts.clone();
        missing.arrays.remove(name);
        damages.push((format!("without array \"{name}\""), missing));
        for (what, harm) in [("short", shorten as fn(&mut ArrayData)), ("wild", exaggerate)] {
            let mut harmed = parts.clone();
            if let Some(array) = harmed.arrays.get_mut(name) {
                harm(&mut array.data);
            }
            damages.push((format!("with {what} array \"{name}\""), harmed));
        }
    }
    for name in parts.meta.keys() {
        let mut missing = parts.clone();
        missing.meta.remove(name);
        damages.push((format!("without value \"{name}\""), missing));
        let mut mistyped = parts.clone();
        mistyped.meta.insert(name.clone(), serde_json::json!({"no": "such form"}));
        damages.push((format!("with mistyped value \"{name}\""), mistyped));
    }
    damages
}

fn shorten(data: &mut ArrayData) {
    change(data, |len| len.saturating_sub(1), false);
}

fn exaggerate(data: &mut ArrayData) {
    change(data, |len| len, true);
}

fn change(data: &mut ArrayData, len: fn(usize) -> usize, wild: bool) {
    macro_rules! change {
        ($values:ident, $greatest:expr) => {{
            let mut changed = $values[..len($values.len())].to_vec();
            changed.iter_mut().take(usize::from(wild)).for_each(|x| *x = $greatest);
            *$values = changed.into();
        }};
    }
    match data {
        ArrayData::F32(v) => change!(v, f32::MAX),
        ArrayData::F64(v) => change!(v, f64::MAX),
        ArrayData::I32(v) => change!(v, i32::MAX),
        ArrayData::U32(v) => change!(v, u32::MAX),
        ArrayData::U64(v) => change!(v, u64::MAX),
        ArrayData::U8(v) => change!(v, u8::MAX),
    }
}
