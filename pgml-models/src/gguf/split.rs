//! Models in several files, as llama.cpp's `gguf-split` makes them: the first has the metadata, and all say which part they are.

use pgml_core::{Result, bail};

use super::{Gguf, Value};

impl<'a> Gguf<'a> {
    /// How many files the model is in.
    #[must_use]
    pub fn n_parts(&self) -> u64 {
        self.get("split.count").and_then(Value::as_u64).unwrap_or(0).max(1)
    }

    /// Which of them this one is, counted from zero.
    #[must_use]
    pub fn part(&self) -> u64 {
        self.get("split.no").and_then(Value::as_u64).unwrap_or(0)
    }

    /// Adds the tensors of the next part.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted) when it is another part, or a tensor is in two of them.
    pub fn join(&mut self, next: Self) -> Result<()> {
        let (number, n_parts) = (self.files.len(), self.n_parts());
        if (next.part(), next.n_parts()) != (number as u64, n_parts) {
            let (other, n_others) = (next.part().saturating_add(1), next.n_parts());
            bail!(Corrupted, "part {} of {n_parts} of the GGUF file says that it is {other} of {n_others}", number + 1);
        }
        for (name, mut tensor) in next.tensors {
            tensor.file = number;
            if self.tensors.insert(name, tensor).is_some() {
                bail!(Corrupted, "the tensor \"{name}\" is in two parts of the GGUF file");
            }
        }
        self.files.extend(next.files);
        Ok(())
    }

    /// Checks that all tensors of all parts are there.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupted`](pgml_core::ErrorKind::Corrupted), with both numbers.
    pub fn check_whole(&self) -> Result<()> {
        let (here, wanted) = (self.tensors.len() as u64, self.get("split.tensors.count").and_then(Value::as_u64));
        match wanted {
            Some(wanted) if wanted != here => {
                bail!(Corrupted, "the parts of the GGUF file hold {here} tensors, but the first says {wanted}")
            }
            _ => Ok(()),
        }
    }
}
