//! Rows in packets of eight, feature by feature: one instruction then compares one feature of several rows, whatever
//! the number of features. Each row's sum runs over its features in order, so that results do not depend on the packet.

use super::kernels::for_each_cpu;

/// Rows in a packet.
pub const LANES: usize = 8;

/// Appends row-major `rows` of `d` as packets to `out`; the last packet is filled up with its last row.
pub fn pack(rows: &[f64], d: usize, out: &mut Vec<f64>) {
    for eight in rows.chunks(LANES * d) {
        let start = out.len();
        out.resize(start + LANES * d, 0.0);
        let last = eight.len() / d - 1;
        for lane in 0..LANES {
            let row = lane.min(last) * d;
            let cells = out[start + lane..].iter_mut().step_by(LANES);
            cells.zip(&eight[row..row + d]).for_each(|(cell, x)| *cell = *x);
        }
    }
}

/// Folds what `row` and eight rows at a time have, feature by feature.
macro_rules! fold {
    ($packets:ident, $row:ident, $out:ident, |$lane:ident, $x:ident, $q:ident| $step:expr) => {
        let (outs, _) = $out.as_chunks_mut::<LANES>();
        for (packet, out) in $packets.chunks_exact($row.len() * LANES).zip(outs) {
            let mut lanes = [0.0_f64; LANES];
            let (columns, _) = packet.as_chunks::<LANES>();
            for (column, $q) in columns.iter().zip($row) {
                for l in 0..LANES {
                    let ($lane, $x) = (lanes[l], column[l]);
                    lanes[l] = $step;
                }
            }
            *out = lanes;
        }
    };
}

for_each_cpu! { up to avx512
    /// Squared distances between `row` and the rows of `packets`.
    pub fn squares(packets: &[f64], row: &[f64], out: &mut [f64]) {
        fold!(packets, row, out, |sum, x, q| sum + (x - q) * (x - q));
    }
}

for_each_cpu! { up to avx512
    /// Sums of absolute differences.
    pub fn sizes(packets: &[f64], row: &[f64], out: &mut [f64]) {
        fold!(packets, row, out, |sum, x, q| sum + (x - q).abs());
    }
}

for_each_cpu! {
    /// Largest absolute differences.
    pub fn largest(packets: &[f64], row: &[f64], out: &mut [f64]) {
        fold!(packets, row, out, |most, x, q| if (x - q).abs() > most { (x - q).abs() } else { most });
    }
}

for_each_cpu! { up to avx512
    /// Scalar products.
    pub fn products(packets: &[f64], row: &[f64], out: &mut [f64]) {
        fold!(packets, row, out, |sum, x, q| sum + x * q);
    }
}

/// Sums of absolute differences to the power `p`.
pub fn powers(packets: &[f64], row: &[f64], p: f64, out: &mut [f64]) {
    fold!(packets, row, out, |sum, x, q| sum + (x - q).abs().powf(p));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_compared_wherever_it_lies() {
        let (rows, row): (Vec<f64>, _) = ((0..30).map(|i| f64::from(i * i % 11)).collect(), [1.0, 2.0, 3.0]);
        let mut packets = Vec::new();
        pack(&rows, 3, &mut packets);
        assert_eq!(packets.len(), 2 * LANES * 3);
        let mut out = [0.0; 16];
        squares(&packets, &row, &mut out);
        for (i, other) in rows.chunks_exact(3).enumerate() {
            assert_eq!(out[i], other.iter().zip(&row).map(|(a, b)| (a - b) * (a - b)).sum::<f64>(), "row {i}");
        }
        assert_eq!(out[15], out[9]);
    }
}
