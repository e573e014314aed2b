//! The types of tensors.

use pgml_core::{Result, bail};

use super::OlderFormat;
use crate::kernels::BlockFormat;

/// What a tensor is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an IEEE single.
    Bf16,
    /// Blocks that are computed with as they are.
    Blocks(BlockFormat),
    /// Blocks of a format that is only read.
    Older(OlderFormat),
}

/// Every type that is known, with its number in files.
const KNOWN: [(u32, Element); 11] = [
    (0, Element::F32),
    (1, Element::F16),
    (2, Element::Blocks(BlockFormat::Q4_0)),
    (3, Element::Older(OlderFormat::Q4_1)),
    (6, Element::Older(OlderFormat::Q5_0)),
    (7, Element::Older(OlderFormat::Q5_1)),
    (8, Element::Blocks(BlockFormat::Q8_0)),
    (12, Element::Blocks(BlockFormat::Q4K)),
    (13, Element::Blocks(BlockFormat::Q5K)),
    (14, Element::Blocks(BlockFormat::Q6K)),
    (30, Element::Bf16),
];

/// Names of types that are not read, for errors.
const UNKNOWN: [(u32, &str); 20] = [
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

impl Element {
    /// Finds a type by its number; `tensor` is whose it is.
    pub(super) fn numbered(number: u32, tensor: &str) -> Result<Self> {
        if let Some((_, element)) = KNOWN.iter().find(|(known, _)| *known == number) {
            return Ok(*element);
        }
        let name = UNKNOWN.iter().find(|(known, _)| *known == number);
        let name = name.map_or_else(|| format!("number {number}"), |(_, name)| (*name).to_owned());
        let known: Vec<&str> = KNOWN.iter().map(|(_, element)| element.name()).collect();
        bail!(NotSupported, "tensor \"{tensor}\" of the GGUF file is of type {name}; known: {}", known.join(", "))
    }

    /// Its number in files.
    #[cfg(test)]
    pub(super) fn number(self) -> u32 {
        KNOWN.iter().find(|(_, element)| *element == self).map_or(0, |(number, _)| *number)
    }

    /// Its name in GGUF.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Blocks(format) => format.name(),
            Self::Older(format) => format.name(),
        }
    }

    /// Numbers that are stored together.
    #[must_use]
    pub fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Blocks(format) => format.block_len(),
            Self::Older(_) => OlderFormat::LEN,
        }
    }

    /// Bytes that these take.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Blocks(format) => format.block_bytes(),
            Self::Older(format) => format.block_bytes(),
        }
    }
}
