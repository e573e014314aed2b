//! Clusters read off the places that eigenvectors give to rows.

use fastrand::Rng;
use pgml_core::{Result, Run};

use crate::solvers::kernels::{axpy, dot, norm};
use crate::solvers::product::Panels;
use crate::solvers::product::{packed_product, transposed_product};
use crate::solvers::rotation::nearest_rotation;

/// Turns places (row-major, `k` numbers each) so that a few rows far apart lie along the axes; each row belongs to the axis
/// it is farthest along (Damle, Minden, Ying 2019). Nothing is random.
pub fn cluster_qr(places: &[f64], k: usize, run: &Run) -> Result<Vec<i32>> {
    let pivots = pivots(places, k, run)?;
    // One column per pivot.
    let chosen: Vec<f64> = (0..k * k).map(|cell| places[pivots[cell % k] * k + cell / k]).collect();
    let (rotation, _) = nearest_rotation(&chosen, k, run)?;
    let turned = packed_product(places, &Panels::pack(&rotation, k), k, run)?;
    Ok(turned.chunks_exact(k).map(|row| largest(row.iter().map(|x| x.abs()))).collect())
}

/// The rows that a decomposition with column pivoting picks: each the longest outside the space of those before.
fn pivots(places: &[f64], k: usize, run: &Run) -> Result<Vec<usize>> {
    let mut left = places.to_vec();
    let mut pivots: Vec<usize> = Vec::with_capacity(k);
    for _ in 0..k {
        run.check()?;
        let lengths = left.chunks_exact(k).map(|row| dot(row, row)).enumerate();
        let free = lengths.filter(|(i, _)| !pivots.contains(i));
        let pivot = free.fold((0, -1.0), |best, (i, x)| if x > best.1 { (i, x) } else { best }).0;
        pivots.push(pivot);
        let mut direction = left[pivot * k..(pivot + 1) * k].to_vec();
        let length = norm(&direction);
        if length > 0.0 {
            direction.iter_mut().for_each(|x| *x /= length);
            left.chunks_exact_mut(k).for_each(|row| axpy(-dot(row, &direction), &direction, row));
        }
    }
    Ok(pivots)
}

/// Searches the rotation that brings places nearest to memberships in one of `k` clusters (Yu, Shi 2003).
pub fn discretize(mut places: Vec<f64>, k: usize, rng: &mut Rng, run: &Run) -> Result<Vec<i32>> {
    let n = places.len() / k;
    for c in 0..k {
        // Lengths do not matter once rows have unit length, but their ratios do.
        let column: Vec<f64> = places[c..].iter().step_by(k).copied().collect();
        let length = norm(&column) / (n as f64).sqrt();
        let scale = if column[0] > 0.0 { -1.0 } else { 1.0 } / length.max(f64::MIN_POSITIVE);
        places[c..].iter_mut().step_by(k).for_each(|x| *x *= scale);
    }
    for row in places.chunks_exact_mut(k) {
        let length = norm(row).max(f64::MIN_POSITIVE);
        row.iter_mut().for_each(|x| *x /= length);
    }
    let mut rotation = first_rotation(&places, k, rng, run)?;
    let mut before = 0.0;
    let mut labels = Vec::new();
    for _ in 0..=20 {
        let turned = packed_product(&places, &Panels::pack(&rotation, k), k, run)?;
        labels = turned.chunks_exact(k).map(|row| largest(row.iter().copied())).collect();
        let mut members = vec![0.0; n * k];
        for (row, label) in members.chunks_exact_mut(k).zip(&labels) {
            row[*label as usize] = 1.0;
        }
        let (nearest, agreement) = nearest_rotation(&transposed_product(&members, k, &places, k, run)?, k, run)?;
        let cut = 2.0 * (n as f64 - agreement);
        if (cut - before).abs() < f64::EPSILON {
            break;
        }
        before = cut;
        rotation = (0..k * k).map(|cell| nearest[cell % k * k + cell / k]).collect();
    }
    Ok(labels)
}

/// A random row, and rows as orthogonal as possible to those before, one per column.
fn first_rotation(places: &[f64], k: usize, rng: &mut Rng, run: &Run) -> Result<Vec<f64>> {
    let n = places.len() / k;
    let mut rotation = vec![0.0; k * k];
    let mut overlap = vec![0.0; n];
    let mut pick = rng.usize(0..n);
    for c in 0..k {
        run.check()?;
        let picked = &places[pick * k..(pick + 1) * k];
        (0..k).for_each(|i| rotation[i * k + c] = picked[i]);
        overlap.iter_mut().zip(places.chunks_exact(k)).for_each(|(sum, row)| *sum += dot(row, picked).abs());
        pick = overlap.iter().enumerate().fold((0, f64::INFINITY), |a, (i, x)| if *x < a.1 { (i, *x) } else { a }).0;
    }
    Ok(rotation)
}

/// The position of the largest value, the first of equals.
fn largest(values: impl Iterator<Item = f64>) -> i32 {
    values.enumerate().fold((0, f64::NEG_INFINITY), |a, (i, x)| if x > a.1 { (i, x) } else { a }).0 as i32
}
