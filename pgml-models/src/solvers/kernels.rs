//! Inner loops over contiguous `f64`, compiled for AVX2 too and chosen at run time.
//!
//! Sums run in sixteen fixed lanes without fused multiply-add, so that every CPU gives the same bits.

/// Compiles a function a second time for AVX2 and picks that one where the CPU has it; after `up to avx512` a third time,
/// which pays where much is computed with what is in registers.
macro_rules! for_each_cpu {
    (up to avx512 $(#[$meta:meta])* $visible:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $visible fn $name($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn plain($($arg: $type),*) $(-> $ret)? $body

            $crate::solvers::kernels::for_each_cpu!(@ "avx512f" ($($arg: $type),*) $(-> $ret)?);
            $crate::solvers::kernels::for_each_cpu!(@ "avx2" ($($arg: $type),*) $(-> $ret)?);
            plain($($arg),*)
        }
    };
    ($(#[$meta:meta])* $visible:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $visible fn $name($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn plain($($arg: $type),*) $(-> $ret)? $body

            $crate::solvers::kernels::for_each_cpu!(@ "avx2" ($($arg: $type),*) $(-> $ret)?);
            plain($($arg),*)
        }
    };
    // The function `plain` for one CPU, called if this is one.
    (@ $feature:tt ($($arg:ident: $type:ty),*) $(-> $ret:ty)?) => {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = $feature)]
            fn wide($($arg: $type),*) $(-> $ret)? {
                plain($($arg),*)
            }
            if std::arch::is_x86_feature_detected!($feature) {
                // SAFETY: the CPU has the feature, which is all that `wide` asks for.
                #[allow(unsafe_code)] // the only way to call code compiled for a feature found at run time
                return unsafe { wide($($arg),*) };
            }
        }
    };
}

pub(crate) use for_each_cpu;

const LANES: usize = 16;

for_each_cpu! {
    /// `Σ aᵢ bᵢ` over the shorter length.
    pub fn dot(a: &[f64], b: &[f64]) -> f64 {
        dot_inline(a, b)
    }
}

#[inline(always)]
fn dot_inline(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..n].as_chunks::<LANES>();
    let (b_chunks, b_rest) = b[..n].as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for l in 0..LANES {
            lanes[l] += x[l] * y[l];
        }
    }
    let tail: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f64>() + tail
}

for_each_cpu! {
    /// `outᵢₖ ← bₖ + Σ xᵢⱼ aₖⱼ` for row-major `x` and `a`, each sum as [`dot`] has it; `out` has as many columns as `b`.
    pub fn affine(x: &[f64], a: &[f64], b: &[f64], out: &mut [f64]) {
        let d = a.len() / b.len();
        for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(b.len())) {
            for ((out, a), b) in out.iter_mut().zip(a.chunks_exact(d)).zip(b) {
                *out = b + dot_inline(a, x);
            }
        }
    }
}

for_each_cpu! {
    /// `Σ aᵢ`.
    pub fn sum(a: &[f64]) -> f64 {
        let (chunks, rest) = a.as_chunks::<LANES>();
        let mut lanes = [0.0; LANES];
        for x in chunks {
            for l in 0..LANES {
                lanes[l] += x[l];
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().sum::<f64>()
    }
}

for_each_cpu! {
    /// `yᵢ ← yᵢ + α xᵢ`.
    pub fn axpy(alpha: f64, x: &[f64], y: &mut [f64]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += alpha * x;
        }
    }
}

for_each_cpu! {
    /// `outᵢ ← aᵢ bᵢ`.
    pub fn multiply(a: &[f64], b: &[f64], out: &mut [f64]) {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = a * b;
        }
    }
}

for_each_cpu! {
    /// Turns two columns by the angle of cosine `c` and sine `s`: `(a, b) ← (c a − s b, s a + c b)`.
    pub fn rotate(a: &mut [f64], b: &mut [f64], c: f64, s: f64) {
        for (a, b) in a.iter_mut().zip(b) {
            let (x, y) = (*a, *b);
            *a = c * x - s * y;
            *b = s * x + c * y;
        }
    }
}

/// `√Σ aᵢ²`.
#[must_use]
pub fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_cover_whole_chunks_and_the_rest() {
        for n in [0_u32, 1, 15, 16, 17, 100] {
            let a: Vec<f64> = (0..n).map(f64::from).collect();
            let expected: f64 = a.iter().map(|x| x * x).sum();
            assert_eq!(dot(&a, &a), expected, "{n} values");
            assert_eq!(sum(&a), a.iter().sum::<f64>(), "{n} values");
        }
    }
}
