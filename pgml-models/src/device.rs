//! Where tensors live and in which form: the only file that knows back ends by name.

use std::fmt;

use burn::tensor::Device;
use pgml_core::text::ModelSpec;
use pgml_core::{Error, ErrorKind, Result, bail};

#[cfg(feature = "wgpu")]
mod card;

pub use crate::kernels::{BlockFormat, Precision};
use crate::nn::{Hidden, Matrix};

/// A device by the one name that every way of asking for it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceName {
    /// The processor, with the fused kernels.
    Cpu,
    /// The processor, with the tensor operations that all other devices run. For tests.
    Flex,
    /// A graphics card by its number: discrete ones first, then those that are part of a processor or virtual.
    Card(usize),
    /// A Vulkan driver that computes on the processor. Slow, and so never chosen unasked: for tests.
    Software,
}

impl DeviceName {
    /// The device that a specification asks for. `auto`, or none, is the first graphics card if this build and this machine
    /// have one that computes with the numbers asked for, else the CPU.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] for a name that is none, [`ErrorKind::NotSupported`] for a device that this build
    /// does not have.
    pub fn of(spec: &ModelSpec) -> Result<Self> {
        let name = spec.device.as_deref().unwrap_or("auto").trim().to_lowercase();
        let (kind, which) = name.split_once(':').map_or((&*name, None), |(kind, which)| (kind, Some(which)));
        match (kind, which) {
            ("auto", None) if precision(spec)? == Precision::F32 && card::exists(Self::Card(0)) => Ok(Self::Card(0)),
            ("auto" | "cpu", None) => Ok(Self::Cpu),
            ("flex", None) => Ok(Self::Flex),
            ("wgpu", None) => Ok(Self::Card(0)),
            ("wgpu", Some("software")) => Ok(Self::Software),
            ("wgpu", Some(number)) => match number.parse() {
                Ok(number) => Ok(Self::Card(number)),
                Err(_) => bail!(InvalidParameter, "the number in device \"{name}\" is no whole number"),
            },
            ("cuda" | "tch", _) => Err(not_supported(kind)),
            _ => Err(Error::new(ErrorKind::InvalidParameter, format!("unknown device \"{name}\""))
                .with_detail("known: auto, cpu, wgpu, wgpu:N")),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Flex => f.write_str("flex"),
            Self::Card(number) => write!(f, "wgpu:{number}"),
            Self::Software => f.write_str("wgpu:software"),
        }
    }
}

/// Where a model's weights go, and in which form.
#[derive(Debug, Clone)]
pub struct Placement {
    device: Device,
    name: DeviceName,
    precision: Precision,
}

impl Placement {
    /// The placement that a specification asks for. The device is there and works when this returns.
    ///
    /// # Errors
    /// Those of [`DeviceName::of`]; [`ErrorKind::NotSupported`] for a device that this machine does not have, or a precision
    /// that it does not compute with.
    pub fn of(spec: &ModelSpec) -> Result<Self> {
        let (name, precision) = (DeviceName::of(spec)?, precision(spec)?);
        if name != DeviceName::Cpu && precision != Precision::F32 {
            let message = format!("{precision:?} weights run on the CPU only, not on device \"{name}\"");
            return Err(Error::new(ErrorKind::NotSupported, message).with_hint(ELSEWHERE));
        }
        let device = match name {
            DeviceName::Cpu | DeviceName::Flex => Device::flex(),
            DeviceName::Card(_) | DeviceName::Software => card::open(name)?,
        };
        Ok(Self { device, name, precision })
    }

    /// The placement of a model that generates text: its 8-bit weights are in small blocks, each with a scale, as in GGUF.
    ///
    /// # Errors
    /// As for [`Placement::of`].
    pub fn of_generator(spec: &ModelSpec) -> Result<Self> {
        let placement = Self::of(spec)?;
        Ok(match placement.precision {
            Precision::Int8 => Self { precision: Precision::Blocks(BlockFormat::Q8_0), ..placement },
            _ => placement,
        })
    }

    /// The placement of an output layer among layers that are here: where others have 4 bits it has 8, as llama.cpp's files
    /// do. It decides between tokens, and often is the table of their vectors too.
    #[must_use]
    pub fn of_output(&self) -> Self {
        let precision = match self.precision {
            Precision::Blocks(BlockFormat::Q4_0) => Precision::Blocks(BlockFormat::Q8_0),
            other => other,
        };
        Self { precision, ..self.clone() }
    }

    /// 32-bit floats on a device by its name.
    ///
    /// # Errors
    /// As for [`Placement::of`].
    pub fn on(device: &str) -> Result<Self> {
        Self::of(&ModelSpec { device: Some(device.to_owned()), ..ModelSpec::named("") })
    }

    /// 32-bit floats on the CPU, with the fused kernels.
    #[must_use]
    pub fn cpu() -> Self {
        Self { device: Device::flex(), name: DeviceName::Cpu, precision: Precision::F32 }
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> DeviceName {
        self.name
    }

    /// The device of tensors.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether activations stay in plain memory, for the fused kernels.
    #[must_use]
    pub fn on_host(&self) -> bool {
        self.name == DeviceName::Cpu
    }

    /// The result of `work` with tensors here. What fails on a graphics card (memory, the driver, the card) does so as a
    /// panic when values are read back at the latest; here it becomes an error.
    ///
    /// # Errors
    /// Those of `work`; [`ErrorKind::OutOfMemory`] or [`ErrorKind::Internal`] when the card fails.
    pub fn attempt<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.name {
            DeviceName::Cpu | DeviceName::Flex => work(),
            DeviceName::Card(_) | DeviceName::Software => card::attempt(work),
        }
    }

    /// What a model has here beside its tensors, for its last field.
    #[must_use]
    pub fn share(&self) -> Share {
        Share(self.clone())
    }

    /// A matrix where the model's activations are.
    #[must_use]
    pub fn place(&self, matrix: Matrix) -> Hidden {
        let hidden = Hidden::Host(matrix);
        if self.on_host() { hidden } else { Hidden::Device(hidden.into_tensor(&self.device)) }
    }

    /// The same with 32-bit floats: for the few weights whose rounding would change what is computed, not only its digits.
    #[must_use]
    pub fn exact(&self) -> Self {
        Self { precision: Precision::F32, ..self.clone() }
    }

    /// The type that weights of matrices have.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }
}

/// Dropped after a model's tensors, it gives their memory back: burn keeps it for later tensors.
#[derive(Debug)]
pub struct Share(Placement);

impl Drop for Share {
    fn drop(&mut self) {
        if matches!(self.0.name, DeviceName::Card(_) | DeviceName::Software) {
            card::give_back(&self.0.device);
        }
    }
}

fn precision(spec: &ModelSpec) -> Result<Precision> {
    match (spec.quantization.as_deref(), spec.dtype.as_deref()) {
        (Some("int8"), _) => Ok(Precision::Int8),
        (Some("int4"), _) => Ok(Precision::Blocks(BlockFormat::Q4_0)),
        (Some(other), _) => bail!(InvalidParameter, "unknown quantization \"{other}\"; known: int8, int4"),
        (None, None | Some("f32")) => Ok(Precision::F32),
        (None, Some("bf16")) => Ok(Precision::Bf16),
        (None, Some("f16")) => Ok(Precision::F16),
        (None, Some(other)) => bail!(NotSupported, "models do not run in {other} here; known: f32, bf16, f16"),
    }
}

const ELSEWHERE: &str = "use device \"cpu\"";

fn not_supported(kind: &str) -> Error {
    Error::new(ErrorKind::NotSupported, format!("device \"{kind}\" is not supported"))
        .with_hint("graphics cards of all makers are device \"wgpu\", through Vulkan; or use device \"cpu\"")
}

/// A device's own failure: `why` may be pages of a shader's source, of which the beginning says what happened.
pub(crate) fn failed(why: &str) -> Error {
    let why: String = why.chars().take(1000).collect();
    let (kind, message, hint) = if why.to_lowercase().contains("memory") {
        let hint = "unload other models (pgml.unload_model), send less at once";
        (ErrorKind::OutOfMemory, "the device has too little memory", hint)
    } else {
        (ErrorKind::Internal, "the device failed", "if it goes on failing, restart the server")
    };
    Error::new(kind, message).with_detail(why).with_hint(format!("{hint}, or {ELSEWHERE}"))
}

/// Builds without graphics cards have the same functions.
#[cfg(not(feature = "wgpu"))]
mod card {
    use super::{Device, DeviceName, ELSEWHERE, Error, ErrorKind, Result};

    pub fn exists(_: DeviceName) -> bool {
        false
    }

    pub fn open(name: DeviceName) -> Result<Device> {
        Err(Error::new(ErrorKind::NotSupported, format!("this build has no device \"{name}\""))
            .with_hint(format!("build pgml-worker with the cargo feature \"wgpu\", or {ELSEWHERE}")))
    }

    pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
        work()
    }

    pub fn give_back(_: &Device) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_are_not_there_are_errors_with_a_way_out() {
        for (device, message) in [
            ("cuda:1", "device \"cuda\" is not supported"),
            ("TPU", "unknown device \"tpu\""),
            ("cpu:1", "unknown device \"cpu:1\""),
            ("wgpu:x", "the number in device \"wgpu:x\" is no whole number"),
        ] {
            assert_eq!(Placement::on(device).expect_err(device).message(), message);
        }
        // No machine has as many, whatever this build can do.
        let error = Placement::on("wgpu:1000").expect_err("no such card");
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        assert!(error.hint().is_some_and(|hint| hint.ends_with("use device \"cpu\"")), "{error}");
    }

    #[test]
    fn every_spelling_of_a_device_comes_to_one_name() {
        let name = |device: Option<&str>, dtype: Option<&str>| {
            let [device, dtype] = [device, dtype].map(|text| text.map(str::to_owned));
            DeviceName::of(&ModelSpec { device, dtype, ..ModelSpec::named("m") }).expect("known").to_string()
        };
        for (device, one_name) in
            [(" CPU", "cpu"), ("wgpu", "wgpu:0"), ("wgpu:3", "wgpu:3"), ("Wgpu:Software", "wgpu:software")]
        {
            assert_eq!(name(Some(device), None), one_name);
        }
        assert_eq!(name(None, None), name(Some("auto"), None));
        assert_eq!(name(None, Some("bf16")), "cpu", "cards compute with 32 bits only");
    }

    #[test]
    fn a_devices_failure_says_what_to_do() {
        let error = failed("wgpu error: Out of Memory");
        assert_eq!((error.kind(), error.detail()), (ErrorKind::OutOfMemory, Some("wgpu error: Out of Memory")));
        assert_eq!(failed("it is gone").kind(), ErrorKind::Internal);
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
