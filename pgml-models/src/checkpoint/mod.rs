//! A checkpoint's tensors: safetensors files, sharded or not, or a GGUF file, mapped.

mod change;
mod rows;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use memmap2::Mmap;
use pgml_core::{Error, ErrorKind, Result, bail};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::gguf::{Element, Tensor};

pub use change::Change;
pub use rows::Rows;

/// The tensors of one folder, and which of them were asked for.
#[derive(Debug)]
pub struct Checkpoint {
    files: Vec<Mmap>,
    tensors: HashMap<String, Stored>,
    used: Mutex<BTreeSet<String>>,
}

#[derive(Debug)]
struct Stored {
    file: usize,
    /// The name of the type where it is none of floats.
    element: std::result::Result<Element, String>,
    shape: Vec<usize>,
    bytes: Range<usize>,
    change: Change,
    from_gguf: bool,
}

/// A tensor of a GGUF file as a checkpoint of transformers has it.
#[derive(Debug)]
pub struct Renamed {
    /// Its name there.
    pub name: String,
    /// Where it lies.
    pub tensor: Tensor,
    /// What is to be undone.
    pub change: Change,
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

impl Checkpoint {
    /// Maps `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] for a folder with weights of another format, with a hint how to convert them;
    /// [`ErrorKind::NotFound`] without any; [`ErrorKind::Corrupted`] for files that are no safetensors.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut checkpoint = Self { files: Vec::new(), tensors: HashMap::new(), used: Mutex::default() };
        for name in file_names(folder)? {
            checkpoint.add(&folder.join(&name), &name)?;
        }
        Ok(checkpoint)
    }

    fn add(&mut self, path: &Path, name: &str) -> Result<()> {
        let mapped = map(path)?;
        let index = self.files.len();
        {
            let broken = |e| Error::new(ErrorKind::Corrupted, format!("\"{name}\" is no safetensors file: {e}"));
            let (header, metadata) = SafeTensors::read_metadata(&mapped).map_err(broken)?;
            let data = header + size_of::<u64>();
            for (tensor, info) in metadata.tensors() {
                let bytes = data + info.data_offsets.0..data + info.data_offsets.1;
                let (element, shape) = (element(info.dtype), info.shape.clone());
                let stored = Stored { file: index, element, shape, bytes, change: Change::None, from_gguf: false };
                if self.tensors.insert(tensor.clone(), stored).is_some() {
                    bail!(Corrupted, "tensor \"{tensor}\" is in two files of the checkpoint");
                }
            }
        }
        self.files.push(mapped);
        Ok(())
    }

    /// The tensors of a GGUF model, whose files were mapped, under the names of transformers.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`] when two tensors have one name.
    pub fn of_gguf(tensors: Vec<Renamed>, files: Vec<Mmap>) -> Result<Self> {
        let mut checkpoint = Self { files, tensors: HashMap::new(), used: Mutex::default() };
        for Renamed { name, tensor: Tensor { element, shape, file, bytes, .. }, change } in tensors {
            let stored = Stored { file, element: Ok(element), shape, bytes, change, from_gguf: true };
            if checkpoint.tensors.insert(name.clone(), stored).is_some() {
                bail!(Corrupted, "two tensors of the GGUF file are the model's \"{name}\"");
            }
        }
        Ok(checkpoint)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.len() as u64).sum()
    }

    /// The tensors, seen from the top.
    #[must_use]
    pub fn weights(&self) -> Weights<'_> {
        Weights { checkpoint: self, prefix: String::new() }
    }

    /// Checks that every tensor was asked for, but those whose name has one of `ignored` in it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`], naming what is left over: the model would compute something else than it was trained to.
    pub fn all_used(&self, ignored: &[&str]) -> Result<()> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left: Vec<&str> = self
            .tensors
            .keys()
            .map(String::as_str)
            .filter(|name| !used.contains(*name) && !ignored.iter().any(|part| name.contains(part)))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        left.sort_unstable();
        let more = if left.len() > 5 { ", …" } else { "" };
        let shown = left[..left.len().min(5)].join(", ");
        bail!(
            Corrupted,
            "the checkpoint holds {} tensors that its architecture does not have: {shown}{more}",
            left.len()
        );
    }
}

/// Tensors whose names begin with a prefix.
#[derive(Debug, Clone)]
pub struct Weights<'a> {
    checkpoint: &'a Checkpoint,
    prefix: String,
}

impl<'a> Weights<'a> {
    /// What stands under `name`.
    #[must_use]
    pub fn at(&self, name: impl std::fmt::Display) -> Self {
        Self { checkpoint: self.checkpoint, prefix: format!("{}{name}.", self.prefix) }
    }

    /// What stands under `name` if anything does, else this: checkpoints of a model with a head put the model under its name.
    #[must_use]
    pub fn at_or_here(&self, name: &str) -> Self {
        self.at_first_or_here(&[name])
    }

    /// The same with several names, of which the first counts that anything stands under.
    #[must_use]
    pub fn at_first_or_here(&self, names: &[&str]) -> Self {
        let holds = |inner: &Self| self.checkpoint.tensors.keys().any(|key| key.starts_with(&inner.prefix));
        names.iter().map(|name| self.at(name)).find(holds).unwrap_or_else(|| self.clone())
    }

    /// Whether the tensor `name` is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.checkpoint.tensors.contains_key(&format!("{}{name}", self.prefix))
    }

    /// The values of the tensor `name` as 32-bit floats in row-major order, borrowed where they are stored so.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`], naming the tensor, when it is missing, has another shape, or another type than floats.
    pub fn floats(&self, name: &str, shape: &[usize]) -> Result<Cow<'a, [f32]>> {
        let (stored, element, bytes) = self.find(name, shape)?;
        Ok(match stored.change {
            Change::None => rows::floats(element, bytes),
            Change::Pairs(_) | Change::Joined { .. } => {
                Cow::Owned(rows::floats(element, &stored.reordered(bytes)).into_owned())
            }
            Change::PlusOne => rows::floats(element, bytes).iter().map(|x| x - 1.0).collect(),
            Change::Transposed => {
                let inputs = shape.first().copied().unwrap_or(1);
                Cow::Owned(transposed(&rows::floats(element, bytes), inputs))
            }
        })
    }

    /// The matrix `name`, rows × columns, as it is stored.
    ///
    /// # Errors
    /// As for [`Weights::floats`].
    pub fn rows(&self, name: &str, shape: [usize; 2]) -> Result<Rows<'a>> {
        let (stored, element, bytes) = self.find(name, &shape)?;
        match stored.change {
            Change::None | Change::Pairs(_) | Change::Joined { .. } => {
                Ok(Rows::new(element, stored.reordered(bytes), stored.from_gguf))
            }
            Change::PlusOne | Change::Transposed => {
                let floats = self.floats(name, &shape)?;
                Ok(Rows::of_floats(&floats, crate::kernels::Precision::F32))
            }
        }
    }

    /// The matrix `name`, which a checkpoint of transformers has as inputs × outputs, as outputs × inputs.
    ///
    /// # Errors
    /// As for [`Weights::floats`].
    pub fn columns(&self, name: &str, [inputs, outputs]: [usize; 2]) -> Result<Rows<'a>> {
        let (stored, element, bytes) = self.find(name, &[inputs, outputs])?;
        match stored.change {
            Change::Transposed => Ok(Rows::new(element, Cow::Borrowed(bytes), stored.from_gguf)),
            _ => {
                let floats = self.floats(name, &[inputs, outputs])?;
                Ok(Rows::of_floats(&transposed(&floats, outputs), crate::kernels::Precision::F32))
            }
        }
    }

    /// The tensor `name` if it has this shape, its type and its bytes.
    fn find(&self, name: &str, shape: &[usize]) -> Result<(&'a Stored, Element, &'a [u8])> {
        let name = format!("{}{name}", self.prefix);
        let Some(stored) = self.checkpoint.tensors.get(&name) else {
            bail!(Corrupted, "the checkpoint has no tensor \"{name}\"");
        };
        if !stored.has_shape(shape) {
            bail!(Corrupted, "tensor \"{name}\" has shape {:?}, but {shape:?} is needed", stored.shape);
        }
        let bytes = &self.checkpoint.files[stored.file][stored.bytes.clone()];
        match &stored.element {
            Ok(element) => {
                self.checkpoint.used.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
                Ok((stored, *element, bytes))
            }
            Err(other) => bail!(Corrupted, "tensor \"{name}\" is of type {other}; known: F32, F16, BF16"),
        }
    }
}

impl Stored {
    fn has_shape(&self, shape: &[usize]) -> bool {
        match self.change {
            Change::Transposed => self.shape.iter().rev().eq(shape),
            // llama.cpp leaves out dimensions of one at the end, which are first here.
            _ if self.from_gguf => without_ones(&self.shape) == without_ones(shape),
            _ => self.shape == shape,
        }
    }

    /// Its rows in the order of transformers.
    fn reordered<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let n_rows = self.shape.first().copied().unwrap_or(1);
        self.change.reorder(bytes, n_rows, bytes.len().checked_div(n_rows).unwrap_or(0))
    }
}

/// A shape from its first dimension on that is not one.
fn without_ones(shape: &[usize]) -> &[usize] {
    let n_ones = shape.iter().take_while(|n| **n == 1).count();
    &shape[n_ones..]
}

/// Columns as rows, of a matrix in rows of `width`.
fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    let n_rows = values.len().checked_div(width).unwrap_or(0);
    let mut columns = vec![0.0; values.len()];
    for (i, row) in values.chunks_exact(width.max(1)).enumerate() {
        row.iter().enumerate().for_each(|(j, x)| columns[j * n_rows + i] = *x);
    }
    columns
}

/// Maps a file.
///
/// # Errors
/// [`ErrorKind::Io`] when it cannot be read.
pub fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    // SAFETY: a mapping is as good as the file behind it; whoever truncates a checkpoint in use ends this process, which
    // holds nothing but models.
    #[allow(unsafe_code)]
    let mapped = unsafe { Mmap::map(&file) };
    mapped.map_err(|e| unreadable(path, &e))
}

fn element(dtype: Dtype) -> std::result::Result<Element, String> {
    match dtype {
        Dtype::F32 => Ok(Element::F32),
        Dtype::F16 => Ok(Element::F16),
        Dtype::BF16 => Ok(Element::Bf16),
        other => Err(format!("{other:?}")),
    }
}

fn file_names(folder: &Path) -> Result<Vec<String>> {
    if folder.join("model.safetensors").is_file() {
        return Ok(vec!["model.safetensors".to_owned()]);
    }
    let index = folder.join("model.safetensors.index.json");
    if index.is_file() {
        let index: Index = crate::text::read_json(&index)?;
        let names: BTreeSet<String> = index.weight_map.into_values().collect();
        if let Some(name) = names.iter().find(|name| name.contains(['/', '\\'])) {
            bail!(Corrupted, "the checkpoint's index names the file \"{name}\" outside its folder");
        }
        return Ok(names.into_iter().collect());
    }
    Err(no_weights(folder))
}

fn no_weights(folder: &Path) -> Error {
    let other = ["pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "model.pt", "flax_model.msgpack"]
        .into_iter()
        .find(|name| folder.join(name).exists());
    match other {
        Some(name) => {
            Error::new(ErrorKind::NotSupported, format!("the model's weights are in \"{name}\", which can hold code"))
                .with_hint("convert them to safetensors: in Python, AutoModel.from_pretrained(…).save_pretrained(…)")
        }
        None => Error::new(ErrorKind::NotFound, format!("no model.safetensors in \"{}\"", folder.display())),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("could not read \"{}\": {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    fn folder(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> tempfile::TempDir {
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            (*name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).expect("a valid tensor"))
        });
        let folder = tempfile::tempdir().expect("a folder");
        let bytes = safetensors::serialize(views, None).expect("serialises");
        std::fs::write(folder.path().join("model.safetensors"), bytes).expect("written");
        folder
    }

    #[test]
    fn every_type_of_floats_is_read() {
        let folder = folder(&[
            ("a.full", Dtype::F32, vec![2], [1.5_f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect()),
            ("a.half", Dtype::F16, vec![1], f16::from_f32(0.5).to_le_bytes().to_vec()),
            ("a.brain", Dtype::BF16, vec![1], bf16::from_f32(-3.0).to_le_bytes().to_vec()),
        ]);
        let checkpoint = Checkpoint::open(folder.path()).expect("opens");
        let weights = checkpoint.weights().at("a");
        assert_eq!(*weights.floats("full", &[2]).expect("read"), [1.5, -2.0]);
        assert_eq!(*weights.floats("half", &[1]).expect("read"), [0.5]);
        assert!(checkpoint.all_used(&[]).expect_err("one is left").message().ends_with("a.brain"));
        assert_eq!(*weights.floats("brain", &[1]).expect("read"), [-3.0]);
        assert!(checkpoint.all_used(&[]).is_ok());
    }

    #[test]
    fn a_missing_a_misshaped_and_an_integer_tensor_are_named() {
        let folder = folder(&[("x", Dtype::I64, vec![1], vec![0; 8]), ("y", Dtype::F32, vec![1], vec![0; 4])]);
        let checkpoint = Checkpoint::open(folder.path()).expect("opens");
        let weights = checkpoint.weights();
        for (name, shape, message) in [
            ("z", [1], "the checkpoint has no tensor \"z\""),
            ("y", [2], "tensor \"y\" has shape [1], but [2] is needed"),
            ("x", [1], "tensor \"x\" is of type I64; known: F32, F16, BF16"),
        ] {
            assert_eq!(weights.floats(name, &shape).expect_err(name).message(), message);
        }
    }

    #[test]
    fn pickled_weights_are_refused_with_a_way_to_convert_them() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("pytorch_model.bin"), b"").expect("written");
        let error = Checkpoint::open(folder.path()).expect_err("a pickle");
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        assert!(error.hint().is_some_and(|hint| hint.contains("save_pretrained")));
    }
}
