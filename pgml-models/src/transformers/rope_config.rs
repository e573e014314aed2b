//! How positions turn queries and keys, in the forms that `config.json` has had.

use pgml_core::{Result, bail};
use serde_json::Value;

use crate::nn::Rope;

/// The rotation of one kind of layers.
///
/// `rope_parameters` (transformers 5) holds `rope_theta` and the scaling, for all layers or for each `layer_type`; before,
/// the base stood under `old_name` and the scaling under `rope_scaling`, which left sliding layers alone.
///
/// # Errors
/// [`NotSupported`](pgml_core::ErrorKind::NotSupported), naming a scaling that is not known;
/// [`Corrupted`](pgml_core::ErrorKind::Corrupted) for heads that cannot be turned in pairs.
pub(super) fn rope(
    config: &Value,
    head_dim: usize,
    layer_type: &str,
    (old_name, default_theta): (&str, f64),
) -> Result<Rope> {
    if head_dim == 0 || !head_dim.is_multiple_of(2) {
        bail!(Corrupted, "rotary positions cannot turn heads of {head_dim} dimensions");
    }
    let given = |name: &str| config.get(name).filter(|value| value.is_object());
    let parameters =
        given("rope_parameters").map(|all| all.get(layer_type).filter(|own| own.is_object()).unwrap_or(all));
    let scaling = parameters.or_else(|| given("rope_scaling").filter(|_| layer_type != "sliding_attention"));
    let of = |name: &str| scaling.and_then(|scaling| scaling.get(name)).filter(|value| !value.is_null());
    for (name, partial) in [("partial_rotary_factor", of("partial_rotary_factor")), ("mixed_b", of("mixed_b"))] {
        if let Some(value) = partial.filter(|value| value.as_f64() != Some(1.0)) {
            bail!(NotSupported, "{name} {value} of rotary positions is not supported");
        }
    }
    let theta =
        parameters.and_then(|own| own.get("rope_theta")).or_else(|| config.get(old_name)).and_then(Value::as_f64);
    let theta = theta.unwrap_or(default_theta);
    let factor = || match of("factor").and_then(Value::as_f64) {
        Some(factor) if factor > 0.0 => Ok(factor),
        _ => bail!(Corrupted, "config.json scales rotary positions without a factor"),
    };
    match of("rope_type").or_else(|| of("type")).and_then(Value::as_str).unwrap_or("default") {
        "default" => Ok(Rope::new(head_dim, theta)),
        "linear" => Ok(Rope::new(head_dim, theta).scaled_linearly(factor()?)),
        // GTE's own: a larger base, and then all angles smaller.
        "ntk" => {
            let factor = factor()?;
            Ok(Rope::new(head_dim, theta * factor).scaled_linearly(factor.powf(2.0 / head_dim as f64)))
        }
        other => {
            bail!(NotSupported, "rotary positions scaled as \"{other}\" are not supported; known: default, linear, ntk")
        }
    }
}
