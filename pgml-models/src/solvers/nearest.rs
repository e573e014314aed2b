//! Distances between rows and centres, and which centre is nearest.

use super::kernels::for_each_cpu;

for_each_cpu! {
    /// The index of the centre (rows of `row.len()`) nearest to `row`, the first of equals, and its squared distance.
    pub fn nearest(row: &[f64], centres: &[f64]) -> (usize, f64) {
        let mut best = (0, f64::INFINITY);
        for (k, centre) in centres.chunks_exact(row.len()).enumerate() {
            let (a, a_rest) = row.as_chunks::<8>();
            let (b, b_rest) = centre.as_chunks::<8>();
            let mut lanes = [0.0; 8];
            for (x, y) in a.iter().zip(b) {
                for l in 0..8 {
                    let difference = x[l] - y[l];
                    lanes[l] += difference * difference;
                }
            }
            let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| (x - y) * (x - y)).sum();
            let distance = lanes.iter().sum::<f64>() + rest;
            if distance < best.1 {
                best = (k, distance);
            }
        }
        best
    }
}

for_each_cpu! {
    /// `outᵢ ← start − 2 Σⱼ columnsⱼᵢ centreⱼ` for a block of rows that lies column after column.
    pub fn cross_terms(columns: &[f64], centre: &[f64], start: f64, out: &mut [f64]) {
        let len = out.len();
        out.fill(start);
        let (quads, rest) = centre.as_chunks::<4>();
        let (mut fours, mut ones) = (columns.chunks_exact(4 * len), columns[quads.len() * 4 * len..].chunks_exact(len));
        for (c, four) in quads.iter().zip(&mut fours) {
            let (first, second) = four.split_at(2 * len);
            let ((x0, x1), (x2, x3)) = (first.split_at(len), second.split_at(len));
            for ((((out, a), b), c2), d) in out.iter_mut().zip(x0).zip(x1).zip(x2).zip(x3) {
                *out -= 2.0 * ((c[0] * a + c[1] * b) + (c[2] * c2 + c[3] * d));
            }
        }
        for (c, column) in rest.iter().zip(&mut ones) {
            for (out, x) in out.iter_mut().zip(column) {
                *out -= 2.0 * c * x;
            }
        }
    }
}

for_each_cpu! {
    /// Where `score` is lower than `best`, that becomes the best and `label` its label.
    pub fn keep_lower(score: &[f64], label: f64, best: &mut [f64], labels: &mut [f64]) {
        for ((score, best), own) in score.iter().zip(best).zip(labels) {
            let lower = score < best;
            *best = if lower { *score } else { *best };
            *own = if lower { label } else { *own };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_equals_is_the_first() {
        let centres = [3.0, 0.0, 1.0, 0.0, -1.0, 0.0];
        assert_eq!(nearest(&[0.0, 0.0], &centres), (1, 1.0));
    }

    #[test]
    fn cross_terms_are_minus_two_products() {
        for d in 1..10_usize {
            let (len, centre) = (5, (0..d).map(|j| j as f64 - 1.5).collect::<Vec<_>>());
            let columns: Vec<f64> = (0..d * len).map(|i| (i * i % 7) as f64).collect();
            let mut out = vec![0.0; len];
            cross_terms(&columns, &centre, 1.0, &mut out);
            for i in 0..len {
                let product: f64 = (0..d).map(|j| columns[j * len + i] * centre[j]).sum();
                assert_eq!(out[i], 1.0 - 2.0 * product, "{d} features, row {i}");
            }
        }
    }
}
