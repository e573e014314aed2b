//! Vector arithmetic on `real[]` (functions ending in `_s`) and `double precision[]` (`_d`).

use pgml_core::{Result, vector};
use pgrx::prelude::*;

use crate::array::{ArrayArg, ArrayOut, Element};
use crate::report::{SqlResult, sql};

/// `op(vector[i], scalar)`.
fn with_scalar<T: Element + vector::Real>(
    vector: ArrayArg<'_, T>,
    scalar: T,
    op: impl Fn(T, T) -> T,
) -> SqlResult<ArrayOut<T>> {
    sql(|| {
        let values = vector.values()?;
        ArrayOut::build(values.len(), |out| {
            vector::with_scalar(values, scalar, out, op);
            Ok(())
        })
    })
}

/// `op(vector[i], other[i])`.
fn with_vector<T: Element + vector::Real>(
    vector: ArrayArg<'_, T>,
    other: ArrayArg<'_, T>,
    op: impl Fn(T, T) -> T,
) -> SqlResult<ArrayOut<T>> {
    sql(|| {
        let (values, others) = (vector.values()?, other.values()?);
        vector::same_length(values, others)?;
        ArrayOut::build(values.len(), |out| {
            vector::with_vector(values, others, out, op);
            Ok(())
        })
    })
}

/// Each element divided by a norm of the vector.
fn normalize<T: Element + vector::Real>(vector: ArrayArg<'_, T>, norm: fn(&[T]) -> T) -> SqlResult<ArrayOut<T>> {
    sql(|| {
        let values = vector.values()?;
        ArrayOut::build(values.len(), |out| {
            vector::normalize(values, norm(values), out);
            Ok(())
        })
    })
}

/// One number from two vectors.
fn compare<T: Element>(
    vector: ArrayArg<'_, T>,
    other: ArrayArg<'_, T>,
    measure: fn(&[T], &[T]) -> Result<T>,
) -> SqlResult<T> {
    sql(|| measure(vector.values()?, other.values()?))
}

macro_rules! arithmetic {
    ($($scalar:ident, $vector:ident: $float:ty = $op:tt;)+) => {$(
        #[pg_extern(sql = false)]
        fn $scalar(vector: ArrayArg<'_, $float>, scalar: $float) -> SqlResult<ArrayOut<$float>> {
            with_scalar(vector, scalar, |x, y| x $op y)
        }

        #[pg_extern(sql = false)]
        fn $vector(vector: ArrayArg<'_, $float>, other: ArrayArg<'_, $float>) -> SqlResult<ArrayOut<$float>> {
            with_vector(vector, other, |x, y| x $op y)
        }
    )+};
}

arithmetic! {
    add_scalar_s, add_vector_s: f32 = +;
    add_scalar_d, add_vector_d: f64 = +;
    subtract_scalar_s, subtract_vector_s: f32 = -;
    subtract_scalar_d, subtract_vector_d: f64 = -;
    multiply_scalar_s, multiply_vector_s: f32 = *;
    multiply_scalar_d, multiply_vector_d: f64 = *;
    divide_scalar_s, divide_vector_s: f32 = /;
    divide_scalar_d, divide_vector_d: f64 = /;
}

macro_rules! norms {
    ($($name:ident: $float:ty = $norm:path;)+) => {$(
        #[pg_extern(sql = false)]
        fn $name(vector: ArrayArg<'_, $float>) -> SqlResult<$float> {
            sql(|| Ok($norm(vector.values()?)))
        }
    )+};
}

norms! {
    norm_l0_s: f32 = vector::norm_l0;
    norm_l0_d: f64 = vector::norm_l0;
    norm_l1_s: f32 = vector::norm_l1;
    norm_l1_d: f64 = vector::norm_l1;
    norm_l2_s: f32 = vector::norm_l2;
    norm_l2_d: f64 = vector::norm_l2;
    norm_max_s: f32 = vector::norm_max;
    norm_max_d: f64 = vector::norm_max;
}

macro_rules! normalizations {
    ($($name:ident: $float:ty = $norm:path;)+) => {$(
        #[pg_extern(sql = false)]
        fn $name(vector: ArrayArg<'_, $float>) -> SqlResult<ArrayOut<$float>> {
            normalize(vector, $norm)
        }
    )+};
}

normalizations! {
    normalize_l1_s: f32 = vector::norm_l1;
    normalize_l1_d: f64 = vector::norm_l1;
    normalize_l2_s: f32 = vector::norm_l2;
    normalize_l2_d: f64 = vector::norm_l2;
    normalize_max_s: f32 = vector::norm_max;
    normalize_max_d: f64 = vector::norm_max;
}

macro_rules! measures {
    ($($name:ident: $float:ty = $measure:path;)+) => {$(
        #[pg_extern(sql = false)]
        fn $name(vector: ArrayArg<'_, $float>, other: ArrayArg<'_, $float>) -> SqlResult<$float> {
            compare(vector, other, $measure)
        }
    )+};
}

measures! {
    distance_l1_s: f32 = vector::distance_l1;
    distance_l1_d: f64 = vector::distance_l1;
    distance_l2_s: f32 = vector::distance_l2;
    distance_l2_d: f64 = vector::distance_l2;
    dot_product_s: f32 = vector::dot_product;
    dot_product_d: f64 = vector::dot_product;
    cosine_similarity_s: f32 = vector::cosine_similarity;
    cosine_similarity_d: f64 = vector::cosine_similarity;
}
