//! Which model, and in which form.

use serde::{Deserialize, Serialize};

/// Names one loaded form of a model. Two calls share a copy exactly if their specifications are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The name on the hub, a folder, or the name of a stored model.
    pub name: String,
    /// Branch, tag or commit; the default branch when absent.
    pub revision: Option<String>,
    /// Where it runs: `auto`, `cpu`, `wgpu`, `wgpu:1`, …; the server's default when absent.
    pub device: Option<String>,
    /// The type of its numbers: `f32`, `bf16`, `f16`; `f32` when absent.
    pub dtype: Option<String>,
    /// How its weights are quantised: `int8`; not at all when absent.
    pub quantization: Option<String>,
    /// Which of several GGUF files of its folder or repository it is, by its path there; the one that serves best when absent.
    pub file: Option<String>,
    /// The folder of its files, of a model that a database stores; looked for by name when absent.
    pub folder: Option<String>,
}

impl ModelSpec {
    /// Whether its name says that it is a GGUF file. PostgresML ran those apart from others, and answered with texts alone.
    #[must_use]
    pub fn is_gguf_by_name(&self) -> bool {
        let name = self.name.to_lowercase();
        name.contains("-gguf") || name.contains("-ggml")
    }

    /// The default form of a model.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}
