//! One file on its way into the cache: by one writer, from where an earlier try ended, and never under its name before
//! all of it is right.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use pgml_core::{Error, ErrorKind, Result, Run};

use super::client::{Answer, Client, Method};
use super::digest::{Check, read_through};
use super::failure::{Failure, of_disk};
use super::layout::{Layout, make_parent};
use super::listing::Content;
use super::meter::{Meter, size_text};
use super::retry::with_retries;
use super::settings::Patience;

/// Cancels are noticed between two of these.
const CHUNK: usize = 256 << 10;
/// So much in one try shows that the connection is of use.
const PROGRESS: u64 = 64 << 10;

/// A file that the cache is to hold.
pub struct Download<'a> {
    /// Where it comes from.
    pub client: &'a Client,
    /// Where it goes.
    pub layout: &'a Layout,
    /// Its address on the hub, from the slash on.
    pub address: String,
    /// For messages: its path and the model's name.
    pub what: String,
    /// What it must be.
    pub content: Content,
    /// When to give up.
    pub patience: Patience,
}

impl Download<'_> {
    /// Sees to it that the content is in the cache and right.
    ///
    /// # Errors
    /// Those of [`Client::ask`]; [`ErrorKind::Corrupted`] when the hub sends something else than it promised;
    /// [`ErrorKind::Io`] when the disk is full.
    pub fn run(&self, run: &Run, meter: &Meter<'_>) -> Result<()> {
        let _writer = self.layout.lock(&self.content.digest, run)?;
        let blob = self.layout.blob(&self.content.digest);
        // Also what another process has just written, which is why this comes after the lock.
        if self.content.digest.is_of(&blob, self.content.size, run)? {
            meter.add(self.content.size);
            return Ok(());
        }
        run.info(&format!("downloading {} ({})", self.what, size_text(self.content.size)));
        let partial = self.layout.partial(&self.content.digest);
        make_parent(&partial)?;
        with_retries(&self.patience, run, || self.go_on(&partial, run, meter))?;
        fs::rename(&partial, &blob).map_err(|error| of_disk("rename", &partial, &error))
    }

    /// One try: the rest of the file, and the check of the whole.
    fn go_on(&self, partial: &Path, run: &Run, meter: &Meter<'_>) -> Result<(), Failure> {
        let mut arriving = Arriving::open(partial, &self.content, run)?;
        let resumed = arriving.length;
        meter.add(resumed);
        let outcome = self.receive(&mut arriving, run, meter);
        let wrong = match outcome {
            Ok(()) => !arriving.end()?,
            Err(mut failure) => {
                failure.progressed = arriving.length >= resumed + PROGRESS;
                meter.take_back(arriving.length);
                return Err(failure);
            }
        };
        if wrong {
            meter.take_back(self.content.size);
            fs::remove_file(partial).map_err(|error| of_disk("remove", partial, &error))?;
            return Err(self.wrong(resumed > 0));
        }
        Ok(())
    }

    fn receive(&self, arriving: &mut Arriving<'_>, run: &Run, meter: &Meter<'_>) -> Result<(), Failure> {
        if arriving.length == self.content.size {
            return Ok(());
        }
        let answer = match self.client.ask(&self.address, Method::Get(arriving.length), &self.what) {
            Ok(answer) => answer,
            // A hub that cannot send parts is asked for all of it the next time.
            Err(failure) if failure.status == Some(416) && arriving.length > 0 => {
                meter.take_back(arriving.length);
                arriving.start_again()?;
                return Err(Failure::passing(failure.error));
            }
            Err(failure) => return Err(failure),
        };
        if arriving.length > 0 && !goes_on_from(&answer, arriving.length) {
            meter.take_back(arriving.length);
            arriving.start_again()?;
        }
        let host = answer.host;
        let mut body = answer.response.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        while arriving.length < self.content.size {
            run.check()?;
            let read = match body.read(&mut chunk) {
                Ok(0) => return Err(self.truncated(arriving.length)),
                Ok(read) => read,
                Err(error) => return Err(of_reading(error, &host)),
            };
            let wanted = usize::try_from(self.content.size - arriving.length).unwrap_or(usize::MAX).min(read);
            arriving.append(&chunk[..wanted])?;
            meter.add(wanted as u64);
        }
        Ok(())
    }

    fn truncated(&self, length: u64) -> Failure {
        let message = format!("the hub sent {length} of the {} bytes of {}", self.content.size, self.what);
        Failure::passing(Error::new(ErrorKind::Io, message).with_hint("try again: the download goes on from there"))
    }

    /// What was resumed may have been spoilt on this side: it is worth a second try.
    fn wrong(&self, resumed: bool) -> Failure {
        let message = format!("what the hub sent as {} has not the digest that the hub promised", self.what);
        let error = Error::new(ErrorKind::Corrupted, message)
            .with_detail(format!("promised: {}", self.content.digest.as_str()))
            .with_hint("it was not kept; try again, and if that fails too, look at what is between here and the hub");
        if resumed { Failure::passing(error) } else { error.into() }
    }
}

/// An unfinished file, and the digest of what is in it.
struct Arriving<'a> {
    file: File,
    path: &'a Path,
    content: &'a Content,
    check: Check,
    length: u64,
}

impl<'a> Arriving<'a> {
    /// With what earlier tries left, unless that is too much.
    fn open(path: &'a Path, content: &'a Content, run: &Run) -> Result<Self> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path);
        let file = file.map_err(|error| of_disk("open", path, &error))?;
        let length = file.metadata().map_err(|error| of_disk("read", path, &error))?.len();
        let mut arriving = Self { file, path, content, check: content.digest.check(content.size), length };
        if length > content.size {
            arriving.start_again()?;
        } else if length > 0 {
            let check = &mut arriving.check;
            read_through(&mut arriving.file, run, |chunk| check.update(chunk))?
                .map_err(|error| of_disk("read", path, &error))?;
        }
        Ok(arriving)
    }

    fn start_again(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(|error| of_disk("write", self.path, &error))?;
        (self.check, self.length) = (self.content.digest.check(self.content.size), 0);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| of_disk("write", self.path, &error))?;
        self.check.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Whether the whole is what it should be; and on the disk, before it gets a name that others trust.
    fn end(self) -> Result<bool> {
        self.file.sync_data().map_err(|error| of_disk("write", self.path, &error))?;
        Ok(self.length == self.content.size && self.check.holds())
    }
}

/// Whether an answer holds the content from byte `start` on, and not all of it.
fn goes_on_from(answer: &Answer, start: u64) -> bool {
    let range = answer.response.headers().get("content-range").and_then(|value| value.to_str().ok());
    answer.response.status() == 206 && range.is_some_and(|range| range.starts_with(&format!("bytes {start}-")))
}

/// The body's reader wraps what the connection said.
fn of_reading(error: std::io::Error, host: &str) -> Failure {
    Failure::of_transport(&ureq::Error::from(error), host)
}
