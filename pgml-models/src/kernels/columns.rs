//! How a row of a matrix becomes a column of a panel, and how it is read back.

use super::blocks::MAX_BYTES;
use super::half::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
use super::packed::{PackedMatrix, Precision};
use super::weights::Weights;

/// A row on its way into a panel.
pub(super) struct Row {
    values: Vec<f32>,
    /// Of precisions in blocks: the row as a GGUF file has it.
    blocks: Vec<u8>,
}

impl Row {
    pub(super) fn new(precision: Precision, inputs: usize) -> Self {
        let blocks = match precision {
            Precision::Blocks(format) => vec![0; inputs.div_ceil(format.block_len()) * format.block_bytes()],
            _ => Vec::new(),
        };
        Self { values: vec![0.0; inputs], blocks }
    }

    /// Reads row `index` of the matrices stacked one under the other. Blocks of the right format stay the bytes that they are.
    pub(super) fn read(&mut self, precision: Precision, parts: &[Weights<'_>], index: usize) {
        let inputs = self.values.len();
        let mut start = index * inputs;
        for part in parts {
            if start >= part.len() {
                start -= part.len();
                continue;
            }
            match (precision, part) {
                (Precision::Blocks(to), Weights::Blocks(from, bytes))
                    if to == *from && inputs.is_multiple_of(to.block_len()) =>
                {
                    let first = start / to.block_len() * to.block_bytes();
                    let len = self.blocks.len();
                    self.blocks.copy_from_slice(&bytes[first..first + len]);
                }
                (Precision::Blocks(to), _) => {
                    part.read(start, &mut self.values);
                    to.quantize(&self.values, &mut self.blocks);
                }
                _ => part.read(start, &mut self.values),
            }
            return;
        }
    }
}

/// 1.5 × 2²³ leaves no place for a fraction: a sum's last byte is the rounded integer.
const MAGIC: f32 = 12_582_912.0;

impl PackedMatrix {
    /// Packs `row` into `column`, counted over all panels.
    pub(super) fn set_column(&mut self, column: usize, row: &Row) {
        let (width, b_step) = (self.kernel.width(), self.kernel.b_step);
        let (panel, c) = (column / width, column % width);
        let len = self.steps * b_step;
        let panel = &mut self.panels.as_mut_slice()[panel * len..][..len];
        let values = &row.values;
        match self.precision {
            Precision::F32 => words(panel, c, width).zip(values).for_each(|(word, w)| *word = w.to_bits()),
            Precision::F16 => {
                let shift = 16 * (c % 2);
                let pairs = words(panel, c / 2, b_step).zip(values);
                pairs.for_each(|(word, w)| *word |= u32::from(f32_to_f16(*w)) << shift);
            }
            Precision::Bf16 => words(panel, c, width).zip(values.chunks(2)).for_each(|(word, pair)| {
                let bits = |i: usize| pair.get(i).map_or(0, |w| u32::from(f32_to_bf16(*w)));
                *word = bits(0) | bits(1) << 16;
            }),
            Precision::Int8 => {
                let largest = values.iter().fold(0.0_f32, |a, w| a.max(w.abs()));
                let scale = largest / 127.0;
                let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                let integer = |w: f32| ((w * inverse).clamp(-127.0, 127.0) + MAGIC).to_bits() as u8;
                self.scales[column] = scale;
                self.sums[column] = values.iter().map(|w| i32::from(integer(*w).cast_signed())).sum();
                words(panel, c, width).zip(values.chunks(4)).for_each(|(word, four)| {
                    let byte = |i: usize| four.get(i).map_or(0, |w| integer(*w));
                    *word = u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]);
                });
            }
            Precision::Blocks(format) => {
                let blocks = row.blocks.chunks_exact(format.block_bytes());
                let places = panel.chunks_exact_mut(b_step);
                blocks.zip(places).for_each(|(block, place)| format.layout().put(block, place, width, c));
            }
        }
    }

    /// Writes row `index` of the matrices as they were stacked (of a gated layer: gate, then up), as far as the precision
    /// has kept it: the embedding of a token whose table is the output layer's weights too.
    ///
    /// # Panics
    /// When there is no such row, or `out` is not `inputs` long.
    pub fn row(&self, index: usize, out: &mut [f32]) {
        assert!(index < self.bias_len(), "row {index} of {}", self.bias_len());
        assert_eq!(out.len(), self.inputs, "a row has {} numbers", self.inputs);
        let (width, b_step) = (self.kernel.width(), self.kernel.b_step);
        let (half, output) = if index < self.outputs { (0, index) } else { (1, index - self.outputs) };
        let outputs = self.panel_outputs();
        let (p, c) = (output / outputs, half * self.kernel.lanes + output % outputs);
        let panel = self.panel(p);
        let words = |column: usize, step: usize| panel[column..].iter().step_by(step);
        match self.precision {
            Precision::F32 => words(c, width).zip(out).for_each(|(word, w)| *w = f32::from_bits(*word)),
            Precision::F16 => {
                let half = |word: u32| (word >> (16 * (c % 2))) as u16;
                words(c / 2, b_step).zip(out).for_each(|(word, w)| *w = f16_to_f32(half(*word)));
            }
            Precision::Bf16 => words(c, width).zip(out.chunks_mut(2)).for_each(|(word, pair)| {
                pair.iter_mut().enumerate().for_each(|(i, w)| *w = bf16_to_f32((word >> (16 * i)) as u16));
            }),
            Precision::Int8 => {
                let scale = self.scales[p * width + c];
                words(c, width).zip(out.chunks_mut(4)).for_each(|(word, four)| {
                    let bytes = word.to_le_bytes();
                    four.iter_mut().zip(bytes).for_each(|(w, byte)| *w = scale * f32::from(byte.cast_signed()));
                });
            }
            Precision::Blocks(format) => {
                let mut block = [0; MAX_BYTES];
                let block = &mut block[..format.block_bytes()];
                for (place, out) in panel.chunks_exact(b_step).zip(out.chunks_mut(format.block_len())) {
                    format.layout().take(place, width, c, block);
                    format.dequantize(block, out);
                }
            }
        }
    }
}

/// The words of a column of `panel`: one each `step` words.
fn words(panel: &mut [u32], column: usize, step: usize) -> impl Iterator<Item = &mut u32> {
    panel[column..].iter_mut().step_by(step)
}
