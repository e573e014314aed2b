//! The file of a SentencePiece model, a protocol buffer: of its fields those that tokenizing needs.

use pgml_core::{Error, ErrorKind, Result, bail};

/// More pieces than any known model has; each takes two bytes of the file at least.
const MOST_PIECES: usize = 4 << 20;

/// A model.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub pieces: Vec<Piece>,
    /// How characters are replaced before a text is cut.
    pub charsmap: Option<Vec<u8>>,
    /// Whether what is unknown is written byte by byte.
    pub byte_fallback: bool,
    /// Whether pieces are put together from pairs, best score first, and not chosen for their sum (Sennrich et al. 2016).
    pub is_bpe: bool,
}

/// A piece of text.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub text: String,
    pub score: f32,
    pub kind: Kind,
}

/// What a piece is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Normal,
    Unknown,
    UserDefined,
    /// Controls, bytes, and what is not used: in no text.
    Other,
}

impl Model {
    /// The number of the piece that stands for what is unknown.
    pub fn unknown(&self) -> Result<usize> {
        let found = self.pieces.iter().position(|piece| piece.kind == Kind::Unknown);
        found.ok_or_else(|| Error::new(ErrorKind::Corrupted, "the SentencePiece model has no piece for the unknown"))
    }
}

/// A field's value.
enum Value<'a> {
    Number(u64),
    Float(f32),
    Bytes(&'a [u8]),
    /// Of a type that no field read here has.
    Other,
}

/// Reads a model.
///
/// # Errors
/// [`ErrorKind::Corrupted`] for bytes that are none; [`ErrorKind::NotSupported`] for one of words or of characters.
pub(super) fn model(bytes: &[u8]) -> Result<Model> {
    let mut model = Model::default();
    each(bytes, |field, value| {
        match (field, value) {
            (1, Value::Bytes(inner)) if model.pieces.len() < MOST_PIECES => model.pieces.push(piece(inner)?),
            (1, _) => bail!(Corrupted, "its pieces are none, or too many"),
            (2, Value::Bytes(inner)) => each(inner, |field, value| {
                match (field, value) {
                    (3, Value::Number(kind @ 1..=2)) => model.is_bpe = kind == 2,
                    (3, _) => bail!(NotSupported, "it is neither a unigram model nor one of pairs"),
                    (35, Value::Number(flag)) => model.byte_fallback = flag != 0,
                    _ => {}
                }
                Ok(())
            })?,
            (3, Value::Bytes(inner)) => each(inner, |field, value| {
                if let (2, Value::Bytes(map)) = (field, value) {
                    model.charsmap = (!map.is_empty()).then(|| map.to_vec());
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    if model.pieces.is_empty() {
        bail!(Corrupted, "it has no pieces");
    }
    Ok(model)
}

fn piece(bytes: &[u8]) -> Result<Piece> {
    let mut piece = Piece::default();
    each(bytes, |field, value| {
        match (field, value) {
            (1, Value::Bytes(text)) => match std::str::from_utf8(text) {
                Ok(text) => piece.text = text.to_owned(),
                Err(_) => bail!(Corrupted, "one of its pieces is no UTF-8"),
            },
            (2, Value::Float(score)) if score.is_finite() => piece.score = score,
            (2, _) => bail!(Corrupted, "a score of its pieces is no number"),
            (3, Value::Number(kind)) => {
                piece.kind = match kind {
                    1 => Kind::Normal,
                    2 => Kind::Unknown,
                    4 => Kind::UserDefined,
                    _ => Kind::Other,
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(piece)
}

/// Calls `work` with the number and the value of each field of a message.
fn each<'a>(mut bytes: &'a [u8], mut work: impl FnMut(u64, Value<'a>) -> Result<()>) -> Result<()> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            1 => {
                take(&mut bytes, 8)?;
                Value::Other
            }
            2 => {
                let length = varint(&mut bytes)?;
                Value::Bytes(take(&mut bytes, usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => {
                let four = take(&mut bytes, 4)?;
                Value::Float(f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            }
            _ => bail!(Corrupted, "it is no protocol buffer"),
        };
        work(key >> 3, value)?;
    }
    Ok(())
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Result<&'a [u8]> {
    match bytes.split_at_checked(n) {
        Some((taken, rest)) => {
            *bytes = rest;
            Ok(taken)
        }
        None => bail!(Corrupted, "it ends in the middle"),
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    bail!(Corrupted, "one of its numbers does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One piece "ab" with the score −1.5, another that is unknown, and a map of three bytes.
    const SMALL: &[u8] = &[
        0x0a, 9, 0x0a, 2, b'a', b'b', 0x15, 0, 0, 0xc0, 0xbf, 0x0a, 7, 0x0a, 3, b'u', b'n', b'k', 0x18, 2, 0x12, 2,
        0x18, 1, 0x1a, 5, 0x12, 3, 1, 2, 3,
    ];

    #[test]
    fn a_model_is_read() {
        let read = model(SMALL).expect("a model");
        assert_eq!((read.pieces[0].text.as_str(), read.pieces[0].score), ("ab", -1.5));
        assert_eq!((read.unknown().expect("one"), read.charsmap.as_deref()), (1, Some(&[1, 2, 3][..])));
    }

    #[test]
    fn bytes_that_are_no_model_are_errors_and_no_panics() {
        for n in 0..SMALL.len() {
            drop(model(&SMALL[..n]));
            for byte in 0..=255 {
                let mut changed = SMALL.to_vec();
                changed[n] = byte;
                drop(model(&changed));
            }
        }
        assert_eq!(model(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]).expect_err("too long").kind(), ErrorKind::Corrupted);
        assert_eq!(model(&[0xff; 20]).expect_err("no end").kind(), ErrorKind::Corrupted);
        assert_eq!(model(&[0x12, 2, 0x18, 3]).expect_err("other pieces").kind(), ErrorKind::NotSupported);
    }
}
