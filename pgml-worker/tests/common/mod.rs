//! A server with scripted models, and callers.
#![allow(dead_code, reason = "each test program uses a part")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;

use pgml_core::Error;
use pgml_core::frames::{Decoder, LoadedModel, Reply, Request, Settings, encode};
use pgml_core::text::ModelSpec;
use pgml_worker::Server;
use pgml_worker::scripted::Scripted;

/// A server with scripted models.
pub struct Running {
    _folder: tempfile::TempDir,
    path: PathBuf,
    pub loads: Arc<AtomicU64>,
    pub fetches: Arc<AtomicU64>,
}

pub fn start() -> Running {
    start_for(usize::MAX)
}

/// With places for so many connections.
pub fn start_for(connections: usize) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let models = Scripted::default();
    let (loads, fetches) = (Arc::clone(&models.loads), Arc::clone(&models.fetches));
    let server = Server::new(Box::new(models), 2, connections);
    thread::spawn(move || server.serve(&listener));
    Running { _folder: folder, path, loads, fetches }
}

/// One connection.
pub struct Caller {
    pub stream: UnixStream,
    decoder: Decoder,
    pub settings: Settings,
    /// What came besides answers.
    pub news: Vec<Reply>,
}

impl Running {
    pub fn caller(&self) -> Caller {
        let stream = UnixStream::connect(&self.path).expect("it listens");
        let settings = Settings { memory: 2 << 30, ..Settings::default() };
        Caller { stream, decoder: Decoder::default(), settings, news: Vec::new() }
    }

    pub fn models(&self) -> Vec<LoadedModel> {
        let mut caller = self.caller();
        caller.send(&Request::Models);
        match caller.reply() {
            Reply::Models(models) => models,
            other => panic!("{other:?}"),
        }
    }
}

impl Caller {
    pub fn send(&mut self, request: &Request) {
        let mut bytes = Vec::new();
        encode(request, &mut bytes).expect("encodes");
        self.stream.write_all(&bytes).expect("sent");
    }

    pub fn reply(&mut self) -> Reply {
        loop {
            if let Some(reply) = self.decoder.frame().expect("a frame") {
                return reply;
            }
            let mut bytes = [0; 65536];
            let n = self.stream.read(&mut bytes).expect("read");
            assert!(n > 0, "the server closed the connection");
            self.decoder.push(&bytes[..n]);
        }
    }

    pub fn ask(&mut self, model: &str, args: &str, texts: &[String]) {
        let settings = self.settings.clone();
        let model = ModelSpec::named(model);
        self.send(&Request::Embed { model, args: args.into(), texts: texts.len() as u64, settings });
        for piece in texts.chunks(1000) {
            self.send(&Request::Texts(piece.to_vec()));
        }
    }

    pub fn answer(&mut self) -> Result<Vec<Vec<f32>>, Error> {
        let mut vectors = Vec::new();
        loop {
            match self.reply() {
                Reply::Vectors { dimensions, values } => {
                    vectors.extend(values.chunks(dimensions as usize).map(<[f32]>::to_vec));
                }
                Reply::Error(error) => return Err(error),
                Reply::Done(_) => return Ok(vectors),
                news @ (Reply::Progress { .. } | Reply::Message { .. }) => self.news.push(news),
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn embed(&mut self, model: &str, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        self.ask(model, "{}", &texts);
        self.answer()
    }
}

impl Running {
    /// A caller that keeps the server's folder alive as long as the test runs.
    pub fn caller_of(self) -> Caller {
        let caller = self.caller();
        std::mem::forget(self);
        caller
    }
}
