//! The Unix socket between backends and the program. Its path is relative to the data directory, so the limit of such
//! paths (107 bytes) is no limit on where that lies.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use super::socket_path;
use crate::folder;

/// Listens, for the server's user alone. Whoever calls this holds the supervisor's lock: what is there is left over.
///
/// # Errors
/// When the socket cannot be made.
pub fn listen() -> io::Result<UnixListener> {
    folder::ensure()?;
    let path = socket_path();
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // SAFETY: the mask of this process, which has one thread; restored below.
    let before = unsafe { libc::umask(0o177) };
    let bound = UnixListener::bind(&path);
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    let listener = bound?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects without ever blocking.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] or [`io::ErrorKind::ConnectionRefused`] when nobody listens,
/// [`io::ErrorKind::WouldBlock`] when too many are waiting to be accepted.
pub fn connect() -> io::Result<UnixStream> {
    let path = socket_path();
    // SAFETY: all zeros are a valid address without a name.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: a new descriptor, owned from here on; the address is whole and ends with a zero byte, for the path is short.
    unsafe {
        let descriptor = libc::socket(libc::AF_UNIX, kind, 0);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(descriptor);
        let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
        if libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length) < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(UnixStream::from(socket))
    }
}
