//! A hub on localhost that answers as the real one does, and misbehaves where a test wants it to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A commit of a model: its files. Those that end in `.safetensors` are LFS files.
#[derive(Clone)]
pub struct Commit {
    pub hash: String,
    pub files: BTreeMap<String, Vec<u8>>,
}

/// How one answer differs from the right one.
#[derive(Clone)]
pub enum Fault {
    /// Another status, with these headers.
    Status(u16, &'static [(&'static str, &'static str)]),
    /// The connection ends after so many bytes of the content.
    Truncated(usize),
    /// Silence after so many bytes of the content.
    Stalled(usize),
    /// Chunks of so many bytes with pauses between them.
    Slow(usize, Duration),
    /// The right length, but wrong bytes.
    Wrong,
    /// All of it, although a part was asked for.
    NoParts,
    /// Sent to this address instead; the address's path is followed by that of the request.
    Redirected(String),
}

/// A request that was made.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub range: Option<String>,
    pub token: Option<String>,
}

#[derive(Default)]
struct State {
    /// By name, then by revision.
    models: BTreeMap<String, BTreeMap<String, Commit>>,
    faults: Vec<(String, Fault, usize)>,
    asked: Vec<Asked>,
    /// As some mirrors do.
    lists_without_digests: bool,
}

/// The hub. It stops listening with the test process.
#[derive(Clone)]
pub struct StandIn {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl StandIn {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let hub = Self { address, state: Arc::default() };
        let serving = hub.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                // A client that goes away ends its thread.
                thread::spawn(move || serving.answer(stream));
            }
        });
        hub
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `revision` of the model `name` is `commit` from now on. It can be had by its hash, too.
    pub fn publish(&self, name: &str, revision: &str, commit: &Commit) {
        let mut state = self.lock();
        let revisions = state.models.entry(name.to_owned()).or_default();
        revisions.insert(revision.to_owned(), commit.clone());
        revisions.insert(commit.hash.clone(), commit.clone());
    }

    /// `revision` of the model `name` is there no more.
    pub fn withdraw(&self, name: &str, revision: &str) {
        self.lock().models.get_mut(name).expect("a model").remove(revision);
    }

    /// The next `times` answers to requests whose path contains `path` are wrong in this way.
    pub fn spoil(&self, path: &str, fault: Fault, times: usize) {
        self.lock().faults.push((path.to_owned(), fault, times));
    }

    pub fn list_without_digests(&self) {
        self.lock().lists_without_digests = true;
    }

    /// What was asked for, in paths that contain `path`.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        self.lock().asked.iter().filter(|asked| asked.path.contains(path)).cloned().collect()
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let mut state = self.lock();
        let found = state.faults.iter_mut().find(|(part, _, times)| *times > 0 && path.contains(part.as_str()))?;
        found.2 -= 1;
        Some(found.1.clone())
    }

    fn answer(&self, mut stream: TcpStream) {
        let Some(asked) = read_request(&stream) else { return };
        self.lock().asked.push(asked.clone());
        let fault = self.fault(&asked.path);
        if let Some(Fault::Status(status, headers)) = fault {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let _ =
                write!(stream, "HTTP/1.1 {status} Fault\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n");
            return;
        }
        if let Some(Fault::Redirected(to)) = fault {
            let headers = self.content(&asked.path).map(|(commit, content, path)| describe(&commit, &content, &path));
            let headers = headers.unwrap_or_default().replace("etag:", "x-linked-etag:");
            let _ = write!(
                stream,
                "HTTP/1.1 302 Found\r\nlocation: {to}{}\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n",
                asked.path
            );
            return;
        }
        if let Some(list) = self.list(&asked.path) {
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{list}",
                list.len()
            );
            return;
        }
        match self.content(&asked.path) {
            Some((commit, content, path)) => {
                let headers = describe(&commit, &content, &path);
                let _ = send(&mut stream, &asked, &headers, &content, fault.as_ref());
            }
            None => {
                let (status, code) = self.refusal(&asked);
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} No\r\nx-error-code: {code}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
            }
        }
    }

    /// How the hub says that something is not there. Without a token, a name that is not there may be a private one.
    fn refusal(&self, asked: &Asked) -> (u16, &'static str) {
        let listed = asked.path.strip_prefix("/api/models/").and_then(|rest| rest.split_once("/revision/"));
        match listed {
            Some((name, _)) if !self.lock().models.contains_key(name) => {
                (if asked.token.is_some() { 404 } else { 401 }, "RepoNotFound")
            }
            Some(_) => (404, "RevisionNotFound"),
            None => (404, "EntryNotFound"),
        }
    }

    /// `/api/models/NAME/revision/REVISION?blobs=true`
    fn list(&self, path: &str) -> Option<String> {
        let path = path.split('?').next()?;
        let (name, revision) = path.strip_prefix("/api/models/")?.split_once("/revision/")?;
        let state = self.lock();
        let commit = state.models.get(name)?.get(&revision.replace("%2F", "/"))?;
        let files = commit.files.iter().map(|(path, content)| {
            if state.lists_without_digests {
                return json!({"rfilename": path});
            }
            let mut file = json!({"rfilename": path, "size": content.len(), "blobId": git_blob(content)});
            if is_lfs(path) {
                file["lfs"] = json!({"sha256": sha256(content), "size": content.len(), "pointerSize": 130});
            }
            file
        });
        let files: Vec<_> = files.collect();
        Some(json!({"id": name, "sha": commit.hash, "private": false, "siblings": files}).to_string())
    }

    /// `/NAME/resolve/REVISION/PATH`
    fn content(&self, path: &str) -> Option<(String, Vec<u8>, String)> {
        let path = path.split('?').next()?.replace("%2B", "+");
        let (name, rest) = path.trim_start_matches("/cdn").trim_start_matches('/').split_once("/resolve/")?;
        let state = self.lock();
        let (revision, commit) =
            state.models.get(name)?.iter().find(|(key, _)| rest.starts_with(&format!("{key}/")))?;
        let file = rest[revision.len() + 1..].to_owned();
        Some((commit.hash.clone(), commit.files.get(&file)?.clone(), file))
    }
}

fn read_request(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut asked = Asked { method, path, range: None, token: None };
    for line in lines {
        let line = line.ok()?;
        match line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())) {
            Some((name, value)) if name == "range" => asked.range = Some(value),
            Some((name, value)) if name == "authorization" => asked.token = Some(value),
            Some(_) => {}
            None => break,
        }
    }
    Some(asked)
}

fn describe(commit: &str, content: &[u8], path: &str) -> String {
    let etag = if is_lfs(path) { sha256(content) } else { git_blob(content) };
    format!(
        "etag: \"{etag}\"\r\nx-repo-commit: {commit}\r\nx-linked-size: {}\r\naccept-ranges: bytes\r\n",
        content.len()
    )
}

fn send(
    stream: &mut TcpStream,
    asked: &Asked,
    headers: &str,
    content: &[u8],
    fault: Option<&Fault>,
) -> std::io::Result<()> {
    let range = asked.range.as_deref().filter(|_| !matches!(fault, Some(Fault::NoParts)));
    let start: usize = range.map_or(0, |range| range[6..].trim_end_matches('-').parse().expect("a range"));
    if start > 0 && start >= content.len() {
        return write!(stream, "HTTP/1.1 416 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    let (status, part) = match range {
        Some(_) => ("206 Partial", format!("content-range: bytes {start}-{}/{}\r\n", content.len() - 1, content.len())),
        None => ("200 OK", String::new()),
    };
    let body = match fault {
        Some(Fault::Wrong) => content.iter().map(|byte| !byte).collect(),
        _ => content.to_vec(),
    };
    let body = &body[start..];
    write!(stream, "HTTP/1.1 {status}\r\n{headers}{part}content-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
    if asked.method == "HEAD" {
        return Ok(());
    }
    match fault {
        Some(Fault::Truncated(length)) => stream.write_all(&body[..(*length).min(body.len())]),
        Some(Fault::Stalled(length)) => {
            stream.write_all(&body[..(*length).min(body.len())])?;
            // Longer than any test waits; the process does not wait for this thread.
            thread::sleep(Duration::from_secs(600));
            Ok(())
        }
        Some(Fault::Slow(length, pause)) => body.chunks(*length).try_for_each(|chunk| {
            thread::sleep(*pause);
            stream.write_all(chunk)
        }),
        _ => stream.write_all(body),
    }
}

fn is_lfs(path: &str) -> bool {
    path.ends_with(".safetensors")
}

pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn git_blob(content: &[u8]) -> String {
    let digest = Sha1::new_with_prefix(format!("blob {}\0", content.len())).chain_update(content).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
