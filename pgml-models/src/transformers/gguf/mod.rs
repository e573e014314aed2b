//! What llama.cpp calls things in GGUF files that checkpoints of transformers call otherwise: keys of the configuration, names
//! of tensors, and forms of a few of them. Learnt from `convert_hf_to_gguf.py` of llama.cpp.

mod layouts;
mod names;
mod settings;

use pgml_core::{ErrorKind, Result, bail, error::unknown_name};
use serde_json::{Map, Value, json};

use crate::checkpoint::{Change, Renamed};
use crate::gguf::{self, Gguf, Tensor};
use layouts::LAYOUTS;
use names::Name;
use settings::Key;

/// One architecture of llama.cpp.
pub struct Layout {
    /// `general.architecture`.
    name: &'static str,
    /// What transformers calls it.
    model_type: &'static str,
    /// Whether a file is one, where llama.cpp has several under one name.
    is: fn(&File<'_>) -> bool,
    /// What its metadata has of `config.json`.
    keys: &'static [&'static [Key]],
    /// What `config.json` has beside.
    rest: fn(&File<'_>, &mut Map<String, Value>) -> Result<()>,
    /// Tensors outside of layers.
    outside: &'static [Name],
    /// Where layers stand.
    layers: &'static str,
    /// Tensors of a layer; the first list that has one says what it is.
    inside: &'static [&'static [Name]],
    /// How the tensor of this name in the file is changed.
    change: fn(&File<'_>, &str) -> Change,
}

/// A file, and the architecture that its keys begin with.
pub struct File<'a> {
    gguf: &'a Gguf<'a>,
    architecture: &'static str,
}

/// By what LLaMA 3.1 and Phi-3 divide the frequencies of rotary positions: no weights.
const ROPE_FACTORS: [&str; 3] = ["rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"];

/// Finds the layout of a file.
///
/// # Errors
/// [`ErrorKind::Corrupted`] without `general.architecture`; [`ErrorKind::NotSupported`], listing what is known.
pub fn layout(gguf: &Gguf<'_>) -> Result<&'static Layout> {
    let Some(name) = gguf.text("general.architecture") else {
        bail!(Corrupted, "the GGUF file has no general.architecture");
    };
    let is = |layout: &&Layout| layout.name == name && (layout.is)(&File { gguf, architecture: layout.name });
    LAYOUTS.iter().find(is).ok_or_else(|| {
        let mut known: Vec<&str> = LAYOUTS.iter().map(|layout| layout.name).collect();
        known.dedup();
        unknown_name(ErrorKind::NotSupported, "architecture of GGUF files", name, known)
    })
}

impl Layout {
    /// What `config.json` of the same model says.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] for what the file says and no architecture here does.
    pub fn config(&self, gguf: &Gguf<'_>) -> Result<Map<String, Value>> {
        let file = File { gguf, architecture: self.name };
        let mut config = Map::new();
        config.insert("model_type".to_owned(), self.model_type.into());
        for (key, field) in self.keys.iter().copied().flatten() {
            if let Some(value) = file.number(key)? {
                config.insert((*field).to_owned(), value);
            }
        }
        // The table's own size is what counts: some files have no vocab_size, some a wrong one.
        if let Some(words) = gguf.tensor("token_embd.weight") {
            config.insert("vocab_size".to_owned(), words.shape.first().copied().unwrap_or(0).into());
        }
        (self.rest)(&file, &mut config)?;
        settings::scale_by_factors(&file, &mut config)?;
        // What llama.cpp takes where a file does not say it, whatever transformers takes for this architecture.
        config.entry("rope_theta").or_insert_with(|| 10_000.0.into());
        Ok(config)
    }

    /// The weights under the names of transformers.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] for a tensor that should be several and is not.
    pub fn tensors(&self, gguf: &Gguf<'_>) -> Result<Vec<Renamed>> {
        let file = File { gguf, architecture: self.name };
        let mut renamed = Vec::new();
        for (name, tensor) in gguf.tensors().filter(|(name, _)| !ROPE_FACTORS.contains(name)) {
            // Under its own name it is left over in the end, and named.
            let (new, change) = self.rename(&file, name).unwrap_or_else(|| (name.to_owned(), Change::None));
            let Some(several) = Several::of(&new, tensor) else {
                renamed.push(Renamed { name: new, tensor: tensor.clone(), change });
                continue;
            };
            let Some(parts) = tensor.parts(several.n) else {
                bail!(Corrupted, "tensor \"{name}\" of the GGUF file, {:?}, is not several in one", tensor.shape);
            };
            renamed.extend(parts.enumerate().map(|(i, tensor)| Renamed { name: several.name(i), tensor, change }));
        }
        Ok(renamed)
    }

    /// What a checkpoint of transformers calls the tensor `name`, and how it has it.
    fn rename(&self, file: &File<'_>, name: &str) -> Option<(String, Change)> {
        let (tensor, kind) = name.rsplit_once('.')?;
        let (new, tensor) = match tensor.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            Some((layer, tensor)) => {
                let new = self.inside.iter().find_map(|names| find(names, tensor))?;
                (format!("{}.{layer}.{new}.{kind}", self.layers), tensor)
            }
            None => (format!("{}.{kind}", find(self.outside, tensor)?), tensor),
        };
        Some(match (self.change)(file, tensor) {
            // A bias has no columns.
            Change::Transposed if kind == "bias" => (new, Change::None),
            change => (new, change),
        })
    }
}

/// The tensors of a checkpoint that are one in a file.
struct Several<'a> {
    n: usize,
    before: &'a str,
    /// Nothing for numbers.
    names: Vec<&'a str>,
    after: &'a str,
}

impl<'a> Several<'a> {
    /// As `name` says: with a star for the number of an expert, or names in braces.
    fn of(name: &'a str, tensor: &Tensor) -> Option<Self> {
        if let Some((before, after)) = name.split_once('*') {
            return Some(Self { n: tensor.shape.first().copied().unwrap_or(0), before, names: Vec::new(), after });
        }
        let (before, rest) = name.split_once('{')?;
        let (names, after) = rest.split_once('}')?;
        let names: Vec<&str> = names.split(',').collect();
        Some(Self { n: names.len(), before, names, after })
    }

    fn name(&self, i: usize) -> String {
        let Self { before, names, after, .. } = self;
        match names.get(i) {
            Some(name) => format!("{before}{name}{after}"),
            None => format!("{before}{i}{after}"),
        }
    }
}

/// The other name of a tensor; that of one of several experts has its number in it.
fn find(names: &[Name], tensor: &str) -> Option<String> {
    if let Some((_, new)) = names.iter().find(|(known, _)| *known == tensor) {
        return Some((*new).to_owned());
    }
    let (stem, expert) = tensor.rsplit_once('.')?;
    expert.parse::<usize>().ok()?;
    let (_, new) = names.iter().find(|(known, _)| known.strip_suffix(".*") == Some(stem))?;
    Some(new.replace('*', expert))
}

impl File<'_> {
    fn get(&self, key: &str) -> Option<&gguf::Value<'_>> {
        self.gguf.get(&format!("{}.{key}", self.architecture))
    }

    /// Whether there is a tensor of this name.
    fn has(&self, tensor: &str) -> bool {
        self.gguf.tensor(tensor).is_some()
    }

    /// A number as `config.json` has it.
    fn number(&self, key: &str) -> Result<Option<Value>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        if let Some(array) = value.as_array() {
            let mut numbers = array.numbers().into_iter().flatten();
            let first = numbers.next();
            return match first {
                Some(first) if numbers.all(|number| number == first) && first >= 0.0 => Ok(Some(json!(first as u64))),
                _ => bail!(NotSupported, "layers with another {key} each, as in this GGUF file, are not supported"),
            };
        }
        Ok(match value.as_u64() {
            Some(number) => Some(number.into()),
            // As exact as it was meant: 1e-5 and not what the nearest 32-bit float is.
            None => value.as_f64().and_then(|number| (number as f32).to_string().parse::<f64>().ok()).map(Value::from),
        })
    }

    fn count(&self, key: &str) -> usize {
        let number = self.number(key).ok().flatten().and_then(|number| number.as_u64());
        number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
    }

    fn n_kv_heads(&self) -> usize {
        match self.count("attention.head_count_kv") {
            0 => self.count("attention.head_count"),
            n_kv_heads => n_kv_heads,
        }
    }

    /// Of a head, where all heads together are as wide as the model.
    fn head_width(&self) -> usize {
        self.count("embedding_length").checked_div(self.count("attention.head_count")).unwrap_or(0)
    }

    /// The numbers of a tensor of single precision.
    fn floats(&self, tensor: &str) -> Option<Vec<f32>> {
        let tensor = self.gguf.tensor(tensor).filter(|tensor| tensor.element == gguf::Element::F32)?;
        let (numbers, _) = self.gguf.bytes(tensor).as_chunks();
        Some(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}
