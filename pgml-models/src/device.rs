//! Where tensors live and in which form: the only file that knows back ends by name.

use burn::tensor::Device;
use pgml_core::text::ModelSpec;
use pgml_core::{Error, ErrorKind, Result, bail};

pub use crate::kernels::Precision;
use crate::nn::{Hidden, Matrix};

/// Where a model's weights go, and in which form.
#[derive(Debug, Clone)]
pub struct Placement {
    device: Device,
    on_host: bool,
    precision: Precision,
}

impl Placement {
    /// The placement that a specification asks for; the CPU where it names no device.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for an unknown device, [`ErrorKind::NotSupported`] for one that this build or this
    /// machine does not have, or a precision that the device does not compute with.
    pub fn of(spec: &ModelSpec) -> Result<Self> {
        let precision = precision(spec)?;
        let placement = Self::on(spec.device.as_deref().unwrap_or("auto"))?;
        if !placement.on_host && precision != Precision::F32 {
            bail!(NotSupported, "{precision:?} weights run on the CPU only");
        }
        Ok(Self { precision, ..placement })
    }

    /// 32-bit floats on a device by its name.
    ///
    /// # Errors
    /// As for [`Placement::of`].
    pub fn on(device: &str) -> Result<Self> {
        let (kind, index) = split_index(device)?;
        match kind {
            "auto" | "cpu" => Ok(Self::cpu()),
            "flex" => Ok(Self { on_host: false, ..Self::cpu() }),
            "wgpu" => Ok(Self { device: wgpu(index)?, on_host: false, precision: Precision::F32 }),
            "cuda" | "tch" => Err(not_built(kind)),
            _ => Err(Error::new(ErrorKind::InvalidParameter, format!("unknown device \"{device}\""))
                .with_detail("known: auto, cpu, wgpu, wgpu:N, cuda, cuda:N, tch")),
        }
    }

    /// 32-bit floats on the CPU, with the fused kernels.
    #[must_use]
    pub fn cpu() -> Self {
        Self { device: Device::flex(), on_host: true, precision: Precision::F32 }
    }

    /// The device of tensors.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether activations stay in plain memory, for the fused kernels.
    #[must_use]
    pub fn on_host(&self) -> bool {
        self.on_host
    }

    /// A matrix where the model's activations are.
    #[must_use]
    pub fn place(&self, matrix: Matrix) -> Hidden {
        let hidden = Hidden::Host(matrix);
        if self.on_host { hidden } else { Hidden::Device(hidden.into_tensor(&self.device)) }
    }

    /// The type that weights of matrices have.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }
}

fn precision(spec: &ModelSpec) -> Result<Precision> {
    match (spec.quantization.as_deref(), spec.dtype.as_deref()) {
        (Some("int8"), _) => Ok(Precision::Int8),
        (Some(other), _) => bail!(InvalidParameter, "unknown quantization \"{other}\"; known: int8"),
        (None, None | Some("f32")) => Ok(Precision::F32),
        (None, Some("bf16")) => Ok(Precision::Bf16),
        (None, Some(other)) => bail!(NotSupported, "models do not run in {other} here; known: f32, bf16"),
    }
}

/// `wgpu:1` is ("wgpu", 1).
fn split_index(device: &str) -> Result<(&str, usize)> {
    match device.split_once(':') {
        None => Ok((device, 0)),
        Some((kind, index)) => match index.parse() {
            Ok(index) => Ok((kind, index)),
            Err(_) => bail!(InvalidParameter, "the number in device \"{device}\" is no whole number"),
        },
    }
}

fn not_built(kind: &str) -> Error {
    Error::new(ErrorKind::NotSupported, format!("this build has no device \"{kind}\""))
        .with_hint(format!("build pgml-worker with the cargo feature \"{kind}\", or use device \"cpu\""))
}

/// A real graphics card: software rasterisers do not count unless the environment asks for them in tests.
#[cfg(feature = "wgpu")]
fn wgpu(index: usize) -> Result<Device> {
    use burn::tensor::DeviceKind;
    if std::env::var_os("PGML_SOFTWARE_GPU").is_some() {
        return Ok(Device::wgpu(DeviceKind::Cpu));
    }
    let cards = Device::enumerate_physical();
    if index >= cards.len() {
        bail!(NotSupported, "device \"wgpu:{index}\" does not exist: this machine has {} graphics cards", cards.len());
    }
    Ok(Device::wgpu(DeviceKind::DiscreteGpu(index)))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(_: usize) -> Result<Device> {
    Err(not_built("wgpu"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_are_not_there_are_errors_with_a_way_out() {
        for (device, message) in [
            ("cuda:1", "this build has no device \"cuda\""),
            ("tpu", "unknown device \"tpu\""),
            ("wgpu:x", "the number in device \"wgpu:x\" is no whole number"),
        ] {
            assert_eq!(Placement::on(device).expect_err(device).message(), message);
        }
    }

    #[test]
    fn the_precision_follows_from_quantization_and_dtype() {
        let spec = |dtype: Option<&str>, quantization: Option<&str>| ModelSpec {
            dtype: dtype.map(str::to_owned),
            quantization: quantization.map(str::to_owned),
            ..ModelSpec::named("m")
        };
        let of = |spec: &ModelSpec| Placement::of(spec).map(|placement| placement.precision());
        assert_eq!(of(&spec(None, None)), Ok(Precision::F32));
        assert_eq!(of(&spec(Some("bf16"), None)), Ok(Precision::Bf16));
        assert_eq!(of(&spec(Some("bf16"), Some("int8"))), Ok(Precision::Int8));
    }
}
