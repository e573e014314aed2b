//! Vectors of positions, which are added to those of words.

use pgml_core::{Result, bail};

use crate::nn::{Embedding, Source};

/// Learnt ones; the table begins with two rows that no position has (BART).
pub(super) fn learnt(at: &Source<'_>, [n, width]: [usize; 2]) -> Result<Embedding> {
    Embedding::load_after(2, at, n, width)
}

/// Checks numbers that no tensor confirms.
fn check([n, width]: [usize; 2]) -> Result<()> {
    if n > 1 << 17 || width > 1 << 16 {
        bail!(NotSupported, "max_position_embeddings {n} at a width of {width} is more than any known model has");
    }
    Ok(())
}

/// Sines in the first half of the columns, cosines in the second, of frequencies that fall to 1/10,000 (Vaswani et al. 2017 have
/// them in turns); those of the checkpoint where it holds them (Marian, Pegasus).
pub(super) fn halves_of_sines(at: &Source<'_>, [n, width]: [usize; 2]) -> Result<Embedding> {
    if at.weights.has("weight") {
        return Embedding::load(at, n, width);
    }
    check([n, width])?;
    let half = width.div_ceil(2);
    let turned = |position: usize, i: usize| position as f64 / 10_000_f64.powf((2 * i) as f64 / width as f64);
    let row = |position: usize| {
        let sines = (0..half).map(move |i| turned(position, i).sin() as f32);
        sines.chain((0..width - half).map(move |i| turned(position, i).cos() as f32))
    };
    let table: Vec<f32> = (0..n).flat_map(row).collect();
    Ok(Embedding::computed(table, width, at.placement))
}

/// As [`halves_of_sines`], of frequencies whose last is 1/10,000 itself, as in tensor2tensor; positions count from 2 (M2M100).
pub(super) fn tensor2tensor(at: &Source<'_>, [n, width]: [usize; 2]) -> Result<Embedding> {
    check([n, width])?;
    let half = width / 2;
    // In single precision, as the models were trained: far positions are that exact only.
    let step = 10_000_f64.ln() / half.saturating_sub(1).max(1) as f64;
    let frequencies: Vec<f32> = (0..half).map(|i| (i as f32 * -step as f32).exp()).collect();
    let mut table = Vec::new();
    for position in 2..n + 2 {
        let turned = || frequencies.iter().map(move |frequency| position as f32 * frequency);
        table.extend(turned().map(f32::sin));
        table.extend(turned().map(f32::cos));
        table.resize((position - 1) * width, 0.0);
    }
    Ok(Embedding::computed(table, width, at.placement))
}
