//! SmolLM 3 (Bakouch et al. 2025), some of whose layers know no positions (Yang et al. 2025).

use pgml_core::{Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::decoder::{self, IGNORED, Kind, PLAIN};
use super::{Encoder, Heads, read};

/// SmolLM 3.
pub static SMOLLM3: Encoder = Encoder {
    model_types: &["smollm3"],
    prefix: "model",
    ignored: IGNORED,
    load: |config, source| decoder::load(config, source, &Kind { turns, theta: 2_000_000.0, ..PLAIN }),
    head: Some(Heads::DECODER),
};

#[derive(Deserialize)]
struct Own {
    /// In spite of its name: 1 where a layer has positions.
    no_rope_layers: Option<Vec<u8>>,
    no_rope_layer_interval: Option<usize>,
}

fn turns(config: &Value, layer: usize) -> Result<bool> {
    let own: Own = read(config)?;
    let listed = own.no_rope_layers.as_ref().map(|layers| layers.get(layer).copied());
    match (listed, (layer + 1).checked_rem(own.no_rope_layer_interval.unwrap_or(4))) {
        (Some(Some(turns)), _) => Ok(turns != 0),
        (None, Some(place)) => Ok(place != 0),
        _ => bail!(Corrupted, "config.json of the model does not say whether layer {layer} knows positions"),
    }
}
