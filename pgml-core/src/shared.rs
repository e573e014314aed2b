//! Values that are read where they lie: in a vector, or in a file that many processes have mapped.
#![expect(unsafe_code, reason = "views into memory that something else keeps are pointers")]

use std::any::Any;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Types without padding, of which every sequence of bits is a value: what may be read straight from bytes.
///
/// # Safety
/// That must be true of the type.
pub unsafe trait Plain: Copy + Send + Sync + 'static {}

// SAFETY: numbers.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above; NaN has many bit patterns, which are all values.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for f64 {}

/// Memory that other processes have too, for instance a mapped file.
///
/// # Safety
/// `bytes` gives the same slice, with the same content, as long as the value lives, wherever it is moved to.
pub unsafe trait Region: Send + Sync + 'static {
    /// The bytes.
    fn bytes(&self) -> &[u8];
}

/// An immutable array that is cheap to clone: a vector, or a part of a [`Region`] without a copy of it.
///
/// It reads as a slice does, at the same speed.
pub struct Shared<T> {
    start: *const T,
    len: usize,
    /// Whether the memory is this process's alone.
    private: bool,
    keeper: Arc<dyn Any + Send + Sync>,
}

// SAFETY: as a shared slice of `T`, which `keeper` holds.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Deref for Shared<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `keeper` holds these values and never moves or changes them.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl<T> Shared<T> {
    /// Bytes of this process's own memory that the values take: 0 where other processes share them.
    #[must_use]
    pub fn private_bytes(&self) -> usize {
        if self.private { size_of_val::<[T]>(self) } else { 0 }
    }
}

impl Shared<u8> {
    /// All bytes of `region`.
    #[must_use]
    pub fn of_region(region: impl Region) -> Self {
        let region = Arc::new(region);
        let (start, len) = (region.bytes().as_ptr(), region.bytes().len());
        Self { start, len, private: false, keeper: region }
    }
}

impl<T: Plain> Shared<T> {
    /// Some of the values, in the same place; `None` when `range` is not within them.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        let start = self.get(range)?;
        Some(Self { start: start.as_ptr(), len: start.len(), ..self.clone() })
    }

    /// The same bytes as values of another type, in the same place; `None` when they are not aligned for it, or are no
    /// whole number of values.
    #[must_use]
    pub fn cast<U: Plain>(&self) -> Option<Shared<U>> {
        let bytes = size_of_val::<[T]>(self);
        let start = self.start.cast::<U>();
        // An empty array has no address worth keeping, and may have one that fits nothing.
        if bytes == 0 {
            return Some(Shared::default());
        }
        (start.is_aligned() && bytes.is_multiple_of(size_of::<U>())).then(|| Shared {
            start,
            len: bytes / size_of::<U>(),
            private: self.private,
            keeper: Arc::clone(&self.keeper),
        })
    }

    /// The bytes of the values, in this machine's order.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: plain values are initialised bytes without padding.
        unsafe { std::slice::from_raw_parts(self.start.cast(), size_of_val::<[T]>(self)) }
    }
}

impl<T: Send + Sync + 'static> From<Vec<T>> for Shared<T> {
    fn from(values: Vec<T>) -> Self {
        let keeper = Arc::new(values);
        Self { start: keeper.as_ptr(), len: keeper.len(), private: true, keeper }
    }
}

impl<T: Send + Sync + 'static> Default for Shared<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T: Send + Sync + 'static> FromIterator<T> for Shared<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        values.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { keeper: Arc::clone(&self.keeper), ..*self }
    }
}

impl<'a, T> IntoIterator for &'a Shared<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    static GONE: AtomicBool = AtomicBool::new(false);

    /// Eight-byte words, so that the alignment is known; tells when it is dropped.
    struct Words(Vec<u64>);

    // SAFETY: the vector is never changed, and its buffer stays where it is.
    unsafe impl Region for Words {
        fn bytes(&self) -> &[u8] {
            // SAFETY: initialised words, as bytes.
            unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), 8 * self.0.len()) }
        }
    }

    impl Drop for Words {
        fn drop(&mut self) {
            GONE.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_view_is_read_in_place_and_keeps_its_region() {
        let region = Shared::of_region(Words(vec![1.5_f64.to_bits(), (-2.0_f64).to_bits(), 7]));
        let floats = region.slice(0..16).and_then(|bytes| bytes.cast::<f64>()).expect("aligned");
        assert_eq!(*floats, [1.5, -2.0]);
        assert_eq!(floats.as_ptr().cast(), region.as_ptr());
        assert_eq!((floats.private_bytes(), region.private_bytes()), (0, 0));
        drop(region);
        assert!(!GONE.load(Ordering::SeqCst));
        let again = floats.clone();
        drop(floats);
        assert_eq!(again[1], -2.0);
        drop(again);
        assert!(GONE.load(Ordering::SeqCst));
    }

    #[test]
    fn what_is_misaligned_out_of_range_or_no_whole_number_is_no_view() {
        let bytes = Shared::from(vec![0_u64; 4]).cast::<u8>().expect("bytes have no alignment");
        assert!(bytes.slice(4..12).expect("within").cast::<f64>().is_none(), "misaligned");
        assert!(bytes.slice(4..12).expect("within").cast::<f32>().is_some());
        assert!(bytes.slice(0..12).expect("within").cast::<f64>().is_none(), "one and a half");
        assert!(bytes.slice(30..33).is_none(), "out of range");
        assert!(bytes.slice(1..1).expect("empty").cast::<f64>().expect("nothing").is_empty());
    }

    #[test]
    fn a_vector_counts_as_memory_of_its_own() {
        let values: Shared<f64> = (0..10).map(f64::from).collect();
        assert_eq!((values.private_bytes(), values.as_bytes().len()), (80, 80));
        assert_eq!(values.clone(), values);
        assert_eq!(values.iter().sum::<f64>(), 45.0);
    }
}
