//! Bins of many values of one feature: all borders are compared with a packet of values in vector registers.

use super::data::{bin_of, single};
use crate::solvers::kernels::for_each_cpu;

/// Values that are compared at once.
const PACKET: usize = 32;
/// With more borders than this, searching them for each value is faster than comparing all.
const MOST_BORDERS: usize = 96;

/// Writes how many of the ascending `borders` each value is above, as [`bin_of`] says it for one.
pub(super) fn write_bins(values: impl Iterator<Item = f64>, borders: &[f32], nan_above: bool, bins: &mut [u8]) {
    if bins.len() < PACKET / 2 || borders.len() > MOST_BORDERS {
        for (bin, value) in bins.iter_mut().zip(values) {
            *bin = bin_of(single(value), borders, nan_above);
        }
        return;
    }
    let (mut values, mut packet) = (values.map(single), [0.0; PACKET]);
    let of_nan = if nan_above { borders.len() as u32 } else { 0 };
    for bins in bins.chunks_mut(PACKET) {
        packet.iter_mut().zip(values.by_ref().take(bins.len())).for_each(|(cell, value)| *cell = value);
        let counts = count_below(&packet, borders, of_nan);
        bins.iter_mut().zip(counts).for_each(|(bin, count)| *bin = count as u8);
    }
}

for_each_cpu! {
    /// How many borders each value is above; `of_nan` where it is not a number.
    fn count_below(values: &[f32; PACKET], borders: &[f32], of_nan: u32) -> [u32; PACKET] {
        let mut counts = values.map(|value| if value.is_nan() { of_nan } else { 0 });
        for border in borders {
            for l in 0..PACKET {
                // Counts never wrap: there are at most as many borders as bins.
                counts[l] = counts[l].wrapping_add(u32::from(values[l] > *border));
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_together_get_the_bins_of_values_alone() {
        let values: Vec<f64> = (0..150).map(|i| if i % 13 == 5 { f64::NAN } else { f64::from(i * i % 101) }).collect();
        for n_borders in [0, 1, 7, MOST_BORDERS, MOST_BORDERS + 1] {
            let borders: Vec<f32> = (0..n_borders).map(|border| border as f32).collect();
            for nan_above in [false, true] {
                for n in [1, 15, 16, 33, 150] {
                    let mut bins = vec![0; n];
                    write_bins(values.iter().copied(), &borders, nan_above, &mut bins);
                    let alone = values.iter().map(|value| bin_of(single(*value), &borders, nan_above));
                    assert!(alone.zip(&bins).all(|(alone, bin)| alone == *bin), "{n} values, {n_borders} borders");
                }
            }
        }
    }
}
