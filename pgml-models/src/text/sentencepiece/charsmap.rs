//! The map of characters in a SentencePiece model: a tree in an array (darts-clone), and the texts that its leaves point to. The
//! library that follows it trusts it.

use pgml_core::{Result, bail};

/// Checks that no way through the tree leaves the array, and that every leaf points to a text.
///
/// # Errors
/// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted).
pub(super) fn check(map: &[u8]) -> Result<()> {
    let Some((size, rest)) = map.split_first_chunk::<4>() else { bail!(Corrupted, "its map of characters is cut off") };
    let size = u32::from_le_bytes(*size) as usize;
    let Some((tree, texts)) = rest.split_at_checked(size).filter(|_| size.is_multiple_of(4) && size > 0) else {
        bail!(Corrupted, "its map of characters is cut off");
    };
    let Ok(texts) = std::str::from_utf8(texts) else { bail!(Corrupted, "its map of characters holds no text") };
    let units: Vec<usize> = tree.as_chunks().0.iter().map(|unit| u32::from_le_bytes(*unit) as usize).collect();
    for (place, unit) in units.iter().enumerate() {
        if is_leaf(*unit) {
            let text = unit & 0x7fff_ffff;
            if text >= texts.len() || !texts.is_char_boundary(text) {
                bail!(Corrupted, "its map of characters points beyond its texts");
            }
            continue;
        }
        let next = place ^ ((unit >> 10) << ((unit & (1 << 9)) >> 6));
        let ends = unit & (1 << 8) != 0;
        if next | 0xff >= units.len() || (ends && !is_leaf(units[next])) {
            bail!(Corrupted, "its map of characters leads out of itself");
        }
    }
    Ok(())
}

fn is_leaf(unit: usize) -> bool {
    unit & (1 << 31) != 0
}
