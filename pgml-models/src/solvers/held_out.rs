//! Rows set aside while fitting, to see when to stop.

use pgml_core::{Result, bail};

/// Which rows to learn from, and which to watch.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Rows to learn from, ascending.
    pub learn: Vec<u32>,
    /// Rows to watch, ascending.
    pub watch: Vec<u32>,
}

/// Draws `fraction` of the rows (rounded up) to be watched. With the `class` of each row, each class gives its share.
///
/// # Errors
/// [`InvalidData`](pgml_core::ErrorKind::InvalidData) when there are too few rows for both.
pub fn split(n_rows: usize, class: Option<&[u32]>, fraction: f64, rng: &mut fastrand::Rng) -> Result<Split> {
    let wanted = (fraction * n_rows as f64).ceil() as usize;
    if wanted == 0 || wanted >= n_rows {
        bail!(
            InvalidData,
            "early stopping cannot set {wanted} of {n_rows} rows aside (validation_fraction = {fraction}); give more rows \
             or switch early_stopping off"
        );
    }
    let mut order: Vec<u32> = (0..n_rows as u32).collect();
    rng.shuffle(&mut order);
    if let Some(class) = class {
        spread(&mut order, class);
    }
    let (watch, learn) = order.split_at(wanted);
    let mut split = Split { learn: learn.to_vec(), watch: watch.to_vec() };
    split.learn.sort_unstable();
    split.watch.sort_unstable();
    Ok(split)
}

/// Reorders so that every beginning of `order` has the classes in the shares that all rows have.
fn spread(order: &mut [u32], class: &[u32]) {
    let n_classes = class.iter().max().map_or(0, |most| *most as usize + 1);
    let mut sizes = vec![0_u32; n_classes];
    order.iter().for_each(|row| sizes[class[*row as usize] as usize] += 1);
    let mut seen = vec![0_u32; n_classes];
    let mut keyed: Vec<(f64, u32)> = order
        .iter()
        .map(|row| {
            let c = class[*row as usize] as usize;
            seen[c] += 1;
            ((f64::from(seen[c]) - 0.5) / f64::from(sizes[c]), *row)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    order.iter_mut().zip(keyed).for_each(|(row, (_, next))| *row = next);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_on_one_side_and_classes_keep_their_shares() {
        let class: Vec<u32> = (0..100).map(|i| u32::from(i % 5 == 0) + u32::from(i % 20 == 0)).collect();
        let mut rng = fastrand::Rng::with_seed(1);
        let split = split(100, Some(&class), 0.2, &mut rng).expect("enough rows");
        let mut all = [split.learn.clone(), split.watch.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<u32>>());
        let count = |c: u32| split.watch.iter().filter(|row| class[**row as usize] == c).count();
        assert_eq!((count(0), count(1), count(2)), (16, 3, 1));
    }

    #[test]
    fn too_few_rows_are_refused() {
        let mut rng = fastrand::Rng::with_seed(1);
        assert!(split(1, None, 0.5, &mut rng).is_err());
        assert!(split(3, None, 0.9, &mut rng).is_err());
        assert_eq!(split(3, None, 0.1, &mut rng).map(|s| (s.learn.len(), s.watch.len())), Ok((2, 1)));
    }
}
