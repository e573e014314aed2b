//! The program as the supervisor's child.

use std::ffi::{CStr, OsStr};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::guc;

/// The descriptor at which the program finds the listening socket.
const LISTENER: RawFd = 3;

/// How long the program may take to end by itself.
const GRACE: Duration = Duration::from_millis(300);

/// A running program. Dropping it ends it.
pub struct Program {
    child: Child,
    /// The other end is the program's descriptor 0. It ends when this is closed, and this ends when the program does.
    life: Option<UnixStream>,
}

/// Which file the program is: another build under the same name is another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Where it is.
    pub path: PathBuf,
    /// File number, length, time of the last change; none when it is not there.
    file: Option<(u64, u64, i64)>,
}

impl Identity {
    /// The program that the settings name: as the setting says, else beside this library.
    pub fn current() -> Self {
        let path = guc::worker_command().map_or_else(|| library_folder().join("pgml-worker"), PathBuf::from);
        let file = std::fs::metadata(&path).ok().map(|file| (file.ino(), file.len(), file.mtime()));
        Self { path, file }
    }
}

/// What the program has said.
pub enum News {
    /// It takes connections.
    Ready,
    /// It has ended, or is about to.
    Ended,
    /// Nothing.
    None,
}

impl Program {
    /// Starts the program at `path`.
    ///
    /// # Errors
    /// When it is not there or cannot be run.
    pub fn start(path: &Path, listener: &UnixListener) -> io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        occupy_descriptor(listener)?;
        let mut command = Command::new(path);
        command.arg("--supervised").stdin(Stdio::from(OwnedFd::from(far))).stdout(Stdio::null());
        let (listener, supervisor) = (listener.as_raw_fd(), std::process::id());
        // SAFETY: `prepare` makes system calls only, as is asked of code between fork and exec.
        unsafe { command.pre_exec(move || prepare(listener, supervisor)) };
        Ok(Self { child: command.spawn()?, life: Some(near) })
    }

    /// What becomes readable when there is news.
    pub fn descriptor(&self) -> RawFd {
        self.life.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Reads what it has said.
    pub fn news(&mut self) -> News {
        let Some(life) = &mut self.life else { return News::Ended };
        let mut bytes = [0; 16];
        match life.read(&mut bytes) {
            Ok(0) => News::Ended,
            Ok(_) => News::Ready,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => News::None,
            Err(_) => News::Ended,
        }
    }

    /// Ends it and says how it ended.
    pub fn end(mut self) -> Option<ExitStatus> {
        self.stop()
    }

    fn stop(&mut self) -> Option<ExitStatus> {
        self.life = None;
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // It hangs, or is stopped. Both calls fail only when it is gone.
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

fn library_folder() -> PathBuf {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    let here = library_folder as fn() -> PathBuf;
    // SAFETY: fills `info` for an address of this library; the name lives as long as the library is loaded.
    let file = unsafe {
        if libc::dladdr(here as *const libc::c_void, info.as_mut_ptr()) == 0 {
            return PathBuf::new();
        }
        CStr::from_ptr(info.assume_init().dli_fname)
    };
    Path::new(OsStr::from_bytes(file.to_bytes())).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Makes sure that the descriptor which the program's socket gets is in use here: otherwise the standard library's own
/// pipe to the child could have it.
fn occupy_descriptor(listener: &UnixListener) -> io::Result<()> {
    // SAFETY: asks about and fills one descriptor; what is open stays.
    unsafe {
        if libc::fcntl(LISTENER, libc::F_GETFD) == -1 && libc::dup2(listener.as_raw_fd(), LISTENER) == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Between fork and exec: nothing of Postgres's goes over to the program.
fn prepare(listener: RawFd, supervisor: u32) -> io::Result<()> {
    // SAFETY: system calls on this process alone.
    unsafe {
        close_on_exec();
        if listener == LISTENER {
            libc::fcntl(LISTENER, libc::F_SETFD, 0);
        } else if libc::dup2(listener, LISTENER) == -1 {
            return Err(io::Error::last_os_error());
        }
        for signal in 1..libc::SIGRTMIN() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
        // The postmaster signals the supervisor's whole group.
        libc::setsid();
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // It may have died before that.
        if libc::getppid() as u32 != supervisor {
            libc::_exit(1);
        }
    }
    Ok(())
}

/// Every descriptor from 3 on is closed by exec; PostgreSQL 15 leaves those of relations open.
unsafe fn close_on_exec() {
    // SAFETY: flags of descriptors, no more.
    unsafe {
        let flag = libc::CLOSE_RANGE_CLOEXEC as libc::c_uint;
        if libc::syscall(libc::SYS_close_range, LISTENER as libc::c_uint, libc::c_uint::MAX, flag) == 0 {
            return;
        }
        // A kernel before 5.11.
        let most = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 1 << 20) as RawFd;
        for descriptor in LISTENER..most {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}
