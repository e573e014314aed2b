//! The Hessian of the logistic and softmax loss, block by block of rows.

use pgml_core::{Result, Run};

use super::Objective;
use crate::solvers::kernels::{dot, multiply};

impl Objective {
    /// Adds the block's part of the lower block triangle, each block's own lower triangle alone.
    #[allow(clippy::too_many_arguments)] // the inner step of `evaluate`
    pub(super) fn add_curvature(
        &self,
        block: &[f64],
        len: usize,
        probabilities: &[f64],
        weight: &[f64],
        scratch: &mut [f64],
        hessian: &mut [f64],
        run: &Run,
    ) -> Result<()> {
        let n_params = self.n_params();
        let (curvature, scaled) = scratch.split_at_mut(self.size);
        let (curvature, scaled) = (&mut curvature[..len], &mut scaled[..len]);
        for c in 0..self.n_scores {
            run.check()?;
            for k in 0..=c {
                let (p, q) = (&probabilities[c * len..(c + 1) * len], &probabilities[k * len..(k + 1) * len]);
                for i in 0..len {
                    curvature[i] = weight[i] * p[i] * (f64::from(u8::from(c == k)) - q[i]);
                }
                for j in 0..self.width {
                    multiply(&block[j * len..(j + 1) * len], curvature, scaled);
                    let row = (c * self.width + j) * n_params + k * self.width;
                    for (h, column) in hessian[row..=row + j].iter_mut().zip(block.chunks_exact(len)) {
                        *h += dot(scaled, column);
                    }
                }
            }
        }
        Ok(())
    }

    /// Mirrors the triangles, adds the penalty, and fixes what the softmax leaves undetermined.
    pub(super) fn finish_hessian(&self, hessian: &mut [f64]) {
        let (n, width) = (self.n_params(), self.width);
        for c in 0..self.n_scores {
            for k in 0..=c {
                for j in 0..width {
                    for l in 0..=j {
                        let value = hessian[(c * width + j) * n + k * width + l];
                        hessian[(c * width + l) * n + k * width + j] = value;
                        hessian[(k * width + j) * n + c * width + l] = value;
                        hessian[(k * width + l) * n + c * width + j] = value;
                    }
                }
            }
        }
        for (j, l2) in self.l2.iter().enumerate() {
            hessian[j * n + j] += l2;
        }
        if self.n_scores > 1 {
            self.fix_gauge(hessian);
        }
    }

    /// Adding a constant to all classes changes no probability. Where no penalty decides, the sum stays what it is:
    /// zero, as in scikit-learn, whose solvers also start there.
    fn fix_gauge(&self, hessian: &mut [f64]) {
        let (n, width) = (self.n_params(), self.width);
        for j in (0..width).filter(|j| self.l2[*j] == 0.0 && self.l1[*j] == 0.0) {
            let stiffness = (0..self.n_scores).map(|c| hessian[(c * width + j) * (n + 1)]).fold(0.0, f64::max);
            for c in 0..self.n_scores {
                for k in 0..self.n_scores {
                    hessian[(c * width + j) * n + k * width + j] += stiffness / self.n_scores as f64;
                }
            }
        }
    }
}
