//! The score of a forest by the rows that its trees did not draw.

use pgml_core::{Dataset, Result, bail};

use super::fit::{Fit, Grown, flatten};
use super::model::{ROWS_AT_A_TIME, largest};

/// How well each row is predicted by the trees that did not draw it: accuracy, or R² (averaged over targets).
pub(super) fn score(fit: &Fit<'_>, trees: &[Grown], width: usize) -> Result<f64> {
    let Some(bootstrap) = &fit.bootstrap else {
        bail!(InvalidParameter, "oob_score of random_forest needs bootstrap, which is false");
    };
    let n_rows = fit.data.n_rows();
    let _sums = fit.run.reserve(8 * (n_rows * (width + 1)) as u64, "the out-of-bag score")?;
    let (mut sums, mut votes) = (vec![0.0; n_rows * width], vec![0_u32; n_rows]);
    let (mut x, mut guess) = (Vec::new(), vec![0.0; ROWS_AT_A_TIME * width]);
    for (tree, grown) in trees.iter().enumerate() {
        let counts = bootstrap.counts(&mut fit.run.rng(tree as u64));
        let flat = flatten(std::slice::from_ref(grown), fit.data.n_features(), width)?;
        let spared: Vec<usize> = (0..n_rows).filter(|row| counts[*row] == 0).collect();
        for rows in spared.chunks(ROWS_AT_A_TIME) {
            fit.run.check()?;
            x.clear();
            x.extend(rows.iter().flat_map(|row| fit.data.features().iter().map(|f| f.values.get(*row))));
            let guess = &mut guess[..rows.len() * width];
            guess.fill(0.0);
            flat.add_leaves(&x, guess);
            for (row, guess) in rows.iter().zip(guess.chunks_exact(width)) {
                sums[row * width..][..width].iter_mut().zip(guess).for_each(|(sum, y)| *sum += y);
                votes[*row] += 1;
            }
        }
    }
    if votes.contains(&0) {
        fit.run.warn("some rows were drawn by every tree, so they do not count in oob_score; use more trees");
    }
    Ok(score_of_votes(fit.data, &sums, &votes, width))
}

/// Accuracy or mean R² of the sums of votes, over rows that have any.
fn score_of_votes(data: &Dataset, sums: &[f64], votes: &[u32], width: usize) -> f64 {
    let voted: Vec<usize> = (0..votes.len()).filter(|row| votes[*row] > 0).collect();
    if data.n_classes() > 0 {
        let right = |row: &&usize| largest(&sums[**row * width..][..width]) as f64 == data.targets()[0][**row];
        return voted.iter().filter(right).count() as f64 / voted.len() as f64;
    }
    let r2 = |t: usize| {
        let y = &data.targets()[t];
        let mean = voted.iter().map(|row| y[*row]).sum::<f64>() / voted.len() as f64;
        let guess = |row: usize| sums[row * width + t] / f64::from(votes[row]);
        let rest: f64 = voted.iter().map(|row| (y[*row] - guess(*row)).powi(2)).sum();
        1.0 - rest / voted.iter().map(|row| (y[*row] - mean).powi(2)).sum::<f64>()
    };
    (0..width).map(r2).sum::<f64>() / width as f64
}
