//! Orders rows so that those of each subtree lie together.

use std::ops::Range;

use pgml_core::{Result, Run};

use super::super::packets::LANES;
use super::{LEAF_PACKETS, Metric, Neighbours};

/// With more features, boxes overlap so much that nearly all rows are compared anyway.
const MOST_FEATURES_FOR_A_TREE: usize = 15;

impl Neighbours {
    /// Makes row-major `rows` of `d` features searchable.
    ///
    /// # Errors
    /// When the run was cancelled or its memory does not suffice.
    pub fn new(rows: &[f64], d: usize, metric: Metric, run: &Run) -> Result<Self> {
        let n = rows.len() / d;
        // The packets and boxes, and the copy that is normalised.
        let _memory = run.reserve(24 * rows.len() as u64 + 8 * n as u64, "the search for neighbours")?;
        let rows = metric.prepared(rows, d);
        let (rows, width) = (&*rows, metric.width(d));
        let n_packets = n.div_ceil(LANES);
        let mut order: Vec<u32> = (0..n as u32).collect();
        let has_tree = d <= MOST_FEATURES_FOR_A_TREE && n_packets > 2 * LEAF_PACKETS;
        let depth = if has_tree { depth(n_packets) } else { 0 };
        let mut boxes = vec![0.0; if has_tree { 2 * width * n_nodes(depth) } else { 0 }];
        if has_tree {
            Building { rows, d: width, boxes: &mut boxes, run }.node(0, depth, &(0..n_packets), &mut order)?;
        }
        let packets = pack(rows, width, &order, run)?;
        Ok(Self { metric, d, order: order.into(), packets: packets.into(), depth, boxes: boxes.into() })
    }
}

/// The levels below the root that make leaves small enough.
pub(super) fn depth(n_packets: usize) -> u32 {
    (0..usize::BITS).find(|depth| n_packets.div_ceil(1 << depth) <= LEAF_PACKETS).unwrap_or(0)
}

pub(super) fn n_nodes(depth: u32) -> usize {
    (2 << depth) - 1
}

/// The packets of the two children.
pub(super) fn halves(packets: &Range<usize>) -> (Range<usize>, Range<usize>) {
    let middle = packets.start + packets.len() / 2;
    (packets.start..middle, middle..packets.end)
}

struct Building<'a> {
    rows: &'a [f64],
    d: usize,
    boxes: &'a mut [f64],
    run: &'a Run,
}

impl Building<'_> {
    /// Orders the rows of a node, those of `packets`, and notes its box.
    fn node(&mut self, node: usize, levels: u32, packets: &Range<usize>, order: &mut [u32]) -> Result<()> {
        self.run.check()?;
        let widest = self.enclose(node, order);
        if levels == 0 {
            order.sort_unstable();
            return Ok(());
        }
        let (left, right) = halves(packets);
        let value = |row: &u32| self.rows[*row as usize * self.d + widest];
        order.select_nth_unstable_by(left.len() * LANES, |a, b| value(a).total_cmp(&value(b)).then(a.cmp(b)));
        let (below, above) = order.split_at_mut(left.len() * LANES);
        self.node(2 * node + 1, levels - 1, &left, below)?;
        self.node(2 * node + 2, levels - 1, &right, above)
    }

    /// Notes the box of these rows; the feature in which it is widest.
    fn enclose(&mut self, node: usize, order: &[u32]) -> usize {
        let (low, high) = self.boxes[2 * self.d * node..2 * self.d * (node + 1)].split_at_mut(self.d);
        low.fill(f64::INFINITY);
        high.fill(f64::NEG_INFINITY);
        for row in order {
            let row = &self.rows[*row as usize * self.d..][..self.d];
            for ((low, high), x) in low.iter_mut().zip(&mut *high).zip(row) {
                *low = low.min(*x);
                *high = high.max(*x);
            }
        }
        let width = |j: &usize| high[*j] - low[*j];
        (0..self.d).fold(0, |widest, j| if width(&j) > width(&widest) { j } else { widest })
    }
}

/// The rows in packets, the last one filled up.
fn pack(rows: &[f64], d: usize, order: &[u32], run: &Run) -> Result<Vec<f64>> {
    let mut packets = vec![0.0; order.len().div_ceil(LANES) * d * LANES];
    for (at, (members, packet)) in order.chunks(LANES).zip(packets.chunks_exact_mut(d * LANES)).enumerate() {
        if at % 1024 == 0 {
            run.check()?;
        }
        for lane in 0..LANES {
            let row = members[lane.min(members.len() - 1)] as usize;
            let cells = packet.iter_mut().skip(lane).step_by(LANES);
            cells.zip(&rows[row * d..(row + 1) * d]).for_each(|(cell, x)| *cell = *x);
        }
    }
    Ok(packets)
}
