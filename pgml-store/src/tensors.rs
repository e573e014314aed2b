//! Arrays of a model as safetensors bytes.

use std::borrow::Cow;

use pgml_core::parts::{Array, ArrayData};
use pgml_core::{Error, ErrorKind, Parts, Result, bail};
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

/// Reads the arrays back. Everything is validated against the number of bytes before anything is allocated.
///
/// # Errors
/// [`ErrorKind::Corrupted`] when the bytes are no safetensors file, or hold a type that pgml does not store.
pub fn decode(bytes: &[u8]) -> Result<Parts> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::new(ErrorKind::Corrupted, format!("stored arrays are no safetensors file: {e}")))?;
    let mut parts = Parts::new();
    for (name, tensor) in tensors.iter() {
        let array = Array { shape: tensor.shape().to_vec(), data: values(name, &tensor)? };
        parts.arrays.insert(name.to_owned(), array);
    }
    Ok(parts)
}

fn values(name: &str, tensor: &TensorView<'_>) -> Result<ArrayData> {
    let bytes = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::F32 => ArrayData::F32(words(bytes, f32::from_le_bytes)),
        Dtype::F64 => ArrayData::F64(words(bytes, f64::from_le_bytes)),
        Dtype::I32 => ArrayData::I32(words(bytes, i32::from_le_bytes)),
        Dtype::U32 => ArrayData::U32(words(bytes, u32::from_le_bytes)),
        Dtype::U8 => ArrayData::U8(bytes.to_vec()),
        other => bail!(Corrupted, "stored array \"{name}\" has type {other:?}, which pgml does not store"),
    })
}

fn words<T, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|word| read(*word)).collect()
}

struct Stored<'a>(&'a Array);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self.0.data {
            ArrayData::F32(_) => Dtype::F32,
            ArrayData::F64(_) => Dtype::F64,
            ArrayData::I32(_) => Dtype::I32,
            ArrayData::U32(_) => Dtype::U32,
            ArrayData::U8(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.0.data {
            ArrayData::F32(v) => Cow::Owned(v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            ArrayData::F64(v) => Cow::Owned(v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            ArrayData::I32(v) => Cow::Owned(v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            ArrayData::U32(v) => Cow::Owned(v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            ArrayData::U8(v) => Cow::Borrowed(v),
        }
    }

    fn data_len(&self) -> usize {
        let width = match self.0.data {
            ArrayData::F64(_) => 8,
            ArrayData::F32(_) | ArrayData::I32(_) | ArrayData::U32(_) => 4,
            ArrayData::U8(_) => 1,
        };
        self.0.data.len() * width
    }
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
            .with("raw", vec![0_u8, 255])
    }

    #[test]
    fn every_type_comes_back_bit_for_bit_and_from_equal_bytes() {
        let bytes = encode(&sample()).expect("encodes");
        assert_eq!(decode(&bytes), Ok(sample()));
        assert_eq!(encode(&sample()), Ok(bytes));
    }

    #[test]
    fn a_type_that_pgml_does_not_store_is_refused_by_name() {
        let view = TensorView::new(Dtype::F16, vec![1], &[0, 0]).expect("a view");
        let bytes = serialize([("half", view)], None).expect("a file");
        let error = decode(&bytes).expect_err("f16");
        assert!(error.message().contains("\"half\" has type F16"), "{error}");
    }

    #[test]
    fn a_truncated_file_is_corruption() {
        let bytes = encode(&sample()).expect("encodes");
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]).map_err(|e| e.kind()), Err(ErrorKind::Corrupted), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn no_flipped_bit_makes_the_reader_panic(at in 0_usize..1000, bit in 0_u8..8) {
            let mut bytes = encode(&sample())?;
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let _ = decode(&bytes);
        }
    }
}
