//! The beta divergence between numbers and what is said of them.

use pgml_core::{Result, bail};
use serde_json::Value;

/// Smaller values would be divided by: scikit-learn's bound, the precision of 32-bit floats.
pub const SMALLEST: f64 = f32::EPSILON as f64;

/// A member of the family: squared differences (2), Kullback and Leibler's (1), Itakura and Saito's (0), and between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Divergence(f64);

impl Divergence {
    /// The divergence that `json` names, by word or number.
    pub fn read(json: &Value, solver: &str) -> Result<Self> {
        let beta = match (json.as_str(), json.as_f64()) {
            (Some("frobenius"), _) => 2.0,
            (Some("kullback-leibler"), _) => 1.0,
            (Some("itakura-saito"), _) => 0.0,
            (_, Some(beta)) if beta.is_finite() => beta,
            _ => bail!(
                InvalidParameter,
                "hyperparameter \"beta_loss\" of nmf is {json}, but must be a number or one of frobenius, \
                 kullback-leibler, itakura-saito"
            ),
        };
        if solver == "cd" && beta != 2.0 {
            bail!(InvalidParameter, "nmf minimises beta_loss {json} with solver \"mu\" only");
        }
        Ok(Self(beta))
    }

    /// The member with this power.
    pub fn new(beta: f64) -> Self {
        Self(beta)
    }

    /// The power.
    pub fn beta(self) -> f64 {
        self.0
    }

    /// The exponent with which multiplicative updates never make things worse (Févotte, Idier 2011).
    pub fn damping(self) -> f64 {
        match self.0 {
            beta if beta < 1.0 => 1.0 / (2.0 - beta),
            beta if beta > 2.0 => 1.0 / (beta - 1.0),
            _ => 1.0,
        }
    }

    /// `x · fittedᵝ⁻²`: what pulls factors up.
    pub fn pull(self, x: f64, fitted: f64) -> f64 {
        let fitted = if self.0 < 2.0 { fitted.max(SMALLEST) } else { fitted };
        match self.0 {
            1.0 => x / fitted,
            0.0 => x / (fitted * fitted),
            beta => x * fitted.powf(beta - 2.0),
        }
    }

    /// `fittedᵝ⁻¹`: what holds factors down.
    pub fn hold(self, fitted: f64) -> f64 {
        let fitted = if self.0 < 1.0 { fitted.max(SMALLEST) } else { fitted };
        fitted.powf(self.0 - 1.0)
    }

    /// The divergence of one value. Where `x` is (nearly) 0, so are its terms, as in scikit-learn.
    pub fn of(self, x: f64, fitted: f64) -> f64 {
        let counts = x > SMALLEST;
        let safe = fitted.max(SMALLEST);
        match self.0 {
            2.0 => 0.5 * (x - fitted) * (x - fitted),
            1.0 => fitted + if counts { x * (x / safe).ln() - x } else { 0.0 },
            0.0 if counts => x / safe - (x / safe).ln() - 1.0,
            0.0 => -1.0,
            beta => {
                let own = if counts { x.powf(beta) - beta * x * safe.powf(beta - 1.0) } else { 0.0 };
                (own + (beta - 1.0) * fitted.powf(beta)) / (beta * (beta - 1.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_diverges_from_itself_by_nothing() {
        for beta in [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0] {
            let divergence = Divergence::new(beta);
            assert!(divergence.of(1.7, 1.7).abs() < 1e-15, "{beta}");
            assert!(divergence.of(1.7, 1.2) > 0.0 && divergence.of(1.7, 2.2) > 0.0, "{beta}");
        }
    }
}
