//! What a template may use up.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// The longest that a template runs. Real ones take a thousandth of it.
const MOST_TIME: Duration = Duration::from_secs(1);
/// How deep lists and maps may be nested: far from the end of the stack for whatever walks through them.
const MOST_NESTED: usize = 100;
/// What an element costs beside its text.
const ELEMENT: usize = 32;
/// A key that namespaces are known by. No template can name it.
pub(super) const NAMESPACE: &str = " namespace";

/// The bytes that a template may still make, whether it keeps them or not, and the time that it has.
#[derive(Debug)]
pub(super) struct Meter {
    bytes: AtomicUsize,
    /// The longest text: as a list of letters it takes far more.
    longest: usize,
    end: Instant,
}

impl Meter {
    pub fn new(bytes: usize, longest: usize) -> Self {
        Self { bytes: AtomicUsize::new(bytes), longest, end: Instant::now() + MOST_TIME }
    }

    /// Takes off the `bytes` of one text or list.
    pub fn charge(&self, bytes: usize) -> Result<(), Error> {
        let left = self.bytes.load(Ordering::Relaxed);
        let Some(left) = left.checked_sub(bytes).filter(|_| bytes <= self.longest) else {
            return Err(Error::new(ErrorKind::InvalidOperation, "it makes too much text"));
        };
        if Instant::now() > self.end {
            return Err(Error::new(ErrorKind::InvalidOperation, "it takes too long"));
        }
        self.bytes.store(left, Ordering::Relaxed);
        Ok(())
    }

    /// Takes off what a value and everything in it costs, which also bounds what comparing or writing it costs.
    pub fn weigh(&self, value: &Value) -> Result<(), Error> {
        self.weigh_at(value, 0)
    }

    /// As [`Meter::weigh`], for what is put into a namespace: no namespace may, or one could contain itself.
    pub fn weigh_part(&self, value: &Value) -> Result<(), Error> {
        self.weigh_at(value, 1)
    }

    fn weigh_at(&self, value: &Value, depth: usize) -> Result<(), Error> {
        self.charge(ELEMENT + value.as_str().map_or(0, str::len))?;
        if depth > MOST_NESTED {
            return Err(Error::new(ErrorKind::InvalidOperation, "it nests lists too deep"));
        }
        match value.kind() {
            ValueKind::Seq => {
                for item in value.try_iter()? {
                    self.weigh_at(&item, depth + 1)?;
                }
            }
            ValueKind::Map => {
                if depth > 0 && value.get_attr(NAMESPACE).is_ok_and(|mark| mark.is_true()) {
                    return Err(Error::new(ErrorKind::InvalidOperation, "it puts a namespace into a value"));
                }
                for key in value.try_iter()? {
                    self.weigh_at(&key, depth + 1)?;
                    self.weigh_at(&value.get_item(&key)?, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A value as text.
    pub fn text(&self, value: &Value) -> Result<String, Error> {
        let mut text = Text { meter: self, text: String::new(), error: None };
        match (write!(text, "{value}"), text.error) {
            (_, Some(error)) => Err(error),
            (Err(_), None) => Err(Error::new(ErrorKind::WriteFailure, "a value has no text")),
            (Ok(()), None) => Ok(text.text),
        }
    }
}

/// Text that grows only as far as the meter allows.
struct Text<'a> {
    meter: &'a Meter,
    text: String,
    error: Option<Error>,
}

impl Write for Text<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        match self.meter.charge(part.len()) {
            Ok(()) => self.text.push_str(part),
            Err(error) => {
                self.error = Some(error);
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}
