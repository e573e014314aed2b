//! Accepts connections and answers what they ask.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pgml_core::frames::{Reply, Request, Settings};
use pgml_core::text::{EmbedArgs, GenerateArgs, ModelSpec, RankArgs, TextGenerator, TextTask};
use pgml_core::{Error, ErrorKind, Hyperparams, Result};
use serde_json::{Map, Value};

use crate::answer::answers;
use crate::connection::{Connection, Stop};
use crate::generating::Generating;
use crate::job::{Job, Stream};
use crate::models::{Access, Loaded, Models, Purpose};
use crate::registry::{Model, Registry, Wanted};
use crate::scheduler::{Kind, Scheduler, Work};
use crate::transform::{self, Transform};

/// Everything that connections share.
pub struct Server {
    registry: Registry,
    schedulers: Mutex<HashMap<String, Arc<Scheduler>>>,
    threads: usize,
    /// Requests for texts so far.
    requests: AtomicU64,
    /// How many connections there are, and how many there may be.
    connections: AtomicUsize,
    most_connections: usize,
}

/// A request for texts.
struct Asked {
    model: ModelSpec,
    task: Option<String>,
    args: String,
    chat: bool,
    stream: bool,
    token: Option<String>,
    settings: Settings,
}

impl Server {
    /// A server without models in memory, for `most_connections` callers at once. Each device's batches may use `threads` threads.
    #[must_use]
    pub fn new(models: Box<dyn Models>, threads: usize, most_connections: usize) -> Arc<Self> {
        let (registry, schedulers, requests) = (Registry::new(models), Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { registry, schedulers, threads, requests, connections: AtomicUsize::new(0), most_connections })
    }

    /// Accepts connections until the process ends.
    pub fn serve(self: &Arc<Self>, listener: &UnixListener) {
        let tidy = Arc::clone(self);
        start_thread("tidy", move || tidy.registry.keep_tidy());
        loop {
            wait_for_a_caller(listener);
            match listener.accept() {
                Ok((stream, _)) => {
                    let server = Arc::clone(self);
                    start_thread("connection", move || server.converse(stream));
                }
                // Out of descriptors, or a caller that is gone already.
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
            }
        }
    }

    fn converse(&self, stream: UnixStream) {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut connection) = Connection::new(stream) {
            let full = before >= self.most_connections;
            // Who has no place is told so, and gone: an open connection would take another's.
            while self.converse_once(full, &mut connection).is_ok() && !full {}
        }
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Answers one request.
    fn converse_once(&self, full: bool, connection: &mut Connection) -> Result<(), Stop> {
        let request = connection.receive()?;
        let answer = if full { Err(self.no_place().into()) } else { self.answer(request, connection) };
        let last = match answer {
            Ok(count) => Reply::Done(count),
            Err(Stop::Failed(error)) => Reply::Error(error),
            Err(Stop::Closed) => return Err(Stop::Closed),
        };
        connection.send(&last)?;
        connection.flush()
    }

    fn no_place(&self) -> Error {
        let most = self.most_connections;
        let message = format!("{most} sessions use the inference program, and there is no place for another");
        Error::new(ErrorKind::ConnectionFailure, message).with_hint(
            "let PostgreSQL's processes open more files (LimitNOFILE of its service), or share sessions in a pool",
        )
    }

    fn answer(&self, request: Request, connection: &mut Connection) -> Result<u64, Stop> {
        match request {
            Request::Ping => Ok(0),
            Request::Models => {
                let models = self.registry.list();
                let count = models.len() as u64;
                connection.send(&Reply::Models(models))?;
                Ok(count)
            }
            Request::Unload { name } => Ok(self.registry.unload(&name)),
            Request::Load { model, task, token, refresh, settings } => {
                let purpose = Purpose::named(&task)?;
                let access = Access { token, refresh };
                let wanted = Wanted { spec: &model, purpose, settings: &settings, access: &access };
                self.registry.get(&wanted, connection).map(|_| 1)
            }
            Request::Locate { model, token, settings } => {
                let access = Access { token, refresh: false };
                let wanted = Wanted { spec: &model, purpose: Purpose::Embed, settings: &settings, access: &access };
                let (folder, files) = self.registry.locate(&wanted, connection)?;
                let folder = folder.into_os_string().into_string().map_err(|folder| no_text(&folder))?;
                connection.send(&Reply::Folder { folder, files })?;
                Ok(1)
            }
            Request::Embed { model, args, texts, settings } => {
                let ask = |connection: &mut _| self.embed(&model, &args, &settings, connection);
                self.stream(texts, ask, connection)
            }
            Request::Rank { model, args, query, documents, settings } => {
                let ask = |connection: &mut _| self.rank(&model, &args, query, &settings, connection);
                self.stream(documents, ask, connection)
            }
            Request::Transform { model, task, args, inputs, chat, stream, token, settings } => {
                let asked = Asked { model, task, args, chat, stream, token, settings };
                self.transform(inputs, &asked, connection)
            }
            Request::Texts(_) => Err(Error::new(ErrorKind::Internal, "texts came without a request").into()),
        }
    }

    fn embed(&self, spec: &ModelSpec, args: &str, settings: &Settings, connection: &mut Connection) -> Embedding {
        let args = EmbedArgs::from_json("embed", &object(args)?)?;
        let access = Access { token: args.token.clone(), refresh: false };
        let wanted = Wanted { spec, purpose: Purpose::Embed, settings, access: &access };
        let model = self.registry.get(&wanted, connection)?;
        let Loaded::Embedder(embedder) = model.loaded.clone() else { return Err(not_for("embed").into()) };
        Ok((Kind::Embed(Arc::clone(&embedder)), Job::Embed(embedder, Box::new(args)), model))
    }

    fn rank(
        &self,
        spec: &ModelSpec,
        args: &str,
        query: String,
        settings: &Settings,
        connection: &mut Connection,
    ) -> Embedding {
        let args = RankArgs::from_json("rank", &object(args)?)?;
        let access = Access { token: args.token.clone(), refresh: false };
        let wanted = Wanted { spec, purpose: Purpose::Rank, settings, access: &access };
        let model = self.registry.get(&wanted, connection)?;
        let Loaded::Reranker(reranker) = model.loaded.clone() else { return Err(not_for("rank").into()) };
        Ok((Kind::Rank(Arc::clone(&reranker), Arc::new(args)), Job::Rank(reranker, query), model))
    }

    /// Answers a request of `total` texts. If it fails, the texts that are still to come are read away.
    fn stream(
        &self,
        total: u64,
        ask: impl FnOnce(&mut Connection) -> Embedding,
        connection: &mut Connection,
    ) -> Result<u64, Stop> {
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        let start = Instant::now();
        let mut missing = total;
        let outcome = ask(connection).and_then(|(kind, job, model)| {
            let work = Work { model: model.id, kind, statistics: Arc::clone(&model.statistics) };
            let ticket = self.scheduler(model.device())?.enter(work, connection.waker());
            let mut stream = Stream::new(&job, &ticket, total);
            let outcome = stream.run(connection);
            missing = stream.missing();
            if outcome.is_ok() {
                model.statistics.call(total as u64, start.elapsed());
            }
            outcome
        });
        match outcome {
            Ok(()) => Ok(total as u64),
            Err(Stop::Closed) => Err(Stop::Closed),
            Err(failed) => {
                skip_texts(missing, connection)?;
                Err(failed)
            }
        }
    }

    /// Answers a request of `total` prompts.
    fn transform(&self, total: u64, asked: &Asked, connection: &mut Connection) -> Result<u64, Stop> {
        let start = Instant::now();
        // All of them are here before the first is answered: so a refusal is not mixed up with them.
        let inputs = transform::inputs(total, connection)?;
        let access = Access { token: asked.token.clone(), refresh: false };
        let (task, args) = (self.task(asked, &access, connection)?, object(&asked.args)?);
        task.check(&args)?;
        if asked.stream {
            task.check_stream()?;
        }
        let purpose = Purpose::of(task);
        let wanted = Wanted { spec: &asked.model, purpose, settings: &asked.settings, access: &access };
        let model = self.registry.get(&wanted, connection)?;
        match &model.loaded {
            Loaded::Generator(generator) => {
                let args = GenerateArgs::from_json("transform", &args)?;
                let generating = self.generating(&model, generator, &asked.settings)?;
                let (chat, stream, plain) = (asked.chat, asked.stream, asked.model.is_gguf_by_name());
                let (name, connection_number) = (asked.task.as_deref().unwrap_or(task.name()), self.next_connection());
                let transform = Transform {
                    generator,
                    generating,
                    task,
                    name,
                    args: &args,
                    chat,
                    stream,
                    plain,
                    connection: connection_number,
                };
                transform.run(inputs, connection)?;
            }
            Loaded::Pipeline(pipeline) => {
                let (kind, statistics) = (Kind::Answer(Arc::clone(pipeline)), Arc::clone(&model.statistics));
                let work = Work { model: model.id, kind, statistics };
                let ticket = self.scheduler(model.device())?.enter(work, connection.waker());
                let answers = answers(pipeline, &inputs, &args, &ticket, connection)?;
                transform::send(&task.whole(answers), connection)?;
            }
            Loaded::Embedder(_) | Loaded::Reranker(_) => return Err(not_for(task.name()).into()),
        }
        model.statistics.call(total, start.elapsed());
        Ok(total)
    }

    /// The task that is named, or that follows from the model.
    fn task(&self, asked: &Asked, access: &Access, connection: &mut Connection) -> Result<TextTask, Stop> {
        if let Some(name) = &asked.task {
            return Ok(TextTask::named(name)?);
        }
        // For which purpose is not known yet, and does not matter to the place of the files.
        let wanted = Wanted { spec: &asked.model, purpose: Purpose::Generate, settings: &asked.settings, access };
        self.registry.task(&wanted, connection)
    }

    /// Where the texts of a model grow.
    fn generating<'a>(
        &self,
        model: &'a Model,
        generator: &Arc<dyn TextGenerator>,
        settings: &Settings,
    ) -> Result<&'a Generating> {
        if let Some(generating) = model.generating.get() {
            return Ok(generating);
        }
        let turns = Arc::clone(self.scheduler(model.device())?.turns());
        let (generator, statistics) = (Arc::clone(generator), Arc::clone(&model.statistics));
        // What the models themselves leave of the budget would change while texts grow: a quarter of it is theirs.
        let started = Generating::start(generator, statistics, turns, self.threads, settings.memory / 4)?;
        // Whoever was faster has started the thread that is used; the other one ends.
        Ok(model.generating.get_or_init(|| started))
    }

    fn next_connection(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    fn scheduler(&self, device: &str) -> Result<Arc<Scheduler>> {
        let mut schedulers = self.schedulers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scheduler) = schedulers.get(device) {
            return Ok(Arc::clone(scheduler));
        }
        let started = Scheduler::start(self.threads)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("could not start a thread: {e}")))?;
        let scheduler = Arc::new(started);
        schedulers.insert(device.to_owned(), Arc::clone(&scheduler));
        Ok(scheduler)
    }
}

type Embedding = Result<(Kind, Job, Arc<Model>), Stop>;

fn skip_texts(mut missing: usize, connection: &mut Connection) -> Result<(), Stop> {
    while missing > 0 {
        match connection.receive()? {
            Request::Texts(texts) if texts.len() <= missing => missing -= texts.len(),
            _ => return Err(Stop::Closed),
        }
    }
    Ok(())
}

fn object(json: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(json).map_err(|e| Error::new(ErrorKind::Internal, format!("arguments cannot be read: {e}")))
}

fn no_text(folder: &OsStr) -> Error {
    Error::new(ErrorKind::NotSupported, format!("the folder {folder:?} has a name that is no text"))
}

fn not_for(purpose: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("a model was loaded for something else than {purpose}"))
}

/// The listening socket may be a supervisor's, which does not block in it.
fn wait_for_a_caller(listener: &UnixListener) {
    let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry that lives through the call. When it fails, `accept` tells.
    #[allow(unsafe_code)]
    unsafe {
        libc::poll(&raw mut poll, 1, -1);
    }
}

fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) {
    // Without a thread the connection is dropped: its caller sees it close.
    let _ = std::thread::Builder::new().name(name.into()).spawn(work);
}
