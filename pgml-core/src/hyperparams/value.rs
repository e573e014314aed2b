//! The types that hyperparameters have, read from JSON as clients send it.

use serde_json::Value;

use super::Bounds;

/// A type that a hyperparameter can have.
pub trait ParamValue: Sized {
    /// The type as SQL users know it.
    const KIND: &'static str;
    /// The numbers that the type can hold.
    const HOLDS: Bounds = Bounds::ANY;
    /// The value, or `None` when the JSON is of another type.
    fn read(json: &Value) -> Option<Self>;
    /// The JSON form.
    fn write(&self) -> Value;
}

impl ParamValue for bool {
    const KIND: &'static str = "boolean";
    fn read(json: &Value) -> Option<Self> {
        match json {
            Value::Number(n) if n.as_f64() == Some(0.0) => Some(false),
            Value::Number(n) if n.as_f64() == Some(1.0) => Some(true),
            other => other.as_bool(),
        }
    }
    fn write(&self) -> Value {
        Value::from(*self)
    }
}

/// JavaScript clients send every number as a float: `10.0` is an integer too.
fn integer(json: &Value) -> Option<i64> {
    json.as_i64().or_else(|| {
        // Beyond 2^53 a float no longer tells neighbouring integers apart.
        json.as_f64().filter(|x| x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0).map(|x| x as i64)
    })
}

macro_rules! integer_params {
    ($($type:ty),+) => {$(
        impl ParamValue for $type {
            const KIND: &'static str = "integer";
            const HOLDS: Bounds = Bounds::between(<$type>::MIN as f64, <$type>::MAX as f64);
            fn read(json: &Value) -> Option<Self> {
                integer(json).and_then(|x| Self::try_from(x).ok())
            }
            fn write(&self) -> Value {
                Value::from(*self)
            }
        }
    )+};
}
integer_params!(i32, i64, u32, u64, usize);

impl ParamValue for f64 {
    const KIND: &'static str = "number";
    fn read(json: &Value) -> Option<Self> {
        json.as_f64()
    }
    fn write(&self) -> Value {
        Value::from(*self)
    }
}

impl ParamValue for String {
    const KIND: &'static str = "text";
    fn read(json: &Value) -> Option<Self> {
        json.as_str().map(str::to_owned)
    }
    fn write(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl ParamValue for Vec<String> {
    const KIND: &'static str = "list of texts";
    fn read(json: &Value) -> Option<Self> {
        json.as_array()?.iter().map(String::read).collect()
    }
    fn write(&self) -> Value {
        Value::from(self.as_slice())
    }
}

impl ParamValue for Value {
    const KIND: &'static str = "json";
    fn read(json: &Value) -> Option<Self> {
        Some(json.clone())
    }
    fn write(&self) -> Value {
        self.clone()
    }
}

impl<T: ParamValue> ParamValue for Option<T> {
    const KIND: &'static str = T::KIND;
    const HOLDS: Bounds = T::HOLDS;
    fn read(json: &Value) -> Option<Self> {
        if json.is_null() { Some(None) } else { T::read(json).map(Some) }
    }
    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }
}
