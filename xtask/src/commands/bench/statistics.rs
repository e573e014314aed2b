//! Medians and percentiles of measurements, and the order they are taken in.

use crate::error::Result;

/// The value that a share `q` (0 to 1) of `values` does not exceed; NaN of none.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((q * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The middle value.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Measures both sides `times` times in turn, so that a slow minute of the machine falls on both.
///
/// # Errors
/// Those of the measurements.
pub fn alternate<T, U>(
    times: usize,
    mut ours: impl FnMut() -> Result<T>,
    mut peer: impl FnMut() -> Result<U>,
) -> Result<(Vec<T>, Vec<U>)> {
    let mut both = (Vec::with_capacity(times), Vec::with_capacity(times));
    for _ in 0..times {
        both.0.push(ours()?);
        both.1.push(peer()?);
    }
    Ok(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_of_the_sample() {
        let values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!((quantile(&values, 0.99), median(&values), quantile(&values, 0.0)), (99.0, 50.0, 0.0));
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn both_sides_take_turns() {
        let order = std::cell::RefCell::new(String::new());
        let (ours, peer) = alternate(
            2,
            || {
                order.borrow_mut().push('o');
                Ok(1)
            },
            || {
                order.borrow_mut().push('p');
                Ok(2)
            },
        )
        .expect("measured");
        assert_eq!((order.into_inner().as_str(), ours, peer), ("opop", vec![1, 1], vec![2, 2]));
    }
}
