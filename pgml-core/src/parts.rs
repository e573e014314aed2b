//! What a model is made of when it is not running: named arrays and a little JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::shared::Plain;
use crate::{Error, ErrorKind, Result, Shared, bail};

/// One stored array, in row-major order, with its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The length of each dimension.
    pub shape: Vec<usize>,
    /// The values.
    pub data: ArrayData,
}

/// The values of an [`Array`], which may lie in a mapped file.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrayData {
    /// 32-bit floats.
    F32(Shared<f32>),
    /// 64-bit floats.
    F64(Shared<f64>),
    /// 32-bit signed integers.
    I32(Shared<i32>),
    /// 32-bit unsigned integers.
    U32(Shared<u32>),
    /// 64-bit unsigned integers.
    U64(Shared<u64>),
    /// Bytes.
    U8(Shared<u8>),
}

impl ArrayData {
    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::U8(v) => v.len(),
        }
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A type that an [`Array`] can hold.
pub trait Element: Plain {
    /// Wraps values.
    fn wrap(values: Shared<Self>) -> ArrayData;
    /// The values, if they are of this type.
    fn unwrap(data: &ArrayData) -> Option<&Shared<Self>>;
}

macro_rules! elements {
    ($($type:ty => $variant:ident),+) => {$(
        impl Element for $type {
            fn wrap(values: Shared<Self>) -> ArrayData {
                ArrayData::$variant(values)
            }
            fn unwrap(data: &ArrayData) -> Option<&Shared<Self>> {
                match data {
                    ArrayData::$variant(values) => Some(values),
                    _ => None,
                }
            }
        }
    )+};
}
elements!(f32 => F32, f64 => F64, i32 => I32, u32 => U32, u64 => U64, u8 => U8);

/// The stored form of a model: arrays by name, and a JSON object for what is no array.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parts {
    /// Arrays by name.
    pub arrays: BTreeMap<String, Array>,
    /// Everything else.
    pub meta: Map<String, Value>,
}

impl Parts {
    /// Parts without content.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an array of one dimension.
    #[must_use]
    pub fn with<T: Element>(self, name: &str, values: Vec<T>) -> Self {
        let shape = vec![values.len()];
        self.with_shape(name, shape, values)
    }

    /// Adds an array of the given shape, whose product is the number of values.
    #[must_use]
    pub fn with_shape<T: Element>(self, name: &str, shape: Vec<usize>, values: Vec<T>) -> Self {
        self.with_shared(name, shape, values.into())
    }

    /// Adds an array of the given shape without copying it.
    #[must_use]
    pub fn with_shared<T: Element>(mut self, name: &str, shape: Vec<usize>, values: Shared<T>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len(), "shape of array {name}");
        self.arrays.insert(name.to_owned(), Array { shape, data: T::wrap(values) });
        self
    }

    /// Adds a value that is no array.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the value has no JSON form.
    pub fn with_meta<T: Serialize>(mut self, name: &str, value: &T) -> Result<Self> {
        let value = serde_json::to_value(value)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("model state \"{name}\" has no JSON form: {e}")))?;
        self.meta.insert(name.to_owned(), value);
        Ok(self)
    }

    /// Adds the parts of a model within this one: all their names with `prefix` before them.
    #[must_use]
    pub fn with_nested(mut self, prefix: &str, parts: Self) -> Self {
        self.arrays.extend(parts.arrays.into_iter().map(|(name, array)| (format!("{prefix}{name}"), array)));
        self.meta.extend(parts.meta.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)));
        self
    }

    /// The parts that [`Parts::with_nested`] added, under their own names.
    #[must_use]
    pub fn nested(&self, prefix: &str) -> Self {
        let own = |name: &String| name.strip_prefix(prefix).map(str::to_owned);
        // Arrays are in the order of their names, so those of one model stand together.
        let arrays =
            self.arrays.range(prefix.to_owned()..).map_while(|(name, array)| Some((own(name)?, array.clone())));
        let meta = self.meta.iter().filter_map(|(name, value)| Some((own(name)?, value.clone())));
        Self { arrays: arrays.collect(), meta: meta.collect() }
    }

    /// The array `name`, whatever its shape.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when it is missing or of another type.
    pub fn array<T: Element>(&self, name: &str) -> Result<&[T]> {
        self.found(name).map(|values| &**values)
    }

    /// The array `name`, to be kept without copying it. A model of many numbers is then read where its file is mapped.
    ///
    /// # Errors
    /// As [`Parts::array`].
    pub fn shared<T: Element>(&self, name: &str) -> Result<Shared<T>> {
        self.found(name).cloned()
    }

    /// The array `name`, which must have `len` values, to be kept without copying it.
    ///
    /// # Errors
    /// As [`Parts::array_of`].
    pub fn shared_of<T: Element>(&self, name: &str, len: usize) -> Result<Shared<T>> {
        self.array_of::<T>(name, len)?;
        self.shared(name)
    }

    fn found<T: Element>(&self, name: &str) -> Result<&Shared<T>> {
        let Some(array) = self.arrays.get(name) else {
            bail!(Corrupted, "stored model has no array \"{name}\"");
        };
        T::unwrap(&array.data)
            .ok_or_else(|| Error::new(ErrorKind::Corrupted, format!("stored array \"{name}\" has the wrong type")))
    }

    /// The array `name`, which must have `len` values.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when it is missing, of another type or of another length.
    pub fn array_of<T: Element>(&self, name: &str, len: usize) -> Result<&[T]> {
        let values = self.array::<T>(name)?;
        if values.len() != len {
            bail!(Corrupted, "stored array \"{name}\" has {} values, expected {len}", values.len());
        }
        Ok(values)
    }

    /// The value `name` that is no array.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when it is missing or of another form.
    pub fn meta<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let Some(value) = self.meta.get(name) else {
            bail!(Corrupted, "stored model has no value \"{name}\"");
        };
        T::deserialize(value)
            .map_err(|e| Error::new(ErrorKind::Corrupted, format!("stored value \"{name}\" is malformed: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_comes_back() {
        let parts = Parts::new().with("coef", vec![1.0_f64, 2.0]).with_meta("classes", &3_usize).expect("JSON");
        assert_eq!(parts.array::<f64>("coef"), Ok(&[1.0, 2.0][..]));
        assert_eq!(parts.meta::<usize>("classes"), Ok(3));
    }

    #[test]
    fn models_within_a_model_keep_apart() {
        let one = Parts::new().with("coef", vec![1.0_f64]).with_meta("n", &1).expect("JSON");
        let two = Parts::new().with("coef", vec![2.0_f64]).with("more", vec![3_u32]);
        let all = Parts::new().with("m", vec![0_u8]).with_nested("m1.", one.clone()).with_nested("m10.", two.clone());
        assert_eq!((all.nested("m1."), all.nested("m10.")), (one, two));
        assert_eq!(all.nested("m2."), Parts::new());
    }

    #[test]
    fn a_missing_mistyped_or_short_array_is_corruption() {
        let parts = Parts::new().with("coef", vec![1.0_f64, 2.0]);
        for error in [
            parts.array::<f64>("intercept").expect_err("missing"),
            parts.array::<f32>("coef").expect_err("mistyped"),
            parts.array_of::<f64>("coef", 3).expect_err("short"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
        }
    }
}
