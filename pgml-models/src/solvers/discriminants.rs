//! From one score per class to a class and to probabilities.

/// Finds the largest of some scores.
pub trait Largest {
    /// The position of the largest, the first of equals; 0 where there is none.
    fn largest(self) -> usize;
}

impl<I: Iterator<Item = f64>> Largest for I {
    fn largest(self) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for (at, score) in self.enumerate() {
            if score > best.1 {
                best = (at, score);
            }
        }
        best.0
    }
}

/// Writes the probabilities of all classes into `out`: those in `seen` by the softmax of their `score`, others 0.
pub fn softmax(seen: &[u32], score: impl Fn(usize) -> f64, out: &mut [f64]) {
    out.fill(0.0);
    let mut highest = f64::NEG_INFINITY;
    for (at, class) in seen.iter().enumerate() {
        out[*class as usize] = score(at);
        highest = highest.max(out[*class as usize]);
    }
    if highest == f64::NEG_INFINITY {
        // Every class is infinitely improbable: the first is the one that is predicted.
        seen.iter().for_each(|class| out[*class as usize] = 0.0);
        out[seen[0] as usize] = 1.0;
        return;
    }
    let mut total = 0.0;
    for class in seen {
        out[*class as usize] = (out[*class as usize] - highest).exp();
        total += out[*class as usize];
    }
    seen.iter().for_each(|class| out[*class as usize] /= total);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_whatever_the_scores() {
        for scores in [[0.0, 1.0], [-1e300, 1e300], [f64::NEG_INFINITY, 0.0], [f64::NEG_INFINITY; 2]] {
            let mut out = [7.0; 3];
            softmax(&[0, 2], |k| scores[k], &mut out);
            assert!((out.iter().sum::<f64>() - 1.0).abs() < 1e-15 && out[1] == 0.0, "{scores:?}: {out:?}");
        }
        assert_eq!([1.0, 3.0, 3.0].into_iter().largest(), 1);
    }
}
