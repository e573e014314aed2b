//! Tokenizers of checkpoints that carry a list of words and parts of words, `vocab.txt`, and no `tokenizer.json`: BERT (Devlin et
//! al. 2019; its WordPiece: Wu et al. 2016) and its kin, among them TAPAS, and MPNet.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pgml_core::{Error, ErrorKind, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};

use crate::generation::SpecialTokens;
use crate::transformers::only;

/// The largest list that is read; the largest known one, of BERT for many languages, has 1 MB.
const MOST_BYTES: u64 = 64 << 20;

/// Architectures whose texts are cut alike.
struct Kin {
    /// The values of `tokenizer_class` in `tokenizer_config.json` that mean it, without `Tokenizer`.
    classes: &'static [&'static str],
    /// The values of `model_type` in `config.json` that mean it where no class is named.
    model_types: &'static [&'static str],
    /// Names and usual texts of special tokens; the first three are those for what is unknown, before a text, and behind it.
    special: &'static [(&'static str, &'static str)],
    /// Whether the mask takes the space before it.
    strips_mask: bool,
    /// Two texts, of which `first` stands before and `end` behind.
    pair: fn(first: &str, end: &str) -> String,
}

static KIN: &[Kin] = &[
    Kin {
        classes: &["Bert", "DistilBert", "Electra", "MobileBert", "Tapas"],
        model_types: &["bert", "distilbert", "electra", "nomic_bert", "new", "gte", "tapas"],
        special: &[
            ("unk_token", "[UNK]"),
            ("cls_token", "[CLS]"),
            ("sep_token", "[SEP]"),
            ("pad_token", "[PAD]"),
            ("mask_token", "[MASK]"),
        ],
        strips_mask: false,
        pair: |first, end| format!("{first} $A {end} $B:1 {end}:1"),
    },
    Kin {
        classes: &["MPNet"],
        model_types: &["mpnet"],
        special: &[
            ("unk_token", "[UNK]"),
            ("cls_token", "<s>"),
            ("sep_token", "</s>"),
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
        ],
        strips_mask: true,
        pair: |first, end| format!("{first} $A {end} {end} $B {end}"),
    },
];

/// What `tokenizer_config.json` says.
#[derive(Deserialize, Default)]
struct Config {
    tokenizer_class: Option<String>,
    do_lower_case: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    strip_accents: Option<bool>,
    /// By their numbers.
    #[serde(default)]
    added_tokens_decoder: BTreeMap<u32, Added>,
}

#[derive(Deserialize)]
struct Added {
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    single_word: bool,
    normalized: Option<bool>,
}

/// The tokenizer of the checkpoint in `folder`; `None` where it has no such file, or is of another kin.
///
/// # Errors
/// [`ErrorKind::Corrupted`] for a list that lacks what every text needs; [`ErrorKind::NotSupported`] for settings that are not
/// known here, each naming what it is.
pub(super) fn load(folder: &Path) -> Result<Option<Tokenizer>> {
    let path = folder.join("vocab.txt");
    if !path.is_file() {
        return Ok(None);
    }
    let settings: Value = super::read_json_if_there(&folder.join("tokenizer_config.json"))?.unwrap_or(json!({}));
    let config: Config = crate::transformers::read(&settings)?;
    let Some(kin) = kin(folder, &config)? else { return Ok(None) };
    only(&settings, "do_basic_tokenize", &[json!(true)])?;
    only(&settings, "never_split", &[json!([])])?;
    let numbers = WordPiece::read_bytes(&read(&path)?).map_err(refused)?;
    let named = SpecialTokens::read(folder)?;
    let special: Vec<&str> = kin.special.iter().map(|(name, usual)| named.get(name).unwrap_or(usual)).collect();
    let [unknown, first, end] = [special[0], special[1], special[2]];
    if let Some(token) = [unknown, first, end].iter().find(|token| !numbers.contains_key(**token)) {
        bail!(Corrupted, "vocab.txt of the model has no token {token}");
    }
    let numbered = |token: &str| (token.to_owned(), numbers.get(token).copied().unwrap_or_default());
    let template = TemplateProcessing::builder()
        .try_single(format!("{first} $A {end}"))
        .map_err(|e| refused(e.into()))?
        .try_pair((kin.pair)(first, end))
        .map_err(|e| refused(e.into()))?
        .special_tokens(vec![numbered(first), numbered(end)])
        .build()
        .map_err(|e| refused(e.to_string().into()))?;
    let of_kin = special.iter().zip(kin.special).filter(|(token, _)| numbers.contains_key(**token));
    let of_kin: Vec<AddedToken> = of_kin.map(|(token, (name, _))| kin.special_token(token, name)).collect();
    let model = WordPiece::builder().vocab(numbers).unk_token(unknown.to_owned()).build().map_err(refused)?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(config.normalizer())).map_err(refused)?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_decoder(Some(tokenizers::decoders::wordpiece::WordPiece::default()));
    tokenizer.with_post_processor(Some(template));
    tokenizer.add_special_tokens(of_kin).map_err(refused)?;
    add(&mut tokenizer, config.added_tokens_decoder)?;
    Ok(Some(tokenizer))
}

/// Of the class that the folder names, or of its architecture.
fn kin(folder: &Path, config: &Config) -> Result<Option<&'static Kin>> {
    if let Some(class) = &config.tokenizer_class {
        let class = class.strip_suffix("Fast").unwrap_or(class).strip_suffix("Tokenizer");
        return Ok(KIN.iter().find(|kin| class.is_some_and(|class| kin.classes.contains(&class))));
    }
    let model: Value = super::read_json_if_there(&folder.join("config.json"))?.unwrap_or_default();
    let model_type = model.get("model_type").and_then(Value::as_str);
    Ok(KIN.iter().find(|kin| model_type.is_some_and(|model_type| kin.model_types.contains(&model_type))))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| Error::new(ErrorKind::Io, format!("could not read \"{}\": {e}", path.display()));
    if fs::metadata(path).map_err(failed)?.len() > MOST_BYTES {
        bail!(Corrupted, "\"{}\" is larger than any list of words", path.display());
    }
    fs::read(path).map_err(failed)
}

/// Adds tokens that are not in the list, behind it; those that are in it are found in texts as they are written.
fn add(tokenizer: &mut Tokenizer, added: BTreeMap<u32, Added>) -> Result<()> {
    for (number, token) in added {
        let name = token.content.clone();
        if tokenizer.token_to_id(&name).is_none_or(|known| known == number) {
            tokenizer.add_tokens([token.into()]).map_err(refused)?;
        }
        match tokenizer.token_to_id(&name) {
            Some(got) if got == number => {}
            _ => bail!(NotSupported, "the tokenizer's added token {name:?} cannot have the number {number}"),
        }
    }
    Ok(())
}

impl Kin {
    fn special_token(&self, token: &str, name: &str) -> AddedToken {
        let strips = self.strips_mask && name == "mask_token";
        AddedToken::from(token.to_owned(), true).normalized(false).lstrip(strips)
    }
}

impl Config {
    fn normalizer(&self) -> BertNormalizer {
        let lowercase = self.do_lower_case.unwrap_or(true);
        BertNormalizer::new(true, self.tokenize_chinese_chars.unwrap_or(true), self.strip_accents, lowercase)
    }
}

impl From<Added> for AddedToken {
    fn from(added: Added) -> Self {
        Self::from(added.content, added.special)
            .normalized(added.normalized.unwrap_or(!added.special))
            .lstrip(added.lstrip)
            .rstrip(added.rstrip)
            .single_word(added.single_word)
    }
}

fn refused(error: tokenizers::Error) -> Error {
    Error::new(ErrorKind::Corrupted, format!("vocab.txt of the model makes no tokenizer: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Case {
        settings: Value,
        words: Vec<String>,
        inputs: Vec<Input>,
    }

    #[derive(Deserialize)]
    struct Input {
        texts: Vec<String>,
        ids: Vec<u32>,
        types: Vec<u32>,
    }

    /// Made by `tests/golden/word_pieces.py` with transformers 5.23.0.
    #[test]
    fn texts_are_cut_as_transformers_cuts_them() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/word_pieces.json");
        let cases: Vec<Case> = serde_json::from_slice(&fs::read(path).expect("the golden")).expect("valid");
        for case in cases {
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join("vocab.txt"), case.words.join("\n")).expect("written");
            fs::write(folder.path().join("tokenizer_config.json"), case.settings.to_string()).expect("written");
            let tokenizer = load(folder.path()).expect("valid").expect("a tokenizer");
            for Input { texts, ids, types } in case.inputs {
                let encoding = match &texts[..] {
                    [first, second] => tokenizer.encode((first.as_str(), second.as_str()), true),
                    _ => tokenizer.encode(texts[0].as_str(), true),
                };
                let encoding = encoding.expect("encodes");
                assert_eq!(
                    (encoding.get_ids(), encoding.get_type_ids()),
                    (&*ids, &*types),
                    "{} {texts:?}",
                    case.settings
                );
            }
        }
    }
}
