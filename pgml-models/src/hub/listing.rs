//! What a revision of a model consists of: its commit and its files, with sizes and digests.

use std::io::Read;

use pgml_core::{Error, ErrorKind, Result, Run};
use serde_json::Value;

use super::client::{Client, Method};
use super::digest::Digest;
use super::failure::Failure;
use super::names::is_commit;
use super::retry::with_retries;
use super::settings::Patience;

/// No list of files is longer.
const MAX_BYTES: u64 = 64 << 20;

/// A revision of a model on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The commit that the revision means now.
    pub commit: String,
    /// All its files.
    pub files: Vec<Listed>,
}

/// A file on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path within the model.
    pub path: String,
    /// Its content, unless the hub's list says nothing of it (some mirrors' do not).
    pub content: Option<Content>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// In bytes.
    pub size: u64,
    /// Of these bytes.
    pub digest: Digest,
}

/// Asks the hub what `revision` of the model `name` consists of.
///
/// # Errors
/// Those of [`Client::ask`]; [`ErrorKind::Corrupted`] for an answer that makes no sense.
pub fn list(client: &Client, name: &str, revision: &str, patience: &Patience, run: &Run) -> Result<Listing> {
    let path = format!("/api/models/{name}/revision/{}?blobs=true", revision.replace('/', "%2F"));
    let what = describe(name, revision);
    let json = with_retries(patience, run, || {
        let answer = client.ask(&path, Method::Get(0), &what)?;
        let mut json = Vec::new();
        let mut body = answer.response.into_body().into_reader().take(MAX_BYTES);
        body.read_to_end(&mut json).map_err(|error| Failure::of_transport(&ureq::Error::Io(error), &answer.host))?;
        Ok(json)
    })?;
    serde_json::from_slice(&json).ok().and_then(|json| read(&json)).ok_or_else(|| {
        Error::new(ErrorKind::Corrupted, format!("the hub's list of the files of {what} cannot be read"))
            .with_hint("check that HF_ENDPOINT names a hub, and that no proxy answers in its place")
    })
}

/// What the hub says about one file, where its list says nothing.
///
/// # Errors
/// Those of [`Client::ask`]; [`ErrorKind::Corrupted`] when it does not say it here either.
pub fn look_up(client: &Client, address: &str, what: &str, patience: &Patience, run: &Run) -> Result<Content> {
    let answer = with_retries(patience, run, || client.ask(address, Method::Head, what))?;
    let header = |name: &str| answer.hub.get(name).and_then(|value| value.to_str().ok());
    let digest = header("x-linked-etag").or_else(|| header("etag"));
    let digest = digest.map(|etag| etag.trim_start_matches("W/").trim_matches('"')).and_then(Digest::parse);
    let size = header("x-linked-size").or_else(|| header("content-length")).and_then(|size| size.parse().ok());
    match (size, digest) {
        (Some(size), Some(digest)) => Ok(Content { size, digest }),
        _ => Err(Error::new(ErrorKind::Corrupted, format!("the hub gives no digest of {what}"))
            .with_hint("without one a download cannot be checked; check that HF_ENDPOINT names a hub")),
    }
}

/// For messages: `"org/name"`, and the revision where it is not the usual one.
#[must_use]
pub fn describe(name: &str, revision: &str) -> String {
    if revision == "main" { format!("\"{name}\"") } else { format!("\"{name}\" at revision \"{revision}\"") }
}

fn read(json: &Value) -> Option<Listing> {
    let commit = json["sha"].as_str().filter(|commit| is_commit(commit))?.to_owned();
    let files = json["siblings"].as_array()?.iter().map(|file| {
        let path = file["rfilename"].as_str()?.to_owned();
        Some(Listed { path, content: content(file) })
    });
    Some(Listing { commit, files: files.collect::<Option<_>>()? })
}

fn content(file: &Value) -> Option<Content> {
    let (size, digest) = match &file["lfs"] {
        Value::Object(lfs) => (lfs.get("size")?, lfs.get("sha256").or_else(|| lfs.get("oid"))?),
        _ => (&file["size"], &file["blobId"]),
    };
    Some(Content { size: size.as_u64()?, digest: Digest::parse(digest.as_str()?)? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_read_with_the_digest_of_their_content() {
        let (commit, blob, sha256) = ("a".repeat(40), "b".repeat(40), "c".repeat(64));
        let list = json!({"sha": commit, "siblings": [
            {"rfilename": "config.json", "size": 3, "blobId": blob},
            {"rfilename": "model.safetensors", "size": 9, "blobId": blob, "lfs": {"sha256": sha256, "size": 9, "pointerSize": 134}},
            {"rfilename": "README.md"},
        ]});
        let listing = read(&list).expect("a listing");
        let digests: Vec<_> = listing.files.iter().map(|file| file.content.as_ref().map(|c| &c.digest)).collect();
        assert_eq!(digests, [Some(&Digest::GitBlob(blob)), Some(&Digest::Sha256(sha256)), None]);
    }

    #[test]
    fn a_list_without_a_commit_is_no_list() {
        for list in
            [json!([]), json!({"sha": "../..", "siblings": []}), json!({"sha": "a".repeat(40), "siblings": [{}]})]
        {
            assert_eq!(read(&list), None, "{list}");
        }
    }
}
