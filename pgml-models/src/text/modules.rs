//! What a sentence-transformers folder says beside the checkpoint: `modules.json` and the files it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pgml_core::{Result, bail};
use serde::Deserialize;

use super::{read_json, read_json_if_there};
use crate::checkpoint::Checkpoint;
use crate::device::Placement;
use crate::kernels::Activation;
use crate::nn::{Linear, Pooling, Source};

/// What happens to a sequence's activations, in order.
pub(crate) enum Step {
    /// One vector per sequence, several poolings side by side; whether the prompt's tokens count.
    Pooling { poolings: Vec<Pooling>, with_prompt: bool },
    /// A fully connected layer and its outputs.
    Dense { layer: Box<Linear>, outputs: usize },
    /// Scaled to length 1.
    Normalize,
}

/// A model's folder, read.
pub(crate) struct Modules {
    /// Where the checkpoint lies.
    pub transformer: PathBuf,
    pub steps: Vec<Step>,
    /// Most tokens of a text, where the folder says so.
    pub max_seq_length: Option<usize>,
    /// Texts to put in front of inputs, by name.
    pub prompts: BTreeMap<String, String>,
    pub default_prompt_name: Option<String>,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct TransformerConfig {
    max_seq_length: Option<usize>,
}

#[derive(Deserialize, Default)]
struct Prompts {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

#[derive(Deserialize)]
struct DenseConfig {
    in_features: usize,
    out_features: usize,
    activation_function: Option<String>,
}

impl Modules {
    /// Reads `modules.json` and what it names; a plain checkpoint gets mean pooling, as sentence-transformers does it.
    pub(crate) fn read(folder: &Path, placement: &Placement) -> Result<Self> {
        let Prompts { prompts, default_prompt_name } =
            read_json_if_there(&folder.join("config_sentence_transformers.json"))?.unwrap_or_default();
        let Some(modules) = read_json_if_there::<Vec<Module>>(&folder.join("modules.json"))? else {
            let steps = vec![Step::Pooling { poolings: vec![Pooling::Mean], with_prompt: true }];
            return Ok(Self {
                transformer: folder.to_owned(),
                steps,
                max_seq_length: None,
                prompts,
                default_prompt_name,
            });
        };
        let Some((first, rest)) = modules.split_first().filter(|(first, _)| kind(first) == "Transformer") else {
            bail!(NotSupported, "the model's modules.json does not begin with a Transformer");
        };
        let transformer = inside(folder, &first.path)?;
        Ok(Self {
            steps: rest
                .iter()
                .filter_map(|module| Step::read(folder, module, placement).transpose())
                .collect::<Result<_>>()?,
            max_seq_length: max_seq_length(&transformer)?,
            transformer,
            prompts,
            default_prompt_name,
        })
    }
}

impl Step {
    fn read(folder: &Path, module: &Module, placement: &Placement) -> Result<Option<Self>> {
        let folder = inside(folder, &module.path)?;
        Ok(Some(match kind(module) {
            "Pooling" => pooling(&read_json(&folder.join("config.json"))?)?,
            "Dense" => dense(&folder, placement)?,
            "Normalize" => Self::Normalize,
            // Active in training only.
            "Dropout" => return Ok(None),
            other => bail!(
                NotSupported,
                "the model has a module \"{other}\"; known: Transformer, Pooling, Dense, Dropout, Normalize"
            ),
        }))
    }
}

/// `sentence_transformers.models.Pooling` is a `Pooling`.
fn kind(module: &Module) -> &str {
    module.kind.rsplit('.').next().unwrap_or_default()
}

/// A folder that `modules.json` names; nothing outside the model's own is read.
fn inside(folder: &Path, path: &str) -> Result<PathBuf> {
    let safe =
        !path.contains('\\') && Path::new(path).components().all(|c| matches!(c, std::path::Component::Normal(_)));
    if !safe {
        bail!(Corrupted, "the model's modules.json names \"{path}\", which is outside its folder");
    }
    Ok(folder.join(path))
}

fn pooling(config: &serde_json::Map<String, serde_json::Value>) -> Result<Step> {
    let with_prompt = config.get("include_prompt").and_then(serde_json::Value::as_bool).unwrap_or(true);
    if let Some(mode) = config.get("pooling_mode").and_then(serde_json::Value::as_str) {
        return Ok(Step::Pooling { poolings: vec![Pooling::named(mode)?], with_prompt });
    }
    // The older form: one switch per mode; several give their vectors side by side, in this order.
    let switches = [
        ("pooling_mode_cls_token", Pooling::Cls),
        ("pooling_mode_max_tokens", Pooling::Max),
        ("pooling_mode_mean_tokens", Pooling::Mean),
        ("pooling_mode_mean_sqrt_len_tokens", Pooling::MeanSqrtLen),
        ("pooling_mode_weightedmean_tokens", Pooling::WeightedMean),
        ("pooling_mode_lasttoken", Pooling::LastToken),
    ];
    let is_on = |name: &str| config.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false);
    let poolings: Vec<Pooling> =
        switches.into_iter().filter(|(name, _)| is_on(name)).map(|(_, pooling)| pooling).collect();
    if poolings.is_empty() {
        bail!(NotSupported, "the model's pooling has no mode that is known");
    }
    Ok(Step::Pooling { poolings, with_prompt })
}

fn dense(folder: &Path, placement: &Placement) -> Result<Step> {
    let config: DenseConfig = read_json(&folder.join("config.json"))?;
    let activation = match config.activation_function.as_deref().map(|name| name.rsplit('.').next().unwrap_or(name)) {
        None | Some("Tanh") => Activation::Tanh,
        Some("Identity") => Activation::Identity,
        Some("GELU") => Activation::Gelu,
        Some("ReLU") => Activation::Relu,
        Some("SiLU") => Activation::Silu,
        Some(other) => bail!(NotSupported, "the model's dense layer has activation \"{other}\""),
    };
    let checkpoint = Checkpoint::open(folder)?;
    let source = Source { weights: checkpoint.weights().at("linear"), placement };
    let layer = Linear::load(&source, config.in_features, config.out_features)?.with_activation(activation);
    checkpoint.all_used(&[])?;
    Ok(Step::Dense { layer: Box::new(layer), outputs: config.out_features })
}

/// Most tokens of a text, where the folder of a checkpoint says so.
pub(crate) fn max_seq_length(folder: &Path) -> Result<Option<usize>> {
    let config: Option<TransformerConfig> = read_json_if_there(&folder.join("sentence_bert_config.json"))?;
    Ok(config.and_then(|config| config.max_seq_length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_outside_the_model_are_refused() {
        for path in ["../other", "/etc", "a/../../b"] {
            assert!(inside(Path::new("model"), path).is_err(), "{path}");
        }
        assert_eq!(inside(Path::new("model"), "").expect("itself"), Path::new("model"));
    }

    #[test]
    fn several_poolings_stand_side_by_side_in_the_fields_order() {
        let config = serde_json::json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true});
        let Ok(Step::Pooling { poolings, with_prompt }) = pooling(config.as_object().expect("an object")) else {
            panic!("a pooling")
        };
        assert_eq!((poolings, with_prompt), (vec![Pooling::Cls, Pooling::Mean], true));
    }
}
