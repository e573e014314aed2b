//! Vectors of floats: element-wise arithmetic, norms, distances, similarity, and the steps of element-wise aggregates.
//!
//! Sums run in [`LANES`] independent partial sums, which the compiler turns into vector instructions and which also
//! loses fewer digits than one running sum. Division by zero gives infinity or NaN, never an error.

use std::ops::{Add, Div, Mul, Sub};

use crate::{Error, ErrorKind, Result};

/// Partial sums per reduction.
const LANES: usize = 16;

/// `f32` or `f64`.
pub trait Real:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + std::fmt::Debug
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The absolute value.
    #[must_use]
    fn abs(self) -> Self;
    /// The square root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// Whether it is no number.
    fn is_nan(self) -> bool;
    /// Whether it is neither zero, subnormal, infinite nor NaN.
    fn is_normal(self) -> bool;
    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

macro_rules! real {
    ($($float:ident),+) => {$(
        impl Real for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            #[inline]
            fn abs(self) -> Self { $float::abs(self) }
            #[inline]
            fn sqrt(self) -> Self { $float::sqrt(self) }
            #[inline]
            fn is_nan(self) -> bool { $float::is_nan(self) }
            #[inline]
            fn is_normal(self) -> bool { $float::is_normal(self) }
            #[inline]
            fn is_finite(self) -> bool { $float::is_finite(self) }
        }
    )+};
}
real!(f32, f64);

/// Fails when two vectors differ in length.
///
/// # Errors
/// [`ErrorKind::WrongDimension`], naming both lengths.
pub fn same_length<T>(vector: &[T], other: &[T]) -> Result<()> {
    if vector.len() == other.len() {
        return Ok(());
    }
    let message = format!("vectors differ in length: {} and {} elements", vector.len(), other.len());
    Err(Error::new(ErrorKind::WrongDimension, message))
}

/// `op(vector[i], scalar)` for every element; `out` has the vector's length.
pub fn with_scalar<T: Real>(vector: &[T], scalar: T, out: &mut [T], op: impl Fn(T, T) -> T) {
    for (out, x) in out.iter_mut().zip(vector) {
        *out = op(*x, scalar);
    }
}

/// `op(vector[i], other[i])` for every element; all three have one length.
pub fn with_vector<T: Real>(vector: &[T], other: &[T], out: &mut [T], op: impl Fn(T, T) -> T) {
    for ((out, x), y) in out.iter_mut().zip(vector).zip(other) {
        *out = op(*x, *y);
    }
}

/// The number of elements that are not zero.
pub fn norm_l0<T: Real>(vector: &[T]) -> T {
    sum_by(vector, |x| if x == T::ZERO { T::ZERO } else { T::ONE })
}

/// The sum of absolute values.
pub fn norm_l1<T: Real>(vector: &[T]) -> T {
    sum_by(vector, T::abs)
}

/// The Euclidean norm. Squares that overflow or vanish are avoided by scaling.
pub fn norm_l2<T: Real>(vector: &[T]) -> T {
    let squares = sum_by(vector, |x| x * x);
    if squares.is_normal() {
        return squares.sqrt();
    }
    match norm_max(vector) {
        scale if scale == T::ZERO || !scale.is_finite() => scale,
        scale => sum_by(vector, |x| (x / scale) * (x / scale)).sqrt() * scale,
    }
}

/// The largest absolute value; 0 of an empty vector, NaN when an element is.
pub fn norm_max<T: Real>(vector: &[T]) -> T {
    vector.iter().fold(T::ZERO, |most, x| larger(most, x.abs()))
}

/// Each element divided by `norm`; a zero vector gives NaN.
pub fn normalize<T: Real>(vector: &[T], norm: T, out: &mut [T]) {
    with_scalar(vector, norm, out, |x, norm| x / norm);
}

/// The sum of absolute differences.
///
/// # Errors
/// As [`same_length`].
pub fn distance_l1<T: Real>(vector: &[T], other: &[T]) -> Result<T> {
    same_length(vector, other)?;
    Ok(sum_pairs(vector, other, |x, y| (x - y).abs()))
}

/// The Euclidean distance.
///
/// # Errors
/// As [`same_length`].
pub fn distance_l2<T: Real>(vector: &[T], other: &[T]) -> Result<T> {
    same_length(vector, other)?;
    let squares = sum_pairs(vector, other, |x, y| (x - y) * (x - y));
    if squares.is_normal() {
        return Ok(squares.sqrt());
    }
    let differences: Vec<T> = vector.iter().zip(other).map(|(x, y)| *x - *y).collect();
    Ok(norm_l2(&differences))
}

/// The sum of products.
///
/// # Errors
/// As [`same_length`].
pub fn dot_product<T: Real>(vector: &[T], other: &[T]) -> Result<T> {
    same_length(vector, other)?;
    Ok(sum_pairs(vector, other, |x, y| x * y))
}

/// The cosine of the angle between two vectors; NaN when one of them is zero.
///
/// # Errors
/// As [`same_length`].
pub fn cosine_similarity<T: Real>(vector: &[T], other: &[T]) -> Result<T> {
    same_length(vector, other)?;
    let (dot, squares, other_squares) = products(vector, other);
    if squares.is_normal() && other_squares.is_normal() && dot.is_finite() {
        return Ok(dot / (squares.sqrt() * other_squares.sqrt()));
    }
    let unit = |v: &[T]| {
        let norm = norm_l2(v);
        v.iter().map(|x| *x / norm).collect::<Vec<T>>()
    };
    Ok(sum_pairs(&unit(vector), &unit(other), |x, y| x * y))
}

/// The larger of two numbers in PostgreSQL's order, in which NaN is larger than every number.
#[inline]
pub fn larger<T: Real>(x: T, y: T) -> T {
    if x.is_nan() || x > y { x } else { y }
}

/// The smaller of two numbers in PostgreSQL's order, in which NaN is larger than every number.
#[inline]
pub fn smaller<T: Real>(x: T, y: T) -> T {
    if y.is_nan() || x < y { x } else { y }
}

/// One step of an element-wise aggregate: `state[i] = op(state[i], row[i])`.
///
/// # Errors
/// [`ErrorKind::WrongDimension`] when the row is not as long as the rows before it.
pub fn accumulate<T: Real>(state: &mut [T], row: &[T], op: impl Fn(T, T) -> T) -> Result<()> {
    if state.len() != row.len() {
        let message = format!("cannot aggregate an array of {} elements with arrays of {}", row.len(), state.len());
        return Err(Error::new(ErrorKind::WrongDimension, message).with_hint("all rows of a group need one length"));
    }
    for (state, x) in state.iter_mut().zip(row) {
        *state = op(*state, *x);
    }
    Ok(())
}

fn sum_by<T: Real>(vector: &[T], term: impl Fn(T) -> T) -> T {
    let (chunks, rest) = vector.as_chunks::<LANES>();
    let mut sums = [T::ZERO; LANES];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum = *sum + term(*x);
        }
    }
    fold(&sums) + rest.iter().fold(T::ZERO, |sum, x| sum + term(*x))
}

fn sum_pairs<T: Real>(vector: &[T], other: &[T], term: impl Fn(T, T) -> T) -> T {
    let (chunks, rest) = vector.as_chunks::<LANES>();
    let (other_chunks, other_rest) = other.as_chunks::<LANES>();
    let mut sums = [T::ZERO; LANES];
    for (chunk, other) in chunks.iter().zip(other_chunks) {
        for ((sum, x), y) in sums.iter_mut().zip(chunk).zip(other) {
            *sum = *sum + term(*x, *y);
        }
    }
    fold(&sums) + rest.iter().zip(other_rest).fold(T::ZERO, |sum, (x, y)| sum + term(*x, *y))
}

/// `(Σ xy, Σ x², Σ y²)` in one pass over memory.
fn products<T: Real>(vector: &[T], other: &[T]) -> (T, T, T) {
    const HALF: usize = LANES / 2;
    let (chunks, rest) = vector.as_chunks::<HALF>();
    let (other_chunks, other_rest) = other.as_chunks::<HALF>();
    let (mut xy, mut xx, mut yy) = ([T::ZERO; HALF], [T::ZERO; HALF], [T::ZERO; HALF]);
    for (x, y) in chunks.iter().zip(other_chunks) {
        for i in 0..HALF {
            xy[i] = xy[i] + x[i] * y[i];
            xx[i] = xx[i] + x[i] * x[i];
            yy[i] = yy[i] + y[i] * y[i];
        }
    }
    let tail = rest
        .iter()
        .zip(other_rest)
        .fold((T::ZERO, T::ZERO, T::ZERO), |(xy, xx, yy), (x, y)| (xy + *x * *y, xx + *x * *x, yy + *y * *y));
    (fold(&xy) + tail.0, fold(&xx) + tail.1, fold(&yy) + tail.2)
}

fn fold<T: Real>(sums: &[T]) -> T {
    sums.iter().fold(T::ZERO, |sum, x| sum + *x)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// PostgresML's own test vectors and tolerances.
    #[test]
    fn postgresml_vectors_hold() {
        assert!((norm_l2(&[1.0_f32, 2.0, 3.0]) - 3.741_657_5).abs() <= 3e-7);
        assert!((norm_l2(&[1.0_f64, 2.0, 3.0]) - 3.741_657_386_773_941_3).abs() <= 5e-16);
        let cosine = cosine_similarity(&[1.0_f64, 2.0, 3.0], &[2.0, 3.0, 4.0]).expect("one length");
        assert!((cosine - 0.992_583_333_970_930_3).abs() <= 5e-16, "{cosine}");
        let cosine = cosine_similarity(&[1.0_f32, 2.0, 3.0], &[2.0, 3.0, 4.0]).expect("one length");
        assert!((cosine - 0.992_583_33).abs() <= 3e-7, "{cosine}");
        let (a, b) = ([1.0_f64, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
        let cosine = cosine_similarity(&a, &b).expect("one length");
        assert!((cosine - 0.447_213_595_499_957_9).abs() <= 5e-16, "{cosine}");
        assert_eq!(norm_max(&[1.0_f32, 2.0, 3.0, -4.0]), 4.0);
        assert_eq!(dot_product(&[1.0_f32, 2.0, 3.0], &[2.0, 3.0, 4.0]), Ok(20.0));
        assert_eq!(norm_l0(&[1.0_f64, 0.0, -3.0]), 2.0);
    }

    #[test]
    fn lengths_that_differ_are_named() {
        let error = dot_product(&[1.0_f32, 2.0], &[1.0]).expect_err("two and one");
        assert_eq!(error.kind(), ErrorKind::WrongDimension);
        assert_eq!(error.message(), "vectors differ in length: 2 and 1 elements");
        assert!(accumulate(&mut [0.0_f64; 2], &[1.0; 3], |a, b| a + b).is_err());
    }

    #[test]
    fn norms_neither_overflow_nor_vanish() {
        assert_eq!(norm_l2(&[3e30_f32, 4e30]), 5e30);
        assert_eq!(norm_l2(&[3e-30_f32, 4e-30]), 5e-30);
        let distance = distance_l2(&[3e200_f64, 0.0], &[0.0, 4e200]).expect("one length");
        assert!((distance / 5e200 - 1.0).abs() <= f64::EPSILON, "{distance}");
        let cosine = cosine_similarity(&[1e30_f32, 0.0], &[1e30, 0.0]).expect("one length");
        assert!((cosine - 1.0).abs() < 1e-6, "{cosine}");
        assert_eq!(norm_l2(&[f32::INFINITY, 1.0]), f32::INFINITY);
        assert!(norm_l2(&[f32::NAN, 1.0]).is_nan());
    }

    #[test]
    fn empty_and_zero_vectors_have_an_answer() {
        let empty: &[f64] = &[];
        assert_eq!((norm_l0(empty), norm_l1(empty), norm_l2(empty), norm_max(empty)), (0.0, 0.0, 0.0, 0.0));
        assert_eq!(dot_product(empty, empty), Ok(0.0));
        assert!(cosine_similarity(&[0.0, 0.0], &[1.0, 2.0]).expect("one length").is_nan());
    }

    #[test]
    fn nan_is_larger_than_every_number_in_either_position() {
        for (x, y) in [(f64::NAN, 1.0), (1.0, f64::NAN)] {
            assert!(larger(x, y).is_nan());
            assert_eq!(smaller(x, y), 1.0);
        }
    }

    proptest! {
        #[test]
        fn sums_agree_with_the_plain_loop(pairs in prop::collection::vec((-1e3_f64..1e3, -1e3_f64..1e3), 0..200)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let plain: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            let scale: f64 = a.iter().zip(&b).map(|(x, y)| (x * y).abs()).sum::<f64>() + 1.0;
            prop_assert!((dot_product(&a, &b).expect("one length") - plain).abs() <= 1e-12 * scale);
            let plain: f64 = a.iter().map(|x| x.abs()).sum();
            prop_assert!((norm_l1(&a) - plain).abs() <= 1e-12 * scale.max(plain));
            let (dot, xx, yy) = products(&a, &b);
            prop_assert!((dot - dot_product(&a, &b).expect("one length")).abs() <= 1e-12 * scale);
            prop_assert!((xx.sqrt() - norm_l2(&a)).abs() <= 1e-12 * (1.0 + plain));
            prop_assert!(yy >= 0.0);
        }
    }
}
