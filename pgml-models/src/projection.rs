//! Linear maps from features to components, as decompositions make them.

use pgml_core::estimator::expect_shape;
use pgml_core::finite::require_finite;
use pgml_core::{MatrixRef, Result};

use crate::solvers::kernels::dot;
use crate::solvers::product::{Left, Panels, add_product};

/// Rows that stay in the first-level cache, or nearly, between their check and their product.
const BLOCK: usize = 256;

/// `components · (row − mean)` for each row.
#[derive(Debug, Clone)]
pub struct Projection {
    n_features: usize,
    /// The first component: what `predict` answers.
    first: Panels,
    all: Panels,
    /// `−components · mean`, so that rows need no centring.
    offset: Vec<f64>,
}

impl Projection {
    /// The map with these `components`, one row of `mean.len()` features each, at least one of both.
    #[must_use]
    pub fn new(components: &[f64], mean: &[f64]) -> Self {
        let d = mean.len();
        Self {
            n_features: d,
            first: Panels::pack_transposed(&components[..d], d),
            all: Panels::pack_transposed(components, d),
            offset: components.chunks_exact(d).map(|component| -dot(component, mean)).collect(),
        }
    }

    /// How many features a row has.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// How many components a row becomes.
    #[must_use]
    pub fn n_components(&self) -> usize {
        self.offset.len()
    }

    /// Writes all components of `rows`, `n_rows × n_components`.
    ///
    /// # Errors
    /// When shapes do not fit or a value is not finite.
    pub fn all_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.map(rows, &self.all, out)
    }

    /// Writes the first component of `rows`.
    ///
    /// # Errors
    /// When shapes do not fit or a value is not finite.
    pub fn first_into(&self, rows: MatrixRef<'_>, out: &mut [f64]) -> Result<()> {
        self.map(rows, &self.first, out)
    }

    fn map(&self, rows: MatrixRef<'_>, panels: &Panels, out: &mut [f64]) -> Result<()> {
        let k = panels.n_columns();
        expect_shape(&rows, self.n_features, out, k)?;
        for (rows, out) in rows.blocks(BLOCK).zip(out.chunks_mut(BLOCK * k)) {
            require_finite(&rows)?;
            out.chunks_exact_mut(k).for_each(|out| out.copy_from_slice(&self.offset[..k]));
            add_product(Left::rows(rows.as_slice(), self.n_features), panels, out);
        }
        Ok(())
    }

    /// Bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.first.bytes() + self.all.bytes() + size_of_val(self.offset.as_slice())
    }
}

/// The sign rule of scikit-learn's decompositions: the entry of largest size is positive, the first of equals.
pub fn fix_sign(component: &mut [f64]) {
    let largest = component.iter().fold(0.0_f64, |a, b| if b.abs() > a.abs() { *b } else { a });
    if largest < 0.0 {
        component.iter_mut().for_each(|x| *x = -*x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_centred_and_projected() {
        let map = Projection::new(&[1.0, 2.0, 0.0, -1.0], &[1.0, 1.0]);
        let rows = MatrixRef::new(&[1.0, 1.0, 2.0, 3.0], 2).expect("two rows");
        let mut out = [0.0; 4];
        map.all_into(rows, &mut out).expect("fits");
        assert_eq!(out, [0.0, 0.0, 5.0, -2.0]);
        let mut first = [0.0; 2];
        map.first_into(rows, &mut first).expect("fits");
        assert_eq!(first, [0.0, 5.0]);
    }

    #[test]
    fn the_largest_entry_becomes_positive() {
        let mut component = [0.5, -0.75, 0.75];
        fix_sign(&mut component);
        assert_eq!(component, [-0.5, 0.75, -0.75]);
    }
}
