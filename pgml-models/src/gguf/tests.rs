use pgml_core::ErrorKind;

use super::*;

/// Writes files as llama.cpp does, and others.
#[derive(Default)]
struct Writer {
    n_keys: u64,
    keys: Vec<u8>,
    n_tensors: u64,
    tensors: Vec<u8>,
    data: Vec<u8>,
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl Writer {
    /// A key with the number of its value's type.
    fn key(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.n_keys += 1;
        self.keys.extend([&text(key), &kind.to_le_bytes()[..], value].concat());
        self
    }

    fn array(self, key: &str, kind: u32, n: u64, values: &[u8]) -> Self {
        self.key(key, 9, &[&kind.to_le_bytes()[..], &n.to_le_bytes(), values].concat())
    }

    /// A tensor with its dimensions as the file has them.
    fn tensor(mut self, name: &str, element: Element, dimensions: &[u64], data: &[u8]) -> Self {
        self.data.resize(self.data.len().next_multiple_of(32), 0);
        let offset = self.data.len() as u64;
        self.data.extend(data);
        self.described(name, element.number(), dimensions, offset)
    }

    fn described(mut self, name: &str, kind: u32, dimensions: &[u64], offset: u64) -> Self {
        self.n_tensors += 1;
        self.tensors.extend([&text(name)[..], &(dimensions.len() as u32).to_le_bytes()].concat());
        dimensions.iter().for_each(|n| self.tensors.extend(n.to_le_bytes()));
        self.tensors.extend([&kind.to_le_bytes()[..], &offset.to_le_bytes()].concat());
        self
    }

    fn file(self) -> Vec<u8> {
        let counts = [self.n_tensors.to_le_bytes(), self.n_keys.to_le_bytes()].concat();
        let mut file = [&b"GGUF"[..], &3_u32.to_le_bytes(), &counts, &self.keys, &self.tensors].concat();
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(self.data);
        file
    }
}

/// A file with everything in it.
fn whole() -> Vec<u8> {
    let words = ["a", "水", ""].map(text).concat();
    Writer::default()
        .key("general.architecture", 8, &text("llama"))
        .key("general.alignment", 4, &32_u32.to_le_bytes())
        .key("llama.rope.freq_base", 6, &1e4_f32.to_le_bytes())
        .key("tokenizer.ggml.add_bos_token", 7, &[1])
        .key("small", 1, &[0xff])
        .array("tokenizer.ggml.tokens", 8, 3, &words)
        .array("tokenizer.ggml.scores", 6, 2, &[1_f32.to_le_bytes(), 2_f32.to_le_bytes()].concat())
        .array("flags", 7, 3, &[0, 1, 1])
        .tensor("a.weight", Element::F32, &[2, 3], &[0; 24])
        .tensor("b.weight", Element::Blocks(crate::kernels::BlockFormat::Q8_0), &[32, 2], &[7; 68])
        .file()
}

#[test]
fn what_was_written_is_read() {
    let file = whole();
    let gguf = Gguf::parse(&file).expect("a whole file");
    assert_eq!(gguf.text("general.architecture"), Some("llama"));
    assert_eq!(gguf.get("llama.rope.freq_base").and_then(Value::as_f64), Some(1e4));
    assert_eq!(gguf.get("tokenizer.ggml.add_bos_token").and_then(Value::as_bool), Some(true));
    assert_eq!((gguf.get("small").map(|x| (x.as_f64(), x.as_u64()))), Some((Some(-1.0), None)));
    let array = |key: &str| gguf.get(key).and_then(Value::as_array).expect("an array");
    assert_eq!(array("tokenizer.ggml.tokens").texts().expect("texts").collect::<Vec<_>>(), ["a", "水", ""]);
    assert_eq!(array("tokenizer.ggml.scores").numbers().expect("numbers").collect::<Vec<_>>(), [1.0, 2.0]);
    assert_eq!(array("flags").numbers().expect("numbers").collect::<Vec<_>>(), [0.0, 1.0, 1.0]);
    assert!(array("flags").texts().is_none() && array("tokenizer.ggml.tokens").numbers().is_none());
    let mut tensors: Vec<_> = gguf.tensors().collect();
    tensors.sort_by_key(|(name, _)| *name);
    let [(_, a), (_, b)] = tensors[..] else { panic!("two tensors") };
    assert_eq!((a.element, &a.shape[..], a.bytes.len()), (Element::F32, &[3, 2][..], 24));
    assert_eq!((b.element.name(), &b.shape[..], &file[b.bytes.clone()]), ("Q8_0", &[2, 32][..], &[7; 68][..]));
}

#[test]
fn every_cut_of_a_file_is_an_error() {
    let file = whole();
    for end in 0..file.len() {
        let error = Gguf::parse(&file[..end]).expect_err("a part of a file");
        assert_eq!(error.kind(), ErrorKind::Corrupted, "cut at {end}: {error}");
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let u32_bytes = 3_u32.to_le_bytes();
    let version = |version: u32| [&b"GGUF"[..], &version.to_le_bytes(), &[0; 16]].concat();
    let many = [&b"GGUF"[..], &3_u32.to_le_bytes(), &[0xff; 16]].concat();
    let described =
        |kind, dimensions: &[u64], offset| Writer::default().described("t", kind, dimensions, offset).file();
    for (file, message) in [
        (b"PK\x03\x04 and more that is no model".to_vec(), "it does not begin with GGUF"),
        (version(1), "version 1 of GGUF is not supported"),
        (version(3_u32.swap_bytes()), "big-endian"),
        (many, "ends within a key"),
        (Writer::default().key("a", 4, &u32_bytes).key("a", 4, &u32_bytes).file(), "key \"a\" twice"),
        (Writer::default().key("a", 13, &u32_bytes).file(), "value of \"a\" in the GGUF file has the unknown type 13"),
        (Writer::default().key("general.alignment", 4, &u32_bytes).file(), "no power of two"),
        (Writer::default().key("general.alignment", 4, &[0; 4]).file(), "no power of two"),
        (Writer::default().array("a", 9, 1, &[0; 12]).file(), "array of arrays"),
        (Writer::default().array("a", 10, u64::MAX, &[0; 12]).file(), "ends within an array"),
        (Writer::default().array("a", 8, u64::MAX, &text("one")).file(), "ends within a text of an array"),
        (Writer::default().key("a", 8, &[&1_u64.to_le_bytes()[..], &[0xff]].concat()).file(), "no UTF-8"),
        (described(0, &[1, 1, 1, 1, 1], 0), "has 5 dimensions"),
        (described(10, &[256], 0), "tensor \"t\" of the GGUF file is of type Q2_K; known: F32, F16"),
        (described(77, &[256], 0), "is of type number 77"),
        (described(0, &[1], 4), "not at a multiple of 32"),
        (described(2, &[48], 0), "rows of 48, but Q4_0 has blocks of 32"),
        (described(0, &[1 << 40, 1 << 40], 0), "ends beyond the file's"),
        (described(0, &[1], u64::MAX - 31), "ends beyond the file's"),
        (described(0, &[64], 0), "[64] of F32, ends beyond the file's"),
    ] {
        let error = Gguf::parse(&file).expect_err(message);
        assert!(error.message().contains(message), "{error} ({message})");
    }
    let twice = Writer::default().tensor("t", Element::F32, &[1], &[0; 4]).tensor("t", Element::F32, &[1], &[0; 4]);
    assert!(Gguf::parse(&twice.file()).expect_err("twice").message().contains("tensor \"t\" twice"));
}

/// A file with some of its bytes changed, as `rng` says: numbers to those that break readers, parts copied, cut, doubled.
fn damage(file: &[u8], rng: &mut fastrand::Rng, into: &mut Vec<u8>) {
    const HARD: [u64; 12] = [0, 1, 7, 31, 32, 255, 1 << 16, 1 << 31, 1 << 32, (1 << 63) - 1, u64::MAX - 31, u64::MAX];
    into.clear();
    into.extend_from_slice(file);
    for _ in 0..rng.usize(1..5) {
        if into.is_empty() {
            return;
        }
        let at = rng.usize(0..into.len());
        match rng.u8(0..6) {
            0 => into[at] ^= 1 << rng.u8(0..8),
            1 => into[at] = rng.u8(..),
            2 | 3 => {
                let width = if rng.bool() { 4 } else { 8 };
                let bytes = HARD[rng.usize(0..HARD.len())].to_le_bytes();
                into[at..].iter_mut().zip(&bytes[..width]).for_each(|(to, byte)| *to = *byte);
            }
            4 => into.truncate(at),
            _ => {
                let end = (at + rng.usize(0..64)).min(into.len());
                let part = into[at..end].to_vec();
                let to = rng.usize(0..into.len());
                into.splice(to..to, part);
            }
        }
    }
}

/// Ten million in a release's evidence: `PGML_FUZZ=10000000 cargo test --release -p pgml-models --features kernels --lib gguf`.
#[test]
fn damaged_files_are_errors_or_lie_within_themselves() {
    let inputs: u64 = std::env::var("PGML_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let (file, mut damaged) = (whole(), Vec::new());
    let mut rng = fastrand::Rng::with_seed(1);
    let mut accepted = 0_u64;
    for _ in 0..inputs {
        damage(&file, &mut rng, &mut damaged);
        let Ok(gguf) = Gguf::parse(&damaged) else { continue };
        accepted += 1;
        for (_, tensor) in gguf.tensors() {
            assert!(damaged.get(tensor.bytes.clone()).is_some());
            let elements: usize = tensor.shape.iter().product();
            let element = tensor.element;
            assert_eq!(tensor.bytes.len(), elements / element.block_len() * element.block_bytes());
        }
        for array in gguf.metadata.values().filter_map(Value::as_array) {
            let read = array.texts().map_or(0, Iterator::count) + array.numbers().map_or(0, Iterator::count);
            assert_eq!(read, array.len());
            assert!(read <= damaged.len(), "what is read grows with what is there");
        }
    }
    assert!(
        accepted > inputs / 100,
        "{accepted} of {inputs} were accepted: the damage reaches beyond the first checks"
    );
}

#[test]
fn older_formats_stand_for_the_same_numbers_as_in_ggml() {
    #[derive(serde::Deserialize)]
    struct Golden {
        blocks: String,
        values: Vec<f32>,
    }
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/gguf_blocks.json");
    let golden = std::fs::read(golden).expect("the golden");
    let golden: HashMap<String, Golden> = serde_json::from_slice(&golden).expect("valid JSON");
    for format in [OlderFormat::Q4_1, OlderFormat::Q5_0, OlderFormat::Q5_1] {
        let Golden { blocks, values } = &golden[format.name()];
        let byte = |i: usize| u8::from_str_radix(&blocks[i..i + 2], 16).expect("hexadecimal");
        let blocks: Vec<u8> = (0..blocks.len()).step_by(2).map(byte).collect();
        let got = format.dequantize(&blocks);
        let same = got.iter().zip(values).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs().max(1e-3));
        assert!(got.len() == values.len() && same, "{}: {got:?} {values:?}", format.name());
    }
}

/// The part of a model of so many, with this tensor.
fn part(number: u16, n_parts: u16, tensor: &str) -> Vec<u8> {
    Writer::default()
        .key("split.no", 2, &number.to_le_bytes())
        .key("split.count", 2, &n_parts.to_le_bytes())
        .key("split.tensors.count", 5, &2_i32.to_le_bytes())
        .tensor(tensor, Element::F32, &[2], &[number as u8; 8])
        .file()
}

#[test]
fn parts_are_read_as_one_model() {
    let files = [part(0, 2, "a"), part(1, 2, "b")];
    let [mut gguf, second] = [0, 1].map(|i| Gguf::parse(&files[i]).expect("a part"));
    assert_eq!(gguf.n_parts(), 2);
    assert!(gguf.check_whole().expect_err("half of it").message().contains("hold 1 tensors, but the first says 2"));
    gguf.join(second).expect("the next");
    gguf.check_whole().expect("all of it");
    let bytes = |name: &str| gguf.bytes(gguf.tensor(name).expect("it is there"));
    assert_eq!((bytes("a"), bytes("b")), (&[0; 8][..], &[1; 8][..]));
    let refused = |other: Vec<u8>| {
        let mut first = Gguf::parse(&files[0]).expect("a part");
        first.join(Gguf::parse(&other).expect("a part")).expect_err("not the next").message().to_owned()
    };
    assert!(refused(part(0, 2, "b")).contains("part 2 of 2 of the GGUF file says that it is 1 of 2"));
    assert!(refused(part(1, 3, "b")).contains("says that it is 2 of 3"));
    assert!(refused(part(1, 2, "a")).contains("\"a\" is in two parts"));
}

#[test]
fn a_tensor_is_its_parts_one_after_the_other() {
    let file = Writer::default()
        .tensor("s", Element::F32, &[2, 1, 3], &(0..24).collect::<Vec<u8>>())
        .tensor("empty", Element::F32, &[2, 0, 1 << 60], &[])
        .file();
    let gguf = Gguf::parse(&file).expect("a file");
    let tensor = gguf.tensor("s").expect("it is there");
    let parts: Vec<Tensor> = tensor.parts(3).expect("three").collect();
    assert!(parts.iter().all(|part| part.shape == [1, 1, 2]));
    let bytes: Vec<&[u8]> = parts.iter().map(|part| gguf.bytes(part)).collect();
    assert_eq!(bytes.concat(), (0..24).collect::<Vec<u8>>());
    assert!(tensor.parts(2).is_none() && tensor.parts(0).is_none());
    assert!(gguf.tensor("empty").expect("it is there").parts(1 << 60).is_none());
}
