//! Which of several GGUF files is the model: repositories hold the same one in many precisions, and large ones in parts.

use pgml_core::{Error, ErrorKind, Result};

/// Precisions by how well they serve on a CPU, the best first: small ones that keep nearly all of a model's quality.
const PREFERRED: [&str; 10] = ["Q4_K_M", "Q4_0", "Q5_K_M", "Q4_K_S", "Q5_K_S", "Q6_K", "Q8_0", "F16", "BF16", "F32"];

/// The file that is `wanted`, or else the one that serves best, of those with the paths `files`: the first part of a model in
/// several. `None` when nothing is wanted and there is no model.
///
/// # Errors
/// [`ErrorKind::NotFound`] when the wanted one is not there, with those that are.
pub fn find<'a>(files: impl IntoIterator<Item = &'a str>, wanted: Option<&str>) -> Result<Option<&'a str>> {
    let files: Vec<&str> = files.into_iter().filter(|file| is_gguf(file)).collect();
    let Some(wanted) = wanted else { return Ok(choose(&files)) };
    let first = parts(wanted).into_iter().next();
    let found = files.iter().find(|file| Some(**file) == first.as_deref());
    found.map(|file| Some(*file)).ok_or_else(|| {
        let mut known: Vec<&str> = files.into_iter().filter(|file| is_first(file)).collect();
        known.sort_unstable();
        Error::new(ErrorKind::NotFound, format!("the model has no GGUF file \"{wanted}\" here"))
            .with_detail(format!("known: {}", known.join(", ")))
    })
}

/// Whether there is a file that is a model.
#[must_use]
pub fn has_model<'a>(files: impl IntoIterator<Item = &'a str>) -> bool {
    find(files, None).is_ok_and(|found| found.is_some())
}

/// The files that a model is in, by the path of any of them: as `a-00001-of-00003.gguf` is named, in order; or itself.
#[must_use]
pub fn parts(file: &str) -> Vec<String> {
    match split(file) {
        Some((stem, _, n_parts)) => (1..=n_parts).map(|i| format!("{stem}-{i:05}-of-{n_parts:05}.gguf")).collect(),
        None => vec![file.to_owned()],
    }
}

/// The first part of a model that is not among `files`.
#[must_use]
pub fn missing(file: &str, files: &[&str]) -> Option<String> {
    parts(file).into_iter().find(|part| !files.contains(&part.as_str()))
}

/// Whether a path is one of a GGUF file.
pub fn is_gguf(file: &str) -> bool {
    file.to_lowercase().ends_with(".gguf")
}

fn choose<'a>(files: &[&'a str]) -> Option<&'a str> {
    let mut models: Vec<&str> = files.iter().copied().filter(|file| is_model(file)).collect();
    models.sort_unstable();
    let rank = |file: &str| {
        let name = file.to_uppercase().replace('-', "_");
        PREFERRED.iter().position(|precision| name.contains(precision)).unwrap_or(PREFERRED.len())
    };
    models.into_iter().min_by_key(|file| (missing(file, files).is_some(), rank(file)))
}

/// What makes images of a model, and statistics, are no model.
fn is_model(file: &str) -> bool {
    let name = file.to_lowercase();
    let other = ["mmproj", "imatrix"].iter().any(|other| name.contains(other));
    !name.contains('/') && !other && is_first(file)
}

fn is_first(file: &str) -> bool {
    split(file).is_none_or(|(_, part, _)| part == 1)
}

/// What stands before the number of a part, that number, and how many parts there are.
fn split(file: &str) -> Option<(&str, usize, usize)> {
    let (rest, n_parts) = file.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, part) = rest.rsplit_once('-')?;
    let number = |digits: &str| {
        let is_number = digits.len() == 5 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number)
    };
    let (part, n_parts): (usize, usize) = (number(part)?, number(n_parts)?);
    (1..=n_parts).contains(&part).then_some((stem, part, n_parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'a>(files: &[&'a str]) -> Option<&'a str> {
        find(files.iter().copied(), None).expect("nothing is wanted")
    }

    #[test]
    fn of_many_precisions_one_that_serves_is_chosen() {
        let all = ["a.Q2_K.gguf", "a.Q8_0.gguf", "a.q4_k_m.gguf", "a.Q4_0.gguf", "mmproj-Q4_K_M.gguf", "README.md"];
        assert_eq!(best(&all), Some("a.q4_k_m.gguf"));
        assert_eq!(best(&["model-q8_0.gguf", "model-q2_k.gguf"]), Some("model-q8_0.gguf"));
        assert_eq!(best(&["b.gguf", "a.gguf"]), Some("a.gguf"));
        assert_eq!(best(&["a-00002-of-00002.gguf", "onnx/a.gguf", "model.safetensors"]), None);
    }

    #[test]
    fn a_model_in_parts_is_its_first_part_and_whole_ones_win() {
        let parts = ["a-Q4_K_M-00002-of-00002.gguf", "a-Q4_K_M-00001-of-00002.gguf"];
        assert_eq!(best(&parts), Some(parts[1]));
        assert_eq!(missing(parts[1], &parts), None);
        assert_eq!(missing(parts[1], &parts[1..]), Some(parts[0].to_owned()));
        assert_eq!(best(&[parts[1], "a-Q8_0.gguf"]), Some("a-Q8_0.gguf"));
        assert_eq!(best(&[parts[0], parts[1], "a-Q8_0.gguf"]), Some(parts[1]));
        assert_eq!(super::parts("a-1-of-2.gguf"), ["a-1-of-2.gguf"]);
    }

    #[test]
    fn a_file_is_wanted_by_its_path_and_any_part_means_all() {
        let files = ["a.Q8_0.gguf", "Q4_0/a-00001-of-00002.gguf", "Q4_0/a-00002-of-00002.gguf", "config.json"];
        let wanted = |file| find(files, Some(file));
        assert_eq!(wanted("a.Q8_0.gguf").expect("it is there"), Some(files[0]));
        assert_eq!(wanted(files[2]).expect("it is there"), Some(files[1]));
        for file in ["a.gguf", "config.json", "Q4_0/a-00003-of-00003.gguf"] {
            let error = wanted(file).expect_err("it is not there");
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert_eq!(error.detail(), Some("known: Q4_0/a-00001-of-00002.gguf, a.Q8_0.gguf"));
        }
    }
}
