//! How far from normal a signal is.

use pgml_core::{Result, bail};
use serde_json::Value;

use crate::solvers::exponential::{exp_in_place, tanh_in_place};
use crate::solvers::kernels::dot;

/// A contrast function, by its first derivative `g`.
#[derive(Debug, Clone, Copy)]
pub enum Contrast {
    /// `g(x) = tanh(αx)`: a good general choice.
    Logcosh(f64),
    /// `g(x) = x exp(−x²/2)`: for signals with heavy tails.
    Exp,
    /// `g(x) = x³`: kurtosis.
    Cube,
}

impl Contrast {
    /// The contrast that scikit-learn calls `name`, with its arguments.
    pub fn read(name: &str, arguments: &Value) -> Result<Self> {
        let known = |object: &serde_json::Map<String, Value>| object.keys().all(|key| key == "alpha");
        let alpha = match arguments {
            Value::Null => Some(1.0),
            Value::Object(object) if known(object) => object.get("alpha").map_or(Some(1.0), Value::as_f64),
            _ => None,
        };
        let Some(alpha) = alpha.filter(|alpha| (1.0..=2.0).contains(alpha)) else {
            bail!(
                InvalidParameter,
                "hyperparameter \"fun_args\" of fast_ica is {arguments}, but must be null or {{\"alpha\": a number from \
                 1 to 2}}"
            );
        };
        Ok(match name {
            "logcosh" => Self::Logcosh(alpha),
            "exp" => Self::Exp,
            _ => Self::Cube,
        })
    }

    /// Replaces `signal` by `g` of it; returns the sum of `g′`.
    pub fn derive(self, signal: &mut [f64]) -> f64 {
        match self {
            Self::Logcosh(alpha) => {
                if alpha != 1.0 {
                    signal.iter_mut().for_each(|x| *x *= alpha);
                }
                tanh_in_place(signal);
                alpha * (signal.len() as f64 - dot(signal, signal))
            }
            Self::Exp => {
                let mut bell: Vec<f64> = signal.iter().map(|x| -0.5 * x * x).collect();
                exp_in_place(&mut bell);
                let curvature: f64 = signal.iter().zip(&bell).map(|(x, bell)| (1.0 - x * x) * bell).sum();
                signal.iter_mut().zip(&bell).for_each(|(x, bell)| *x *= bell);
                curvature
            }
            Self::Cube => {
                let curvature = 3.0 * dot(signal, signal);
                signal.iter_mut().for_each(|x| *x = x.powi(3));
                curvature
            }
        }
    }
}
