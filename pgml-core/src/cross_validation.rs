//! Folds of the training rows, as scikit-learn's `KFold`, `StratifiedKFold` and group-wise cross-validation make them.

use crate::{Dataset, Error, ErrorKind, Result};

/// Row numbers to fit and to score on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// To learn from.
    pub fit: Vec<u32>,
    /// To score on.
    pub score: Vec<u32>,
}

/// `n_splits` folds of the rows of `data`: stratified by class for classification, by whole groups where there are
/// groups, contiguous otherwise.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] when there are fewer rows or groups than folds.
pub fn folds(data: &Dataset, n_splits: usize) -> Result<Vec<Fold>> {
    let fold_of = match (data.group(), data.target()) {
        (Some(groups), _) => group_folds(groups, n_splits)?,
        (None, Ok(classes)) if data.n_classes() > 0 => stratified_folds(classes, data.n_classes(), n_splits),
        _ => contiguous_folds(data.n_rows(), n_splits),
    };
    if data.n_rows() < n_splits {
        return Err(too_many_folds(n_splits, data.n_rows(), "training rows"));
    }
    Ok((0..n_splits).map(|fold| split(&fold_of, fold)).collect())
}

fn split(fold_of: &[usize], fold: usize) -> Fold {
    let (score, fit) = (0..fold_of.len() as u32).partition(|row| fold_of[*row as usize] == fold);
    Fold { fit, score }
}

fn too_many_folds(n_splits: usize, available: usize, what: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, format!("{n_splits} folds cannot be cut from {available} {what}"))
        .with_hint("set \"cv\" in search_args to a smaller number")
}

/// scikit-learn's `KFold` without shuffling: the first folds take the remainder.
fn contiguous_folds(n_rows: usize, n_splits: usize) -> Vec<usize> {
    let size = |fold: usize| n_rows / n_splits + usize::from(fold < n_rows % n_splits);
    (0..n_splits).flat_map(|fold| std::iter::repeat_n(fold, size(fold))).collect()
}

/// scikit-learn's `StratifiedKFold` without shuffling: classes are dealt out to folds as if rows were sorted by class,
/// classes in the order of their first row.
fn stratified_folds(classes: &[f64], n_classes: usize, n_splits: usize) -> Vec<usize> {
    let mut counts = vec![0_usize; n_classes];
    let mut order = Vec::new();
    for class in classes {
        let class = *class as usize;
        if counts[class] == 0 {
            order.push(class);
        }
        counts[class] += 1;
    }
    // How many rows of each class each fold takes: every n_splits-th of the sorted rows.
    let mut quotas = vec![vec![0_usize; n_splits]; n_classes];
    let mut start = 0;
    for class in order {
        for (fold, quota) in quotas[class].iter_mut().enumerate() {
            let first = (fold + n_splits - start % n_splits) % n_splits;
            *quota = counts[class].saturating_sub(first).div_ceil(n_splits);
        }
        start += counts[class];
    }
    let mut next = vec![0_usize; n_classes];
    let mut fold_of_next = |class: usize| {
        while quotas[class][next[class]] == 0 {
            next[class] += 1;
        }
        quotas[class][next[class]] -= 1;
        next[class]
    };
    classes.iter().map(|class| fold_of_next(*class as usize)).collect()
}

/// Whole groups, which stand together, in folds of about equally many rows.
fn group_folds(groups: &[u32], n_splits: usize) -> Result<Vec<usize>> {
    let sizes: Vec<usize> = groups.chunk_by(|a, b| a == b).map(<[u32]>::len).collect();
    if sizes.len() < n_splits {
        return Err(too_many_folds(n_splits, sizes.len(), "groups"));
    }
    let mut fold_of = Vec::with_capacity(groups.len());
    let mut fold = 0;
    for (index, size) in sizes.iter().enumerate() {
        let target = (fold + 1) * groups.len() / n_splits;
        let groups_left = sizes.len() - index;
        let folds_left = n_splits - fold - 1;
        let started = fold_of.last() == Some(&fold);
        if started && folds_left > 0 && (fold_of.len() >= target || groups_left <= folds_left) {
            fold += 1;
        }
        fold_of.extend(std::iter::repeat_n(fold, *size));
    }
    Ok(fold_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_folds_are_scikit_learn_s() {
        // scikit-learn 1.9.1: KFold(3).split(range(10)) → sizes 4, 3, 3
        assert_eq!(contiguous_folds(10, 3), [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn stratified_folds_are_scikit_learn_s() {
        // scikit-learn 1.9.1: the fold in which StratifiedKFold(k) scores each row
        for (classes, k, expected) in [
            (vec![0, 0, 1, 0, 1, 2, 2, 0, 1, 0, 1], 3, vec![0, 0, 0, 1, 1, 0, 1, 1, 2, 2, 2]),
            (vec![2, 2, 2, 2, 2, 1, 0, 0, 1, 0, 0, 1, 0], 4, vec![0, 0, 1, 2, 3, 1, 0, 0, 2, 1, 2, 3, 3]),
        ] {
            let classes: Vec<f64> = classes.into_iter().map(f64::from).collect();
            assert_eq!(stratified_folds(&classes, 3, k), expected);
        }
    }

    #[test]
    fn every_group_falls_into_one_fold_and_no_fold_is_empty() {
        let groups = [0, 0, 0, 0, 0, 0, 1, 2, 3];
        assert_eq!(group_folds(&groups, 3), Ok(vec![0, 0, 0, 0, 0, 0, 1, 2, 2]));
        assert!(group_folds(&groups, 5).is_err());
    }

    #[test]
    fn more_folds_than_rows_are_refused() {
        let data = Dataset::from_rows(&[1.0, 2.0], 1).expect("two rows");
        let error = folds(&data, 5).expect_err("two rows");
        assert_eq!(error.message(), "5 folds cannot be cut from 2 training rows");
    }
}
