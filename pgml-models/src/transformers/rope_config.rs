//! How positions turn queries and keys, in the forms that `config.json` has had.

use std::f64::consts::PI;

use pgml_core::{Result, bail};
use serde_json::Value;

use crate::nn::Rope;

/// The rotation of one kind of layers, which turns whole heads.
///
/// `rope_parameters` (transformers 5) holds `rope_theta` and the scaling, for all layers or for each `layer_type`; before,
/// the base stood under `old_name` and the scaling under `rope_scaling`, which left sliding layers alone.
///
/// # Errors
/// [`NotSupported`](pgml_core::ErrorKind::NotSupported), naming a scaling that is not known;
/// [`Corrupted`](pgml_core::ErrorKind::Corrupted) for heads that cannot be turned in pairs.
pub(super) fn rope(config: &Value, head_dim: usize, layer_type: &str, theta: (&str, f64)) -> Result<Rope> {
    read(config, head_dim, layer_type, theta, None)
}

/// The rotation of layers that turn a part of each head: that part stands under the second old name, or is the default.
///
/// # Errors
/// Those of [`rope`].
pub(super) fn partial_rope(config: &Value, head_dim: usize, theta: (&str, f64), part: (&str, f64)) -> Result<Rope> {
    read(config, head_dim, "full_attention", theta, Some(part))
}

fn read(
    config: &Value,
    head_dim: usize,
    layer_type: &str,
    (old_name, default_theta): (&str, f64),
    part: Option<(&str, f64)>,
) -> Result<Rope> {
    let given = |name: &str| config.get(name).filter(|value| value.is_object());
    let parameters =
        given("rope_parameters").map(|all| all.get(layer_type).filter(|own| own.is_object()).unwrap_or(all));
    let scaling = parameters.or_else(|| given("rope_scaling").filter(|_| layer_type != "sliding_attention"));
    let of = |name: &str| scaling.and_then(|scaling| scaling.get(name)).filter(|value| !value.is_null());
    for name in ["mixed_b", "short_mscale", "long_mscale"] {
        if let Some(value) = of(name) {
            bail!(NotSupported, "{name} {value} of rotary positions is not supported");
        }
    }
    let share = of("partial_rotary_factor").and_then(Value::as_f64);
    let turned = match part {
        None if share.is_none_or(|share| share == 1.0) => head_dim,
        None => bail!(NotSupported, "partial_rotary_factor of rotary positions is not supported for this architecture"),
        Some((old_name, default)) => {
            let share = share.or_else(|| config.get(old_name).and_then(Value::as_f64)).unwrap_or(default);
            (head_dim as f64 * share.clamp(0.0, 1.0)) as usize
        }
    };
    if turned == 0 || !turned.is_multiple_of(2) {
        bail!(Corrupted, "rotary positions cannot turn {turned} of {head_dim} dimensions of a head");
    }
    let theta =
        parameters.and_then(|own| own.get("rope_theta")).or_else(|| config.get(old_name)).and_then(Value::as_f64);
    let theta = theta.unwrap_or(default_theta);
    let factor = || match of("factor").and_then(Value::as_f64) {
        Some(factor) if factor > 0.0 => Ok(factor),
        _ => bail!(Corrupted, "config.json scales rotary positions without a factor"),
    };
    let rope = match of("rope_type").or_else(|| of("type")).and_then(Value::as_str).unwrap_or("default") {
        "default" => Rope::new(turned, theta),
        // Its base grows with texts beyond max_position_embeddings, which are longer than the model reads here.
        "dynamic" => Rope::new(turned, theta),
        "linear" => Rope::new(turned, theta).scaled_linearly(factor()?),
        // GTE's own: a larger base, and then all angles smaller.
        "ntk" => {
            let factor = factor()?;
            Rope::new(turned, theta * factor).scaled_linearly(factor.powf(2.0 / turned as f64))
        }
        "llama3" => llama3(Rope::new(turned, theta), &Llama3::read(&of, factor()?)?),
        // Phi-3 has called it by three names.
        "longrope" | "su" => long_rope(config, &of, turned, theta)?,
        "yarn" if of("short_factor").is_some() => long_rope(config, &of, turned, theta)?,
        "yarn" => yarn(config, &of, turned, theta, factor()?)?,
        other => bail!(
            NotSupported,
            "rotary positions scaled as \"{other}\" are not supported; known: default, linear, dynamic, ntk, llama3, \
             longrope, su, yarn"
        ),
    };
    Ok(rope.within(head_dim))
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

/// LongRoPE (Ding et al. 2024): a factor for each angle, others for texts beyond the original length, and attention made
/// sharper by how much longer texts may be now.
fn long_rope(config: &Value, of: Field<'_>, turned: usize, theta: f64) -> Result<Rope> {
    let whole = |name: &str| config.get(name).and_then(Value::as_f64);
    let original = number(of, "original_max_position_embeddings").or_else(|| whole("original_max_position_embeddings"));
    let Some(original) = original.filter(|length| *length > 1.0) else {
        bail!(
            Corrupted,
            "config.json scales rotary positions as \"longrope\" without original_max_position_embeddings"
        );
    };
    let scaled = |name: &str| -> Result<Rope> {
        let factors: Vec<f64> =
            of(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_f64).collect();
        if factors.len() != turned / 2 || !factors.iter().all(|factor| factor.is_finite() && *factor > 0.0) {
            bail!(Corrupted, "{name} of rotary positions needs {} numbers above zero", turned / 2);
        }
        Ok(Rope::new(turned, theta).changed(|i, frequency| frequency / factors[i]))
    };
    let factor = number(of, "factor").or_else(|| whole("max_position_embeddings").map(|longest| longest / original));
    let attention = match (number(of, "attention_factor"), factor) {
        (Some(attention), _) => attention,
        (None, Some(factor)) if factor > 1.0 => (1.0 + factor.ln() / original.ln()).sqrt(),
        _ => 1.0,
    };
    Ok(scaled("short_factor")?.beyond(original as usize, scaled("long_factor")?).stretched(attention))
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
