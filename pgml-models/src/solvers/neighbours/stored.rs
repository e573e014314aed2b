//! The stored form: arrays that are searched where they lie.

use pgml_core::{Parts, Result, bail};

use super::super::packets::LANES;
use super::build::{depth, n_nodes};
use super::{Metric, Neighbours};

impl Neighbours {
    /// Adds the stored form to `parts`.
    ///
    /// # Errors
    /// As [`Parts::with_meta`].
    pub fn encode(&self, parts: Parts) -> Result<Parts> {
        let ((metric, p), width) = (self.metric.name(), self.metric.width(self.d));
        parts
            .with_shared("order", vec![self.order.len()], self.order.clone())
            .with_shared("packets", vec![self.n_packets(), width, LANES], self.packets.clone())
            .with_shared("boxes", vec![self.boxes.len() / (2 * width), 2, width], self.boxes.clone())
            .with_meta("n_features", &self.d)?
            .with_meta("metric", &metric)?
            .with_meta("p", &p)
    }

    /// Reads what [`Neighbours::encode`] wrote.
    ///
    /// # Errors
    /// [`Corrupted`](pgml_core::ErrorKind::Corrupted) when the parts do not fit together.
    pub fn decode(parts: &Parts) -> Result<Self> {
        let (d, metric, p): (usize, String, f64) = (parts.meta("n_features")?, parts.meta("metric")?, parts.meta("p")?);
        let Some(metric) = Metric::named(&metric, p) else {
            bail!(Corrupted, "stored rows have the unknown metric \"{metric}\" with p = {p}");
        };
        let order = parts.shared::<u32>("order")?;
        let n_packets = order.len().div_ceil(LANES);
        // No stored array can have as many numbers per row.
        let width = if d < usize::MAX { metric.width(d) } else { 0 };
        let Some(cells) = width.checked_mul(n_packets * LANES).filter(|cells| *cells > 0 && d > 0) else {
            bail!(Corrupted, "{} stored rows have {d} features", order.len());
        };
        let packets = parts.shared_of::<f64>("packets", cells)?;
        let boxes = parts.shared::<f64>("boxes")?;
        let depth = if boxes.is_empty() { 0 } else { depth(n_packets) };
        if order.iter().any(|row| *row as usize >= order.len()) || packets.iter().chain(&boxes).any(|x| !x.is_finite())
        {
            bail!(Corrupted, "stored rows have a position or a value that no row can have");
        }
        if !boxes.is_empty() && boxes.len() != 2 * width * n_nodes(depth) {
            bail!(Corrupted, "{} stored values of boxes do not fit {n_packets} packets of {d} features", boxes.len());
        }
        Ok(Self { metric, d, order, packets, depth, boxes })
    }
}
