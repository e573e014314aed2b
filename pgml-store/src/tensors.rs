//! Arrays of a model as safetensors bytes.
//!
//! Arrays are read where they lie in the file, which `safetensors` pads so that they are aligned.

use std::borrow::Cow;

use pgml_core::parts::{Array, ArrayData};
use pgml_core::shared::Plain;
use pgml_core::{Error, ErrorKind, Parts, Result, Shared, bail};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View, serialize};

/// The arrays of `parts` as a safetensors file. Equal arrays give equal bytes.
///
/// # Errors
/// [`ErrorKind::Internal`] when an array's shape does not match its values.
pub fn encode(parts: &Parts) -> Result<Vec<u8>> {
    for (name, array) in &parts.arrays {
        if array.shape.iter().product::<usize>() != array.data.len() {
            bail!(Internal, "array \"{name}\" of shape {:?} has {} values", array.shape, array.data.len());
        }
    }
    let arrays = parts.arrays.iter().map(|(name, array)| (name.as_str(), Stored(array)));
    serialize(arrays, None).map_err(|e| Error::new(ErrorKind::Internal, format!("arrays have no stored form: {e}")))
}

/// Reads the arrays back, in place where their alignment allows it. Everything is validated against the number of bytes
/// before anything is allocated.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when the bytes are no safetensors file, or hold a type that pgml does not store.
pub fn decode(bytes: &Shared<u8>) -> Result<Parts> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::new(ErrorKind::Corrupted, format!("stored arrays are no safetensors file: {e}")))?;
    let mut parts = Parts::new();
    for (name, tensor) in tensors.iter() {
        let array = Array { shape: tensor.shape().to_vec(), data: values(name, &tensor, bytes)? };
        parts.arrays.insert(name.to_owned(), array);
    }
    Ok(parts)
}

fn values(name: &str, tensor: &TensorView<'_>, file: &Shared<u8>) -> Result<ArrayData> {
    let data = tensor.data();
    let start = data.as_ptr().addr().wrapping_sub(file.as_ptr().addr());
    let Some(bytes) = file.slice(start..start.wrapping_add(data.len())) else {
        bail!(Corrupted, "stored array \"{name}\" lies outside its file");
    };
    Ok(match tensor.dtype() {
        Dtype::F32 => ArrayData::F32(words(&bytes, f32::from_le_bytes)),
        Dtype::F64 => ArrayData::F64(words(&bytes, f64::from_le_bytes)),
        Dtype::I32 => ArrayData::I32(words(&bytes, i32::from_le_bytes)),
        Dtype::U32 => ArrayData::U32(words(&bytes, u32::from_le_bytes)),
        Dtype::U64 => ArrayData::U64(words(&bytes, u64::from_le_bytes)),
        Dtype::U8 => ArrayData::U8(bytes),
        other => bail!(Corrupted, "stored array \"{name}\" has type {other:?}, which pgml does not store"),
    })
}

/// The numbers that `bytes` are: in place where this machine has the file's order of bytes and they are aligned.
fn words<T: Plain, const N: usize>(bytes: &Shared<u8>, read: impl Fn([u8; N]) -> T) -> Shared<T> {
    let in_place = if cfg!(target_endian = "little") { bytes.cast() } else { None };
    in_place.unwrap_or_else(|| bytes.as_chunks::<N>().0.iter().map(|word| read(*word)).collect())
}

struct Stored<'a>(&'a Array);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self.0.data {
            ArrayData::F32(_) => Dtype::F32,
            ArrayData::F64(_) => Dtype::F64,
            ArrayData::I32(_) => Dtype::I32,
            ArrayData::U32(_) => Dtype::U32,
            ArrayData::U64(_) => Dtype::U64,
            ArrayData::U8(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.0.data {
            ArrayData::F32(v) => stored(v, |x| x.to_le_bytes()),
            ArrayData::F64(v) => stored(v, |x| x.to_le_bytes()),
            ArrayData::I32(v) => stored(v, |x| x.to_le_bytes()),
            ArrayData::U32(v) => stored(v, |x| x.to_le_bytes()),
            ArrayData::U64(v) => stored(v, |x| x.to_le_bytes()),
            ArrayData::U8(v) => Cow::Borrowed(v),
        }
    }

    fn data_len(&self) -> usize {
        let width = match self.0.data {
            ArrayData::F64(_) | ArrayData::U64(_) => 8,
            ArrayData::F32(_) | ArrayData::I32(_) | ArrayData::U32(_) => 4,
            ArrayData::U8(_) => 1,
        };
        self.0.data.len() * width
    }
}

fn stored<T: Plain, const N: usize>(values: &Shared<T>, write: impl Fn(&T) -> [u8; N]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(values.as_bytes());
    }
    Cow::Owned(values.iter().flat_map(write).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Parts {
        Parts::new()
            .with("empty", Vec::<f32>::new())
            .with_shape("coef", vec![2, 2], vec![1.0_f64, -0.0, f64::INFINITY, 5e-324])
            .with("leaf", vec![0.1_f32, f32::MIN])
            .with("feature", vec![-1_i32, i32::MAX])
            .with("child", vec![u32::MAX])
            .with("node", vec![u64::MAX, 1])
            .with("raw", vec![0_u8, 255])
    }

    #[test]
    fn every_type_comes_back_bit_for_bit_and_from_equal_bytes() {
        let bytes = encode(&sample()).expect("encodes");
        assert_eq!(encode(&sample()), Ok(bytes.clone()));
        assert_eq!(decode(&bytes.into()), Ok(sample()));
    }

    #[test]
    fn arrays_are_read_in_place_and_copied_only_where_they_are_misaligned() {
        let file: Shared<u8> = encode(&sample()).expect("encodes").into();
        let parts = decode(&file).expect("decodes");
        let within = |address: usize| file.as_ptr_range().contains(&std::ptr::without_provenance(address));
        assert!(within(parts.array::<f64>("coef").expect("coef").as_ptr().addr()));
        assert!(within(parts.array::<u64>("node").expect("node").as_ptr().addr()));
        assert!(within(parts.array::<f32>("leaf").expect("leaf").as_ptr().addr()));

        let shifted: Vec<u8> = std::iter::once(0).chain(file.iter().copied()).collect();
        let misaligned = Shared::from(shifted).slice(1..1 + file.len()).expect("within");
        assert_eq!(decode(&misaligned), Ok(sample()));
    }

    #[test]
    fn a_type_that_pgml_does_not_store_is_refused_by_name() {
        let view = TensorView::new(Dtype::F16, vec![1], &[0, 0]).expect("a view");
        let bytes = serialize([("half", view)], None).expect("a file");
        let error = decode(&bytes.into()).expect_err("f16");
        assert!(error.message().contains("\"half\" has type F16"), "{error}");
    }

    #[test]
    fn a_truncated_file_is_corruption() {
        let bytes = encode(&sample()).expect("encodes");
        for length in 0..bytes.len() {
            assert_eq!(
                decode(&bytes[..length].to_vec().into()).map_err(|e| e.kind()),
                Err(ErrorKind::Corrupted),
                "{length} bytes"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes.into());
        }

        #[test]
        fn no_flipped_bit_makes_the_reader_panic(at in 0_usize..1000, bit in 0_u8..8) {
            let mut bytes = encode(&sample())?;
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let _ = decode(&bytes.into());
        }
    }
}
