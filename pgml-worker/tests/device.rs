//! The inference program on a graphics card: what its callers get, on the device that `PGML_TEST_DEVICE` names.
//! `cargo xtask test --device` runs it; `PGML_MINILM` names the folder of all-MiniLM-L6-v2.
#![cfg(feature = "wgpu")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use pgml_core::Error;
use pgml_core::frames::{Decoder, Reply, Request, Settings, encode};
use pgml_core::text::ModelSpec;
use pgml_worker::Server;
use pgml_worker::transformers::Transformers;

const TEXTS: [&str; 3] = ["How do I bake bread?", "", "Trees vote, and the majority wins."];

struct Caller {
    stream: UnixStream,
    decoder: Decoder,
    folder: PathBuf,
}

/// A caller of a server of its own.
fn caller() -> Caller {
    let folder = std::env::var_os("PGML_MINILM").map(PathBuf::from).expect("PGML_MINILM names a model's folder");
    let sockets = tempfile::tempdir().expect("a folder");
    let path = sockets.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    thread::spawn(move || Server::new(Box::new(Transformers), 2, usize::MAX).serve(&listener));
    Caller { stream: UnixStream::connect(&path).expect("it listens"), decoder: Decoder::default(), folder }
}

impl Caller {
    /// Settings as a server has them whose `pgml.device` is `device`.
    fn settings(&self, device: &str) -> Settings {
        let model_path = self.folder.parent().into_iter().map(|folder| folder.display().to_string()).collect();
        Settings { memory: 2 << 30, device: Some(device.into()), model_path, ..Settings::default() }
    }

    fn send(&mut self, request: &Request) {
        let mut bytes = Vec::new();
        encode(request, &mut bytes).expect("encodes");
        self.stream.write_all(&bytes).expect("sent");
    }

    fn reply(&mut self) -> Reply {
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

    /// The vectors of [`TEXTS`] by the device that the server's settings name.
    fn embed(&mut self, device: &str) -> Result<Vec<Vec<f32>>, Error> {
        let name = self.folder.file_name().map(Path::new).expect("a name").display().to_string();
        let (model, settings) = (ModelSpec::named(name), self.settings(device));
        self.send(&Request::Embed { model, args: "{}".into(), texts: TEXTS.len() as u64, settings });
        self.send(&Request::Texts(TEXTS.map(str::to_owned).to_vec()));
        let mut vectors = Vec::new();
        loop {
            match self.reply() {
                Reply::Vectors { dimensions, values } => {
                    vectors.extend(values.chunks(dimensions as usize).map(<[f32]>::to_vec));
                }
                Reply::Error(error) => return Err(error),
                Reply::Done(_) => return Ok(vectors),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The devices of the models in memory.
    fn devices(&mut self) -> Vec<String> {
        self.send(&Request::Models);
        match self.reply() {
            Reply::Models(models) => models.into_iter().filter_map(|model| model.model.device).collect(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_device_gives_the_vectors_of_the_cpu() {
    let Ok(device) = std::env::var("PGML_TEST_DEVICE") else { return };
    let mut caller = caller();
    let here = caller.embed("cpu").expect("on the CPU");
    let there = caller.embed(&device).expect("on the device");
    let differences = here.concat().into_iter().zip(there.concat()).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0, f32::max);
    println!("all-MiniLM-L6-v2 through the inference program on {device}: largest difference {worst:.1e}");
    assert!((here.len(), there.len()) == (3, 3) && worst < 1e-5, "{worst}");
    assert_eq!(caller.embed(&device.to_uppercase()).expect("by another spelling"), there);
    assert_eq!(caller.devices().len(), 2, "one copy for each device, however it is spelled");
}

#[test]
fn a_missing_device_fails_its_request_and_not_the_program() {
    let mut caller = caller();
    let error = caller.embed("wgpu:1000").expect_err("no machine has as many");
    assert_eq!(error.message(), "this machine has no device \"wgpu:1000\"");
    assert_eq!(caller.embed("cpu").expect("goes on").len(), TEXTS.len());
    assert_eq!(caller.devices(), ["cpu"]);
}
