//! Which of several GGUF files is the model: repositories hold the same one in many precisions.

/// Precisions by how well they serve on a CPU, the best first: small ones that keep nearly all of a model's quality.
const PREFERRED: [&str; 10] = ["Q4_K_M", "Q4_0", "Q5_K_M", "Q4_K_S", "Q5_K_S", "Q6_K", "Q8_0", "F16", "BF16", "F32"];

/// The file to use; `None` when there is none that is a whole model.
#[must_use]
pub fn choose<'a>(files: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut models: Vec<&str> = files.into_iter().filter(|file| is_model(file)).collect();
    models.sort_unstable();
    let rank = |file: &str| {
        let name = file.to_uppercase().replace('-', "_");
        PREFERRED.iter().position(|precision| name.contains(precision)).unwrap_or(PREFERRED.len())
    };
    models.into_iter().min_by_key(|file| rank(file))
}

/// Parts of a model, what makes images of it, and statistics are no model alone.
fn is_model(file: &str) -> bool {
    let name = file.to_lowercase();
    let part = ["-of-", "mmproj", "imatrix"].iter().any(|part| name.contains(part));
    name.ends_with(".gguf") && !name.contains('/') && !part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_precisions_one_that_serves_is_chosen() {
        let all = ["a.Q2_K.gguf", "a.Q8_0.gguf", "a.q4_k_m.gguf", "a.Q4_0.gguf", "mmproj-Q4_K_M.gguf", "README.md"];
        assert_eq!(choose(all), Some("a.q4_k_m.gguf"));
        assert_eq!(choose(["model-q8_0.gguf", "model-q2_k.gguf"]), Some("model-q8_0.gguf"));
        assert_eq!(choose(["b.gguf", "a.gguf"]), Some("a.gguf"));
        assert_eq!(choose(["a-00001-of-00002.gguf", "onnx/a.gguf", "model.safetensors"]), None);
    }
}
