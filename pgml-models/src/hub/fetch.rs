//! From a model's name to its folder, over the network if it must be.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use pgml_core::{Error, ErrorKind, Result, Run};

use super::client::Client;
use super::digest::Digest;
use super::download::Download;
use super::layout::Layout;
use super::listing::{Content, Listing, describe, list, look_up};
use super::meter::Meter;
use super::names::{check_model, check_revision, is_commit};
use super::needed;
use super::pins::{Pin, Pins};
use super::settings::Settings;
use super::snapshot::{self, is_complete};
use super::watch::{for_each, watched};

/// So many files arrive at a time.
const AT_A_TIME: usize = 4;

/// Models by name: in the cache, or on the hub.
#[derive(Debug, Clone)]
pub struct Hub {
    settings: Settings,
    /// Which of a model's GGUF files is meant.
    file: Option<String>,
}

/// A model whose names are known to be harmless.
struct Wanted<'a> {
    name: &'a str,
    revision: &'a str,
    file: Option<&'a str>,
    layout: Layout,
    pins: Pins,
}

impl Hub {
    /// A hub and a cache.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, file: None }
    }

    /// The same for models in GGUF files, of which `file` is meant: each is a model of its own. Without one it is the model's
    /// safetensors, or the GGUF file that serves best.
    #[must_use]
    pub fn with_file(self, file: Option<&str>) -> Self {
        Self { file: file.map(str::to_owned), ..self }
    }

    /// The folder of a model that is in the cache and known to be what it was at its first use. Quick, and never asks the
    /// hub: for everything else there is [`Hub::fetch`].
    ///
    /// # Errors
    /// [`ErrorKind::UnresolvedModel`] when name or revision cannot be ones; those of [`Pins::get`].
    pub fn find(&self, name: &str, revision: Option<&str>) -> Result<Option<PathBuf>> {
        let wanted = self.wanted(name, revision)?;
        let Some(pin) = wanted.pins.get(wanted.revision)? else { return Ok(None) };
        let folder = wanted.layout.snapshot(&pin.commit);
        Ok(wanted.pins.is_untouched(&pin, &folder).then_some(folder))
    }

    /// The folder of a model, downloaded if it is not in the cache. What the name means at its first use is written down;
    /// from then on it means that. `revision` is a branch, tag or commit; `token` goes before the server's own.
    ///
    /// # Errors
    /// [`ErrorKind::UnresolvedModel`] when there is no such model, or none in the cache and nothing may be downloaded;
    /// [`ErrorKind::PermissionDenied`] when the hub wants a token or a licence accepted; [`ErrorKind::NotSupported`] for a
    /// model in another format; [`ErrorKind::NotFound`] for a GGUF file that is not there, with those that are; [`ErrorKind::NotReady`] and [`ErrorKind::Corrupted`] when the model is not what it was at
    /// its first use, or not what the hub promised; [`ErrorKind::Io`] for the network and the disk; those of `run`.
    pub fn fetch(&self, name: &str, revision: Option<&str>, token: Option<&str>, run: &Run) -> Result<PathBuf> {
        let wanted = self.wanted(name, revision)?;
        let pin = wanted.pins.get(wanted.revision)?;
        if let Some(commit) = wanted.here(pin.as_ref()) {
            return wanted.hold(&commit, &BTreeMap::new(), run);
        }
        if self.settings.offline {
            return Err(wanted.not_here(pin.as_ref()));
        }
        // Not what the revision means by now, but what it meant at its first use.
        let asked = pin.as_ref().map_or(wanted.revision, |pin| &pin.commit);
        let (commit, known) = self.download(&wanted, asked, token, run).map_err(|error| match &pin {
            Some(pin) if error.kind() == ErrorKind::UnresolvedModel => wanted.gone(&pin.commit, &error),
            _ => error,
        })?;
        let folder = wanted.hold(&commit, &known, run)?;
        // Last: whoever sees the branch finds the model whole.
        if !is_commit(wanted.revision) && (pin.is_none() || wanted.layout.commit_of(wanted.revision).is_none()) {
            wanted.layout.set_commit(wanted.revision, &commit)?;
        }
        Ok(folder)
    }

    /// As [`Hub::fetch`], but accepts what the name means now: on the hub, or in the cache if nothing may be downloaded.
    ///
    /// # Errors
    /// Those of [`Hub::fetch`].
    pub fn refresh(&self, name: &str, revision: Option<&str>, token: Option<&str>, run: &Run) -> Result<PathBuf> {
        let wanted = self.wanted(name, revision)?;
        let (commit, known) = if self.settings.offline {
            let commit = wanted.here(None).ok_or_else(|| wanted.not_here(None))?;
            (commit, BTreeMap::new())
        } else {
            self.download(&wanted, wanted.revision, token, run)?
        };
        let folder = wanted.layout.snapshot(&commit);
        wanted.pins.replace(wanted.revision, &commit, &folder, &known, run)?;
        if !is_commit(wanted.revision) {
            wanted.layout.set_commit(wanted.revision, &commit)?;
        }
        Ok(folder)
    }

    fn wanted<'a>(&'a self, name: &'a str, revision: Option<&'a str>) -> Result<Wanted<'a>> {
        let revision = revision.unwrap_or("main");
        check_model(name)?;
        check_revision(revision)?;
        let (cache, file) = (&self.settings.cache, self.file.as_deref());
        Ok(Wanted { name, revision, file, layout: Layout::new(cache, name), pins: Pins::new(cache, name, file) })
    }

    /// Brings all files of `asked`, a revision, into the cache: its commit, and the SHA-256 of those files whose is known.
    fn download(
        &self,
        wanted: &Wanted<'_>,
        asked: &str,
        token: Option<&str>,
        run: &Run,
    ) -> Result<(String, BTreeMap<String, String>)> {
        let client = Client::new(&self.settings, token)?;
        watched(run, &client, |run| {
            let listing = list(&client, wanted.name, asked, &self.settings.patience, run)?;
            if is_commit(asked) && listing.commit != asked {
                return Err(wanted.pins.other_commit(asked, &listing.commit));
            }
            let job = Job { hub: self, wanted, client: &client, listing: &listing, run };
            let files = job.needed()?;
            job.bring(&files)?;
            let digests = files.iter().filter_map(|(path, content)| match &content.digest {
                Digest::Sha256(digest) => Some(((*path).to_owned(), digest.clone())),
                Digest::GitBlob(_) => None,
            });
            Ok((listing.commit.clone(), digests.collect()))
        })
    }
}

impl Wanted<'_> {
    /// The commit that is wanted, if all of it is in the cache.
    fn here(&self, pin: Option<&Pin>) -> Option<String> {
        let commit = match pin {
            Some(pin) => pin.commit.clone(),
            None if is_commit(self.revision) => self.revision.to_owned(),
            None => self.layout.commit_of(self.revision)?,
        };
        let folder = self.layout.snapshot(&commit);
        let whole = match pin {
            Some(pin) => pin.files.keys().all(|path| folder.join(path).is_file()),
            None => is_complete(&folder, self.file),
        };
        whole.then_some(commit)
    }

    /// Compares with the pin, or pins.
    fn hold(&self, commit: &str, known: &BTreeMap<String, String>, run: &Run) -> Result<PathBuf> {
        let folder = self.layout.snapshot(commit);
        self.pins.hold(self.revision, commit, &folder, known, run)?;
        Ok(folder)
    }

    /// Why there is nothing to be had without the hub.
    fn not_here(&self, pin: Option<&Pin>) -> Error {
        let now = self.layout.commit_of(self.revision);
        match (pin, now) {
            (Some(pin), Some(now)) if pin.commit != now => self.pins.other_commit(&pin.commit, &now),
            (None, Some(now)) => self.half(&now).unwrap_or_else(|| self.absent()),
            _ => self.absent(),
        }
    }

    /// What is missing in a folder that is there, if it is something to be converted, or a file that is named.
    fn half(&self, commit: &str) -> Option<Error> {
        let all = snapshot::all(&self.layout.snapshot(commit));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        if all.is_empty() {
            return None;
        }
        match needed::select(all.iter().copied(), &[], self.file) {
            Ok(needed) => needed::check(self.name, &needed, &all).err(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Some(error.with_hint("others may be on the hub, but nothing may be downloaded: see pgml.offline"))
            }
            Err(_) => None,
        }
    }

    fn absent(&self) -> Error {
        let what = describe(self.name, self.revision);
        let folder = self.layout.snapshot("…");
        Error::new(
            ErrorKind::UnresolvedModel,
            format!("{what} is not in the model cache, and nothing may be downloaded"),
        )
        .with_detail(format!("looked for {}", folder.display()))
        .with_hint(
            "turn off pgml.offline and HF_HUB_OFFLINE, or copy the model's folder from the model cache of another \
             machine, or name a folder in pgml.model_path",
        )
    }

    /// The hub has the pinned commit no more.
    fn gone(&self, commit: &str, error: &Error) -> Error {
        let refusal = self.pins.other_commit(commit, "another, and that one is gone from the hub");
        let hint = refusal.hint().unwrap_or_default().to_owned();
        Error::new(refusal.kind(), refusal.message())
            .with_detail(format!("it was commit {commit}, which is neither in the model cache nor on the hub: {error}"))
            .with_hint(hint)
    }
}

/// One download of a model.
struct Job<'a> {
    hub: &'a Hub,
    wanted: &'a Wanted<'a>,
    client: &'a Client,
    listing: &'a Listing,
    run: &'a Run,
}

type File<'a> = (&'a str, Content);

impl<'a> Job<'a> {
    /// The files that the model needs, the largest first. `modules.json`, which names some of them, is downloaded for that.
    fn needed(&self) -> Result<Vec<File<'a>>> {
        let all: Vec<&str> = self.listing.files.iter().map(|file| file.path.as_str()).collect();
        let modules = match all.iter().find(|path| **path == "modules.json") {
            Some(path) => {
                let content = self.content(path)?;
                let blob = self.wanted.layout.blob(&content.digest);
                self.bring(&[(*path, content)])?;
                let json = fs::read(&blob).map_err(|error| super::failure::of_disk("read", &blob, &error))?;
                needed::modules(&json)?
            }
            None => Vec::new(),
        };
        let needed = needed::select(all.iter().copied(), &modules, self.wanted.file)?;
        needed::check(self.wanted.name, &needed, &all)?;
        let files: Result<Vec<File<'_>>> = needed.into_iter().map(|path| Ok((path, self.content(path)?))).collect();
        let mut files = files?;
        files.sort_by_key(|(_, content)| std::cmp::Reverse(content.size));
        Ok(files)
    }

    /// Downloads `files`, and makes them files of the commit once all are here.
    fn bring(&self, files: &[File<'_>]) -> Result<()> {
        let meter = Meter::new(self.run, files.iter().map(|(_, content)| content.size).sum());
        for_each(files, AT_A_TIME, self.run, self.client, |(path, content)| {
            let download = Download {
                client: self.client,
                layout: &self.wanted.layout,
                address: self.address(path),
                what: format!("{path} of \"{}\"", self.wanted.name),
                content: content.clone(),
                patience: self.hub.settings.patience,
            };
            download.run(self.run, &meter)
        })?;
        // The weights last: a folder that has them is whole.
        files
            .iter()
            .rev()
            .try_for_each(|(path, content)| self.wanted.layout.link(&self.listing.commit, path, &content.digest))
    }

    fn content(&self, path: &str) -> Result<Content> {
        let listed = self.listing.files.iter().find(|file| file.path == path).and_then(|file| file.content.clone());
        match listed {
            Some(content) => Ok(content),
            None => {
                let what = format!("{path} of \"{}\"", self.wanted.name);
                look_up(self.client, &self.address(path), &what, &self.hub.settings.patience, self.run)
            }
        }
    }

    fn address(&self, path: &str) -> String {
        // Nothing in these three needs to be escaped but a plus, which some servers take for a space.
        format!("/{}/resolve/{}/{}", self.wanted.name, self.listing.commit, path.replace('+', "%2B"))
    }
}
