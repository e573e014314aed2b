//! The nearest of many centres, for many rows: four rows at a time against eight centres at a time.

use super::kernels::for_each_cpu;
use super::packets::{LANES, pack};

/// Rows that are compared with a packet of centres while it is in registers.
const ROWS: usize = 4;

/// Centres laid out to be compared with rows. Each squared distance is a sum over the features in their order, so that it
/// does not depend on the rows that come together, and centres that lie symmetrically are equally near.
pub struct CentrePackets {
    d: usize,
    packets: Vec<f64>,
}

impl CentrePackets {
    /// Takes `centres`, rows of `d` numbers.
    #[must_use]
    pub fn new(centres: &[f64], d: usize) -> Self {
        let mut packets = Vec::new();
        // Where there is no centre, nobody has checked `d`.
        if !centres.is_empty() {
            packets.reserve_exact(centres.len().next_multiple_of(LANES * d));
            pack(centres, d, &mut packets);
        }
        Self { d, packets }
    }

    /// Bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.packets.as_slice())
    }

    /// The centre nearest to each of `rows`, the first of equals, and its squared distance. The first, infinitely far, when
    /// no distance is finite.
    pub fn nearest(&self, rows: &[f64], found: &mut [(usize, f64)]) {
        nearest(&self.packets, self.d, rows, found);
    }
}

for_each_cpu! {
    fn nearest(packets: &[f64], d: usize, rows: &[f64], found: &mut [(usize, f64)]) {
        for (rows, found) in rows.chunks(ROWS * d).zip(found.chunks_mut(ROWS)) {
            if found.len() == ROWS {
                of_rows::<ROWS>(packets, d, rows, found);
                continue;
            }
            for (row, found) in rows.chunks_exact(d).zip(found.chunks_mut(1)) {
                of_rows::<1>(packets, d, row, found);
            }
        }
    }
}

#[inline(always)]
fn of_rows<const N: usize>(packets: &[f64], d: usize, rows: &[f64], found: &mut [(usize, f64)]) {
    let rows: [&[f64]; N] = std::array::from_fn(|r| &rows[r * d..(r + 1) * d]);
    // Numbers of packets are kept as floats, which are chosen by the same masks as distances.
    let (mut least, mut nearest, mut number) = ([[f64::INFINITY; LANES]; N], [[0.0; LANES]; N], 0.0);
    for packet in packets.chunks_exact(d * LANES) {
        let mut sums = [[0.0; LANES]; N];
        for (j, column) in packet.as_chunks::<LANES>().0.iter().enumerate() {
            for r in 0..N {
                let x = rows[r][j];
                for l in 0..LANES {
                    let gap = x - column[l];
                    sums[r][l] += gap * gap;
                }
            }
        }
        for r in 0..N {
            for l in 0..LANES {
                let is_nearer = sums[r][l] < least[r][l];
                nearest[r][l] = if is_nearer { number } else { nearest[r][l] };
                least[r][l] = if is_nearer { sums[r][l] } else { least[r][l] };
            }
        }
        number += 1.0;
    }
    for r in 0..N {
        found[r] = first_least(&least[r], &nearest[r]);
    }
}

/// Of the least distances of all lanes and the packets that they are in: the least, of equals the first centre.
// Within the loops above, single lanes would make the compiler keep sums apart.
#[inline(never)]
fn first_least(least: &[f64; LANES], packets: &[f64; LANES]) -> (usize, f64) {
    let (mut least, mut centres) = (*least, [0.0; LANES]);
    for l in 0..LANES {
        centres[l] = packets[l] * LANES as f64 + l as f64;
    }
    for half in [4, 2, 1] {
        for l in 0..half {
            let (distance, centre) = (least[l + half], centres[l + half]);
            let is_nearer = (distance < least[l]) | ((distance == least[l]) & (centre < centres[l]));
            least[l] = if is_nearer { distance } else { least[l] };
            centres[l] = if is_nearer { centre } else { centres[l] };
        }
    }
    (centres[0] as usize, least[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_the_one_that_a_plain_search_finds() {
        let mut rng = fastrand::Rng::with_seed(5);
        for (n, d, k) in [(1, 1, 1), (4, 3, 7), (5, 2, 8), (11, 20, 9), (30, 4, 40)] {
            // Few different numbers make many equal distances.
            let mut numbers = |n: usize| (0..n).map(|_| f64::from(rng.i32(-2..3))).collect::<Vec<f64>>();
            let (rows, centres) = (numbers(n * d), numbers(k * d));
            let mut found = vec![(0, 0.0); n];
            CentrePackets::new(&centres, d).nearest(&rows, &mut found);
            for (row, found) in rows.chunks(d).zip(found) {
                let distance = |centre: &[f64]| row.iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
                let all: Vec<f64> = centres.chunks(d).map(distance).collect();
                let plain = (0..k).fold(0, |best, i| if all[i] < all[best] { i } else { best });
                assert_eq!(found, (plain, all[plain]), "{n} rows, {k} centres of {d}");
            }
        }
    }

    #[test]
    fn rows_beyond_all_measure_belong_to_the_first_centre() {
        let mut found = [(7, 0.0)];
        CentrePackets::new(&[1.0, 2.0, 3.0], 1).nearest(&[1e300], &mut found);
        assert_eq!(found, [(0, f64::INFINITY)]);
    }
}
