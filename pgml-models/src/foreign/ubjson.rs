//! Universal Binary JSON, draft 12, as XGBoost writes it: with optimised containers, big endian.

use pgml_core::{Result, bail};

use super::document::Document;

/// Containers in containers: XGBoost needs eight.
const MAX_DEPTH: usize = 32;

/// Reads one document. Never allocates more than a small multiple of `bytes`.
///
/// # Errors
/// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) with the position.
pub fn read(bytes: &[u8]) -> Result<Document> {
    let mut reader = Reader { bytes, at: 0 };
    let document = reader.value(0)?;
    if reader.at != bytes.len() {
        bail!(Corrupted, "the model ends at byte {} of {}", reader.at, bytes.len());
    }
    Ok(document)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let Some(taken) = self.bytes.get(self.at..).and_then(|rest| rest.get(..n)) else {
            bail!(Corrupted, "the model breaks off at byte {}, where {n} more are needed", self.at);
        };
        self.at += n;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_if(&mut self, marker: u8) -> bool {
        let found = self.peek() == Some(marker);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Document> {
        let marker = loop {
            let marker = self.byte()?;
            // `N` stands for nothing, not even a value.
            if marker != b'N' {
                break marker;
            }
        };
        self.value_of(marker, depth)
    }

    fn value_of(&mut self, marker: u8, depth: usize) -> Result<Document> {
        Ok(match marker {
            b'Z' => Document::Null,
            b'T' => Document::Number(1.0),
            b'F' => Document::Number(0.0),
            b'C' => Document::Text(char::from(self.byte()?).to_string()),
            b'S' | b'H' => Document::Text(self.text()?),
            b'[' => self.array(depth)?,
            b'{' => self.object(depth)?,
            number => Document::Number(self.number(number)?),
        })
    }

    fn number(&mut self, marker: u8) -> Result<f64> {
        let Some(size) = number_size(marker) else {
            bail!(Corrupted, "byte {} of the model is {marker:#04x}, which starts no value", self.at - 1);
        };
        Ok(number(marker, self.take(size)?))
    }

    fn length(&mut self) -> Result<usize> {
        let marker = self.byte()?;
        let length = if b"iUIlL".contains(&marker) { self.number(marker)? } else { -1.0 };
        // No length beyond what follows can be true, whatever it counts: so it is safe to allocate for.
        if length < 0.0 || length > (self.bytes.len() - self.at) as f64 {
            bail!(Corrupted, "byte {} of the model gives no valid length", self.at);
        }
        Ok(length as usize)
    }

    fn text(&mut self) -> Result<String> {
        let length = self.length()?;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    /// The type and the number of items that an optimised container starts with.
    fn header(&mut self, depth: usize) -> Result<(Option<u8>, Option<usize>)> {
        if depth >= MAX_DEPTH {
            bail!(Corrupted, "the model nests more than {MAX_DEPTH} containers at byte {}", self.at);
        }
        let kind = if self.skip_if(b'$') { Some(self.byte()?) } else { None };
        let count = if self.skip_if(b'#') { Some(self.length()?) } else { None };
        // A type without a payload would make many items of no bytes.
        if kind.is_some_and(|kind| count.is_none() || b"ZTFN".contains(&kind)) {
            bail!(Corrupted, "the container at byte {} has a type without a count or payload", self.at);
        }
        Ok((kind, count))
    }

    fn array(&mut self, depth: usize) -> Result<Document> {
        let (kind, count) = self.header(depth)?;
        if let (Some(kind), Some(count)) = (kind, count)
            && let Some(size) = number_size(kind)
        {
            let bytes = self.take(count.saturating_mul(size))?;
            return Ok(Document::Numbers(bytes.chunks_exact(size).map(|b| number(kind, b)).collect()));
        }
        let mut items = Vec::new();
        while self.more(count, items.len()) {
            items.push(match kind {
                Some(kind) => self.value_of(kind, depth + 1)?,
                None => self.value(depth + 1)?,
            });
        }
        Ok(Document::array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Document> {
        let (kind, count) = self.header(depth)?;
        let mut entries = Vec::new();
        while if count.is_some() { self.more(count, entries.len()) } else { !self.skip_if(b'}') } {
            let key = self.text()?;
            let value = match kind {
                Some(kind) => self.value_of(kind, depth + 1)?,
                None => self.value(depth + 1)?,
            };
            entries.push((key, value));
        }
        Ok(Document::Object(entries))
    }

    fn more(&mut self, count: Option<usize>, done: usize) -> bool {
        match count {
            Some(count) => done < count,
            None => !self.skip_if(b']'),
        }
    }
}

fn number_size(marker: u8) -> Option<usize> {
    Some(match marker {
        b'i' | b'U' => 1,
        b'I' => 2,
        b'l' | b'd' => 4,
        b'L' | b'D' => 8,
        _ => return None,
    })
}

/// A number of the type `marker`, of which `bytes` has the size.
fn number(marker: u8, bytes: &[u8]) -> f64 {
    let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    match marker {
        b'i' => f64::from(bits as u8 as i8),
        b'U' => f64::from(bits as u8),
        b'I' => f64::from(bits as u16 as i16),
        b'l' => f64::from(bits as u32 as i32),
        b'L' => bits as i64 as f64,
        b'd' => f64::from(f32::from_bits(bits as u32)),
        _ => f64::from_bits(bits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let bytes = b"{i\x01aSi\x02hii\x01bTi\x01c[$d#i\x02\x3f\x80\0\0\xc0\0\0\0i\x01d[i\xffI\x01\0l\0\0\0\x07]i\x01e[Si\x01x{}]}";
        let document = read(bytes).expect("valid");
        assert_eq!(document.text("a"), Ok("hi"));
        assert_eq!(document.count("b"), Ok(1));
        assert_eq!(document.numbers("c"), Ok(&[1.0, -2.0][..]));
        assert_eq!(document.numbers("d"), Ok(&[-1.0, 256.0, 7.0][..]));
        assert_eq!(document.list("e").map(<[Document]>::len), Ok(2));
    }

    #[test]
    fn lengths_that_the_bytes_cannot_hold_are_refused_before_memory_is_taken() {
        for bytes in [
            &b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff\0"[..],
            b"[$Z#l\x7f\xff\xff\xff",
            b"SL\0\0\0\x01\0\0\0\0",
            b"[#l\x7f\xff\xff\xff",
            b"[$d#i\x05\0\0",
            b"{i\x01",
            b"",
            b"Si\xfex",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert!(read(&[b'['; 1000]).is_err(), "deep nesting");
    }
}
