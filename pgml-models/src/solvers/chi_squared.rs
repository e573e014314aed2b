//! The χ² distribution: the regularised incomplete gamma function and its inverse.

/// `ln Γ(k / 2)`, by its recurrence from `Γ(1/2) = √π` or `Γ(1) = 1`.
fn ln_gamma_of_half(k: usize) -> f64 {
    let start = if k % 2 == 1 { 0.5 * std::f64::consts::PI.ln() } else { 0.0 };
    let first = if k % 2 == 1 { 1 } else { 2 };
    (first..k).step_by(2).map(|j| (j as f64 / 2.0).ln()).sum::<f64>() + start
}

/// The probability that a sum of `k` squared standard normal numbers is at most `x`.
#[must_use]
pub fn cdf(x: f64, k: usize) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x == f64::INFINITY {
        return 1.0;
    }
    let (a, x) = (k as f64 / 2.0, x / 2.0);
    let front = (a * x.ln() - x - ln_gamma_of_half(k)).exp();
    if x < a + 1.0 { front * series(a, x) } else { 1.0 - front * fraction(a, x) }
}

/// `Σ xⁿ / (a (a + 1) … (a + n))`.
fn series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, 1.0);
    while term > sum * f64::EPSILON {
        term *= x / (a + n);
        sum += term;
        n += 1.0;
    }
    sum
}

/// The continued fraction of `Γ(a, x) / (xᵃ e⁻ˣ)`, from its end (Lentz's method with terms that are never 0 here).
fn fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / f64::MIN_POSITIVE, 1.0 / b);
    let mut value = d;
    for n in 1..10_000 {
        let n = f64::from(n);
        let an = -n * (n - a);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        value *= c * d;
        if (c * d - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

/// The value that is exceeded with probability `1 − p`.
#[must_use]
pub fn quantile(p: f64, k: usize) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, k as f64 + 10.0);
    while cdf(high, k) < p {
        high *= 2.0;
    }
    // Halving needs no derivative and cannot miss.
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if cdf(middle, k) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_equal_scipy() {
        // scipy.stats.chi2 1.17.1
        for (x, k, p) in [
            (3.0, 1, 0.916_735_483_336_449_6),
            (1.0, 4, 0.090_204_010_431_049_86),
            (50.0, 30, 0.987_597_939_281_099_5),
            (20.0, 22, 0.416_960_249_807_014_85),
        ] {
            assert!((cdf(x, k) - p).abs() < 1e-12, "{x} of {k}: {}", cdf(x, k));
            assert!((quantile(p, k) - x).abs() < 1e-9 * x, "{p} of {k}: {}", quantile(p, k));
        }
        assert!((quantile(0.975, 2) - 7.377_758_908_227_871).abs() < 1e-11);
        assert_eq!(cdf(quantile(1.0, 3), 5), 1.0);
    }
}
