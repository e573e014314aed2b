//! Losses of one row, as functions of its score.

/// What an error costs. Targets of classes are −1 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// Half the square.
    SquaredError,
    /// Half the square up to this error, linear beyond (Huber 1964).
    Huber(f64),
    /// What the error exceeds this by.
    EpsilonInsensitive(f64),
    /// The square of what the error exceeds this by.
    SquaredEpsilonInsensitive(f64),
    /// What the margin falls short of this: 1 for support vector machines, 0 for the perceptron.
    Hinge(f64),
    /// The square of what the margin falls short of 1.
    SquaredHinge,
    /// Minus the logarithm of the logistic probability.
    Log,
    /// Squared hinge, linear below a margin of −1 (Zhang 2004).
    ModifiedHuber,
}

impl Loss {
    /// The loss at score `p`, and its derivative there.
    #[inline(always)]
    #[must_use]
    pub fn at(self, y: f64, p: f64) -> (f64, f64) {
        match self {
            Self::SquaredError => (0.5 * (p - y) * (p - y), p - y),
            Self::Huber(delta) => {
                let r = p - y;
                if r.abs() <= delta { (0.5 * r * r, r) } else { (delta * (r.abs() - 0.5 * delta), delta.copysign(r)) }
            }
            Self::EpsilonInsensitive(epsilon) => {
                let excess = (y - p).abs() - epsilon;
                if excess > 0.0 { (excess, (p - y).signum()) } else { (0.0, 0.0) }
            }
            Self::SquaredEpsilonInsensitive(epsilon) => {
                let excess = (y - p).abs() - epsilon;
                if excess > 0.0 { (excess * excess, 2.0 * excess.copysign(p - y)) } else { (0.0, 0.0) }
            }
            Self::Hinge(threshold) => {
                let margin = y * p;
                if margin <= threshold { (threshold - margin, -y) } else { (0.0, 0.0) }
            }
            Self::SquaredHinge => {
                let short = 1.0 - y * p;
                if short > 0.0 { (short * short, -2.0 * y * short) } else { (0.0, 0.0) }
            }
            Self::Log => {
                let margin = y * p;
                // One exponential of a negative number serves both, and never overflows.
                let small = (-margin.abs()).exp();
                let wrong = if margin > 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
                (small.ln_1p() + (-margin).max(0.0), -y * wrong)
            }
            Self::ModifiedHuber => {
                let margin = y * p;
                if margin >= 1.0 {
                    (0.0, 0.0)
                } else if margin >= -1.0 {
                    ((1.0 - margin) * (1.0 - margin), -2.0 * y * (1.0 - margin))
                } else {
                    (-4.0 * margin, -4.0 * y)
                }
            }
        }
    }

    /// The side to which a passive-aggressive step goes.
    #[inline(always)]
    pub(super) fn side(self, y: f64, p: f64) -> f64 {
        match self {
            Self::Hinge(_) => y,
            _ if y < p => -1.0,
            _ => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_differences_of_the_loss() {
        let losses = [
            Loss::SquaredError,
            Loss::Huber(0.7),
            Loss::EpsilonInsensitive(0.2),
            Loss::SquaredEpsilonInsensitive(0.2),
            Loss::Hinge(1.0),
            Loss::Hinge(0.0),
            Loss::SquaredHinge,
            Loss::Log,
            Loss::ModifiedHuber,
        ];
        for loss in losses {
            for y in [-1.0, 1.0] {
                for p in [-3.03, -1.71, -0.63, 0.11, 0.57, 1.93, 40.0] {
                    let step = 1e-6;
                    let difference = (loss.at(y, p + step).0 - loss.at(y, p - step).0) / (2.0 * step);
                    let slope = loss.at(y, p).1;
                    assert!((slope - difference).abs() < 1e-6, "{loss:?} at {y}, {p}: {slope}, not {difference}");
                }
            }
        }
    }

    #[test]
    fn the_logistic_loss_neither_overflows_nor_vanishes() {
        assert_eq!(Loss::Log.at(1.0, -1e4), (1e4, -1.0));
        let (value, slope) = Loss::Log.at(-1.0, -700.0);
        assert!(value > 0.0 && value < 1e-300 && slope > 0.0 && slope < 1e-300, "{value} {slope}");
    }
}
