//! Reading `config.json`.

use pgml_core::{Error, ErrorKind, Result, bail, error::unknown_name};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kernels::Activation;

/// The fields of an architecture's configuration.
///
/// # Errors
/// [`ErrorKind::Corrupted`], naming the field.
pub fn read<T: DeserializeOwned>(config: &Value) -> Result<T> {
    T::deserialize(config)
        .map_err(|e| Error::new(ErrorKind::Corrupted, format!("config.json of the model cannot be used: {e}")))
}

/// An activation by its name in `config.json`.
///
/// # Errors
/// [`ErrorKind::NotSupported`], listing what is known.
pub fn activation(name: &str) -> Result<Activation> {
    Ok(match name {
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Activation::GeluTanh,
        "silu" | "swish" => Activation::Silu,
        "relu" => Activation::Relu,
        "tanh" => Activation::Tanh,
        "linear" => Activation::Identity,
        other => {
            let known =
                ["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "silu", "swish", "relu", "tanh", "linear"];
            return Err(unknown_name(ErrorKind::NotSupported, "activation", other, known));
        }
    })
}

/// How many words the vocabulary has.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when it is not said.
pub fn vocabulary(config: &Value) -> Result<usize> {
    match config.get("vocab_size").and_then(Value::as_u64) {
        Some(n) => Ok(n as usize),
        None => bail!(Corrupted, "config.json of the model has no vocab_size"),
    }
}

/// Checks that heads divide the width.
///
/// # Errors
/// [`ErrorKind::Corrupted`], with both numbers.
pub fn check_heads(width: usize, n_heads: usize) -> Result<()> {
    if n_heads == 0 || !width.is_multiple_of(n_heads) {
        bail!(Corrupted, "hidden size {width} is no multiple of {n_heads} heads");
    }
    Ok(())
}

/// Checks a field that changes what is computed: absent, null, or one of the values that are `known` here.
///
/// # Errors
/// [`ErrorKind::NotSupported`], naming field and value.
pub fn only(config: &Value, field: &str, known: &[Value]) -> Result<()> {
    match config.get(field) {
        None | Some(Value::Null) => Ok(()),
        Some(value) if known.contains(value) => Ok(()),
        Some(value) => {
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            bail!(NotSupported, "{field} {value} is not supported; known: {}", known.join(", "))
        }
    }
}
