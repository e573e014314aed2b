//! Hashes of category values and of their combinations, the same as CatBoost's, so that its models can be read.

const K2: u64 = 0x9ae1_6a3b_2f90_404f;
const K3: u64 = 0xc949_d7c7_509e_6557;
const K_MUL: u64 = 0x9ddf_ea08_eb38_2d69;
const MAGIC: u64 = 0x4906_ba49_4954_cb65;

/// The hash of a category. Whole numbers are hashed as their decimal digits, as CatBoost hashes integer categories; anything
/// else counts as one value of its own, "nan".
pub(super) fn category(code: f64) -> u32 {
    if code.fract() != 0.0 || code.abs() >= 1e15 {
        return city(b"nan") as u32;
    }
    let (mut digits, mut at, mut rest) = ([0_u8; 16], 16, code.abs() as u64);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if code < 0.0 {
        at -= 1;
        digits[at] = b'-';
    }
    city(&digits[at..]) as u32
}

/// Adds one part to the hash of a combination.
pub(super) fn combine(hash: u64, part: u64) -> u64 {
    MAGIC.wrapping_mul(hash.wrapping_add(MAGIC.wrapping_mul(part)))
}

/// A category's hash as part of a combination: CatBoost takes it as a signed number.
pub(super) fn part(category: u32) -> u64 {
    i64::from(category as i32) as u64
}

/// CityHash64 1.0 (Pike and Alakuijala 2010) of at most 16 bytes, which covers whole numbers of 15 digits.
fn city(text: &[u8]) -> u64 {
    let n = text.len();
    let word = |at: usize, width: usize| {
        text[at..at + width].iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte))
    };
    if n > 8 {
        let (a, b) = (word(0, 8), word(n - 8, 8));
        return mix(a, b.wrapping_add(n as u64).rotate_right(n as u32)) ^ b;
    }
    if n >= 4 {
        return mix((n as u64).wrapping_add(word(0, 4) << 3), word(n - 4, 4));
    }
    let [first, .., last] = text else {
        let Some(only) = text.first() else { return K2 };
        return short(*only, *only, *only, 1);
    };
    short(*first, text[n / 2], *last, n)
}

fn short(first: u8, middle: u8, last: u8, n: usize) -> u64 {
    let y = u64::from(first) + (u64::from(middle) << 8);
    let z = n as u64 + (u64::from(last) << 2);
    let x = y.wrapping_mul(K2) ^ z.wrapping_mul(K3);
    (x ^ (x >> 47)).wrapping_mul(K2)
}

fn mix(u: u64, v: u64) -> u64 {
    let mut a = (u ^ v).wrapping_mul(K_MUL);
    a ^= a >> 47;
    let mut b = (v ^ a).wrapping_mul(K_MUL);
    b ^= b >> 47;
    b.wrapping_mul(K_MUL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_hash_as_in_catboost() {
        // One-hot values and table keys of models that CatBoost 1.2.10 saved as JSON.
        assert_eq!([category(0.0) as i32, category(1.0) as i32], [-1_438_285_038, 1_121_341_681]);
        assert_eq!(category(f64::NAN), category(0.5));
    }
}
