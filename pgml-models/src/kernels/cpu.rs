//! What this machine's processor can do, found at run time.

use std::sync::OnceLock;

/// The vector instructions that the kernels use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust, written so that the compiler vectorises it (SSE2, NEON).
    Portable,
    /// AVX2 with FMA and F16C: 8 floats at once.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL): 16 floats at once.
    Avx512,
}

/// A processor's abilities. One that this machine lacks cannot be made: code behind it relies on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    level: Level,
    bf16: bool,
    vnni: bool,
}

impl Cpu {
    /// The best that this machine has; asked once per process.
    #[must_use]
    pub fn detect() -> Self {
        static BEST: OnceLock<Cpu> = OnceLock::new();
        *BEST.get_or_init(find)
    }

    /// Everything that this machine can run, the plainest first. Tests loop over it.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let best = Self::detect();
        let plain = |level| Self { level, bf16: false, vnni: false };
        let levels = [Level::Portable, Level::Avx2, Level::Avx512];
        let mut all: Vec<Self> = levels.into_iter().filter(|l| *l <= best.level).map(plain).collect();
        if !all.contains(&best) {
            all.push(best);
        }
        all
    }

    /// The vector instructions.
    #[must_use]
    pub fn level(self) -> Level {
        self.level
    }

    /// Whether the processor multiplies bf16 pairs itself (AVX-512 BF16).
    #[must_use]
    pub fn has_bf16(self) -> bool {
        self.bf16
    }

    /// Whether the processor multiplies groups of four 8-bit integers itself (AVX-512 VNNI).
    #[must_use]
    pub fn has_vnni(self) -> bool {
        self.vnni
    }
}

#[cfg(target_arch = "x86_64")]
fn find() -> Cpu {
    use std::is_x86_feature_detected as has;
    let avx2 = has!("avx2") && has!("fma") && has!("f16c");
    let avx512 = avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
    let level = match (avx512, avx2) {
        (true, _) => Level::Avx512,
        (_, true) => Level::Avx2,
        _ => Level::Portable,
    };
    Cpu { level, bf16: avx512 && has!("avx512bf16"), vnni: avx512 && has!("avx512vnni") }
}

#[cfg(not(target_arch = "x86_64"))]
fn find() -> Cpu {
    Cpu { level: Level::Portable, bf16: false, vnni: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_last_of_what_is_available() {
        let all = Cpu::available();
        assert_eq!(all.first().map(|cpu| cpu.level()), Some(Level::Portable));
        assert_eq!(all.last(), Some(&Cpu::detect()));
    }
}
