//! The other side: Python programs in an environment of their own, which answer each request with one line of JSON.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::error::{Context, Error, Result};
use crate::process::run;
use crate::step::step;
use crate::{digest, places};

/// The folder of the peers' programs and of the list of what they need.
pub fn folder() -> PathBuf {
    places::repository().join("pgml-bench/peers")
}

/// A list of packages that peers need, and what they are in words.
pub struct Requirements {
    file: &'static str,
    what: &'static str,
    /// A package that there is only as source, to be compiled here.
    compiled: Option<&'static str>,
}

/// For everything about tables.
pub const TABLES: Requirements = Requirements {
    file: "requirements.txt",
    what: "XGBoost, LightGBM, scikit-learn and psycopg for Python",
    compiled: None,
};

/// For transformers.
pub const TRANSFORMERS: Requirements = Requirements {
    file: "requirements-transformers.txt",
    what: "PyTorch, sentence-transformers and onnxruntime for Python (several GB)",
    compiled: None,
};

/// For text generation.
pub const GENERATION: Requirements = Requirements {
    file: "requirements-generation.txt",
    what: "PyTorch, transformers and llama.cpp for Python (several GB; llama.cpp is compiled, which takes minutes)",
    compiled: Some("llama-cpp-python"),
};

/// The Python of an environment that has the pinned packages; made at the first call.
///
/// # Errors
/// When Python or pip is missing, or the package index does not have a package.
pub fn python(needed: &Requirements) -> Result<PathBuf> {
    let requirements = folder().join(needed.file);
    let pinned = fs::read_to_string(&requirements).context(|| format!("reading {}", requirements.display()))?;
    let environments = places::cache()?.join("peers");
    let environment = environments.join(digest::of_text(&pinned));
    let python = environment.join("bin/python");
    let complete = environment.join("complete");
    if complete.exists() {
        return Ok(python);
    }
    step(format!("fetching the peers: {}", needed.what));
    places::create_public(&environments)?;
    // Without its own pip: Debian's Python has no ensurepip unless python3-venv is installed.
    run(Command::new("python3").args(["-m", "venv", "--clear", "--without-pip"]).arg(&environment))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--python"]).arg(&python).args(["--quiet", "--disable-pip-version-check", "install"]);
    pip.arg("--only-binary=:all:");
    if let Some(package) = needed.compiled {
        pip.args(["--no-binary", package]);
    }
    run(pip.arg("--requirement").arg(&requirements)).map_err(|error| {
        Error::new(format!("{error}\nThis needs Python 3 with pip (Debian: apt-get install python3-pip) and PyPI."))
    })?;
    fs::write(&complete, "").context(|| format!("writing {}", complete.display()))?;
    Ok(python)
}

/// A running peer, prepared and waiting.
pub struct Peer {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    script: String,
}

impl Peer {
    /// Starts `script` on one thread and waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead.
    pub fn start<A: AsRef<std::ffi::OsStr>>(python: &Path, script: &str, arguments: &[A]) -> Result<Self> {
        let mut command = Command::new(python);
        command.arg(folder().join(script)).args(arguments);
        for library in ["OMP", "OPENBLAS"] {
            command.env(format!("{library}_NUM_THREADS"), "1");
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        Self::run(command, script)
    }

    /// Starts a program that speaks the same protocol and waits until it is ready; `name` is for messages.
    ///
    /// # Errors
    /// When it ends instead.
    pub fn run(mut command: Command, name: &str) -> Result<Self> {
        let starting = || format!("starting {name}");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context(starting)?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let output = output.ok_or_else(|| Error::new(format!("{name} has no output")))?;
        let mut peer = Self { process, input, output: BufReader::new(output), script: name.to_owned() };
        peer.answer()?;
        Ok(peer)
    }

    /// Lets it do `measurement` once.
    ///
    /// # Errors
    /// When it fails; what it said is on standard error.
    pub fn measure(&mut self, measurement: &str) -> Result<Measured> {
        let asking = || format!("asking a peer for {measurement}");
        let input = self.input.as_mut().ok_or_else(|| Error::new("the peer has been closed"))?;
        input.write_all(format!("{measurement}\n").as_bytes()).context(asking)?;
        input.flush().context(asking)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Measured> {
        let script = &self.script;
        let mut line = String::new();
        if self.output.read_line(&mut line).context(|| format!("reading from {script}"))? == 0 {
            return Err(Error::new(format!("{script} ended; what it said is above")));
        }
        let value = serde_json::from_str(&line).context(|| format!("reading `{}` from {script}", line.trim_end()))?;
        Ok(Measured(value))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.input = None;
        let _ = self.process.wait();
    }
}

/// What one measurement gave.
pub struct Measured(Value);

impl Measured {
    /// The number called `name`; NaN when there is none.
    pub fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or(f64::NAN)
    }
}
