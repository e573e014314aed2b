//! Same input and same seed give the same bytes, however many threads work.

use pgml_core::parts::{Array, ArrayData};
use pgml_core::{Parts, Run};
use serde_json::Map;

use crate::data;
use crate::subject::{Finding, Subject};

pub fn same_seed_gives_the_same_bytes(subject: &Subject) -> Finding {
    expect_same_parts(&stored(subject, 1)?, &stored(subject, 1)?)
}

pub fn two_threads_give_the_bytes_of_one(subject: &Subject) -> Finding {
    expect_same_parts(&stored(subject, 1)?, &stored(subject, 2)?)
}

fn stored(subject: &Subject, threads: usize) -> Result<Parts, String> {
    let run = Run::new().with_seed(11).with_threads(threads);
    let model = subject.fit_with(&Map::new(), &data::synthetic(subject.task, 500, 6), &run);
    model.and_then(|model| model.encode()).map_err(|e| e.to_string())
}

/// Complains about the first array or value that is not the same to the bit.
pub fn expect_same_parts(a: &Parts, b: &Parts) -> Finding {
    if !a.arrays.keys().eq(b.arrays.keys()) {
        return Err(format!("stored arrays {:?} and {:?}", a.arrays.keys(), b.arrays.keys()));
    }
    for ((name, mine), theirs) in a.arrays.iter().zip(b.arrays.values()) {
        if mine.shape != theirs.shape || bytes(mine) != bytes(theirs) {
            return Err(format!("stored array \"{name}\" differs"));
        }
    }
    if a.meta != b.meta {
        return Err(format!("stored values differ: {:?} and {:?}", a.meta, b.meta));
    }
    Ok(())
}

fn bytes(array: &Array) -> Vec<u8> {
    match &array.data {
        ArrayData::F32(v) => v.as_bytes().to_vec(),
        ArrayData::F64(v) => v.as_bytes().to_vec(),
        ArrayData::I32(v) => v.as_bytes().to_vec(),
        ArrayData::U32(v) => v.as_bytes().to_vec(),
        ArrayData::U64(v) => v.as_bytes().to_vec(),
        ArrayData::U8(v) => v.to_vec(),
    }
}
