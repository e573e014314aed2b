//! Frames as bytes: the protocol's version, the length as four bytes (least first), the value in bincode's form.

use bincode::config::{self, Config};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, ErrorKind, Result, bail};

/// The protocol's version. Both ends name their socket by it, so that servers and programs of different builds never meet.
pub const VERSION: u8 = 1;

/// The longest frame: PostgreSQL's longest value and some space around it.
pub const MAX_FRAME: usize = (1 << 30) + (64 << 10);

const HEADER: usize = 5;

fn form() -> impl Config {
    config::standard().with_limit::<MAX_FRAME>()
}

/// Appends one frame to `out`.
///
/// # Errors
/// [`ErrorKind::InvalidData`] when the value is longer than [`MAX_FRAME`]; `out` is as before then.
pub fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    out.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
    let written = bincode::serde::encode_into_std_write(value, out, form());
    let length = out.len() - start - HEADER;
    if let Err(error) = written {
        out.truncate(start);
        bail!(Internal, "a frame cannot be encoded: {error}");
    }
    match u32::try_from(length).ok().filter(|_| length <= MAX_FRAME) {
        Some(length) => out[start + 1..start + HEADER].copy_from_slice(&length.to_le_bytes()),
        None => {
            out.truncate(start);
            bail!(InvalidData, "a text of {length} bytes is too long: at most {MAX_FRAME} are possible");
        }
    }
    Ok(())
}

/// Cuts what arrives into frames. Memory grows with the bytes that have arrived, whatever length a frame claims to have.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    read: usize,
}

impl Decoder {
    /// Adds bytes in the order of their arrival.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read == self.bytes.len() {
            self.bytes.clear();
            self.read = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether no part of a frame is left over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read == self.bytes.len()
    }

    /// The next frame; `None` until all of it has arrived.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when the bytes are no frame of this version. Nothing that follows can be read then.
    pub fn frame<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let left = &self.bytes[self.read..];
        let Some((header, rest)) = left.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [version, length @ ..] = *header;
        if version != VERSION {
            bail!(Corrupted, "a frame has version {version}, but this program speaks version {VERSION}");
        }
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            bail!(Corrupted, "a frame claims {length} bytes, but at most {MAX_FRAME} are possible");
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let value = decode(body)?;
        self.read += HEADER + length;
        self.shrink();
        Ok(Some(value))
    }

    /// Gives back what was read, seldom enough that moving the rest does not count.
    fn shrink(&mut self) {
        if self.read > self.bytes.len() / 2 {
            self.bytes.drain(..self.read);
            self.read = 0;
            self.bytes.shrink_to(2 * super::PIECE_BYTES);
        }
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let broken = |what: &str| Error::new(ErrorKind::Corrupted, format!("a frame cannot be read: {what}"));
    match bincode::serde::decode_from_slice(body, form()) {
        Ok((value, read)) if read == body.len() => Ok(value),
        Ok((_, read)) => Err(broken(&format!("{} bytes are left over", body.len() - read))),
        Err(error) => Err(broken(&error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frames::{Reply, Request, Settings};
    use crate::text::ModelSpec;

    fn request() -> Request {
        Request::Embed {
            model: ModelSpec { revision: Some("main".into()), ..ModelSpec::named("a/b") },
            args: r#"{"normalize": true}"#.into(),
            texts: 3,
            settings: Settings { memory: 1 << 40, keep_alive: Some(300_000), ..Settings::default() },
        }
    }

    #[test]
    fn an_error_arrives_with_all_its_parts() {
        let error =
            Error::new(ErrorKind::UnresolvedModel, "no model \"x\"").with_detail("looked in y").with_hint("try z");
        let mut bytes = Vec::new();
        encode(&Reply::Error(error.clone()), &mut bytes).expect("short");
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        assert_eq!(decoder.frame::<Reply>().expect("whole"), Some(Reply::Error(error)));
    }

    #[test]
    fn a_claimed_length_takes_no_memory() {
        let mut decoder = Decoder::default();
        decoder.push(&[VERSION, 0, 0, 0, 0x40]);
        assert_eq!(decoder.frame::<Request>().expect("not whole"), None);
        assert!(decoder.bytes.capacity() < 1000);
        let mut decoder = Decoder::default();
        decoder.push(&[VERSION, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(decoder.frame::<Request>().expect_err("too long").kind(), ErrorKind::Corrupted);
    }

    #[test]
    fn another_version_is_refused() {
        let mut decoder = Decoder::default();
        decoder.push(&[VERSION + 1, 0, 0, 0, 0]);
        assert!(decoder.frame::<Request>().expect_err("another version").message().contains("version"));
    }

    /// A vector of 2^60 numbers inside a short frame.
    #[test]
    fn a_count_inside_a_frame_takes_no_memory() {
        let mut bytes = vec![VERSION, 11, 0, 0, 0, 0, 1, 253];
        bytes.extend_from_slice(&(1_u64 << 60).to_le_bytes());
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        assert_eq!(decoder.frame::<Reply>().expect_err("nothing follows").kind(), ErrorKind::Corrupted);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), whole in any::<bool>()) {
            if whole {
                let length = (bytes.len() as u32).to_le_bytes();
                bytes.splice(0..0, [VERSION, length[0], length[1], length[2], length[3]]);
            }
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let _ = decoder.frame::<Request>();
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let _ = decoder.frame::<Reply>();
        }

        #[test]
        fn frames_survive_however_they_are_cut(cut in 1_usize..40, texts in proptest::collection::vec(".{0,30}", 0..20)) {
            let sent = [request(), Request::Texts(texts), Request::Ping];
            let mut bytes = Vec::new();
            for frame in &sent {
                encode(frame, &mut bytes).expect("short");
            }
            let (mut decoder, mut received) = (Decoder::default(), Vec::new());
            for piece in bytes.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.frame::<Request>().expect("whole frames") {
                    received.push(frame);
                }
            }
            prop_assert_eq!(&received[..], &sent[..]);
            prop_assert!(decoder.is_empty());
        }

        #[test]
        fn a_changed_byte_never_panics(at in 5_usize..200, byte in any::<u8>()) {
            let mut bytes = Vec::new();
            encode(&request(), &mut bytes).expect("short");
            let at = at % bytes.len();
            bytes[at] = byte;
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            let _ = decoder.frame::<Request>();
        }
    }
}
