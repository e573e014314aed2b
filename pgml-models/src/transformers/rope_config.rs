//! How positions turn queries and keys, in the forms that `config.json` has had.

use std::f64::consts::PI;

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
        "llama3" => Ok(llama3(Rope::new(head_dim, theta), &Llama3::read(&of, factor()?)?)),
        "yarn" => yarn(config, &of, head_dim, theta, factor()?),
        other => bail!(
            NotSupported,
            "rotary positions scaled as \"{other}\" are not supported; known: default, linear, ntk, llama3, yarn"
        ),
    }
}

/// Reads one field of the scaling.
type Field<'a> = &'a dyn Fn(&str) -> Option<&'a Value>;

fn number(of: Field<'_>, name: &str) -> Option<f64> {
    of(name).and_then(Value::as_f64).filter(|x| x.is_finite())
}

/// How LLaMA 3.1 scales: long waves by the factor, short ones not at all.
struct Llama3 {
    factor: f64,
    low: f64,
    high: f64,
    original: f64,
}

impl Llama3 {
    fn read(of: Field<'_>, factor: f64) -> Result<Self> {
        let needed = |name: &str| match number(of, name) {
            Some(value) if value > 0.0 => Ok(value),
            _ => bail!(Corrupted, "config.json scales rotary positions as \"llama3\" without {name}"),
        };
        let (low, high) = (needed("low_freq_factor")?, needed("high_freq_factor")?);
        if high <= low {
            bail!(Corrupted, "high_freq_factor {high} of rotary positions is not above low_freq_factor {low}");
        }
        Ok(Self { factor, low, high, original: needed("original_max_position_embeddings")? })
    }
}

fn llama3(rope: Rope, scaling: &Llama3) -> Rope {
    rope.changed(|_, frequency| {
        // Waves of this kind that fit into the original length.
        let waves = scaling.original * frequency / (2.0 * PI);
        let kept = ((waves - scaling.low) / (scaling.high - scaling.low)).clamp(0.0, 1.0);
        (1.0 - kept) * frequency / scaling.factor + kept * frequency
    })
}

/// YaRN (Peng et al. 2023): as LLaMA 3.1's, with a ramp over the dimensions, and attention made sharper.
fn yarn(config: &Value, of: Field<'_>, head_dim: usize, theta: f64, factor: f64) -> Result<Rope> {
    let original = number(of, "original_max_position_embeddings")
        .or_else(|| config.get("max_position_embeddings").and_then(Value::as_f64));
    let Some(original) = original.filter(|length| *length > 0.0) else {
        bail!(Corrupted, "config.json scales rotary positions as \"yarn\" without original_max_position_embeddings");
    };
    let (fast, slow) = (number(of, "beta_fast").unwrap_or(32.0), number(of, "beta_slow").unwrap_or(1.0));
    let dimension = |turns: f64| head_dim as f64 * (original / (turns * 2.0 * PI)).ln() / (2.0 * theta.ln());
    let truncated = of("truncate").and_then(Value::as_bool).unwrap_or(true);
    let (mut low, mut high) = (dimension(fast), dimension(slow));
    if truncated {
        (low, high) = (low.floor(), high.ceil());
    }
    (low, high) = (low.max(0.0), high.min(head_dim as f64 - 1.0));
    if high <= low {
        high = low + 0.001;
    }
    let sharpness = |scale: f64, weight: f64| if scale <= 1.0 { 1.0 } else { 0.1 * weight * scale.ln() + 1.0 };
    let attention = match (number(of, "attention_factor"), number(of, "mscale"), number(of, "mscale_all_dim")) {
        (Some(attention), _, _) => attention,
        (None, Some(own), Some(all)) if own != 0.0 && all != 0.0 => sharpness(factor, own) / sharpness(factor, all),
        _ => sharpness(factor, 1.0),
    };
    let rope = Rope::new(head_dim, theta).changed(|i, frequency| {
        let slowed = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
        slowed * frequency / factor + (1.0 - slowed) * frequency
    });
    Ok(rope.stretched(attention))
}
