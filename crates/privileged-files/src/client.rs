//! Those who may not.

use std::fs::File;
use std::io::{self, IoSlice, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::request::Request;
use crate::server::{DONE, OTHER};
use crate::table::{Access, Table};
use crate::touch;

/// How long the server may take to read a file. It does one thing at a time, and what it reads is small.
const READ_DEADLINE: Duration = Duration::from_secs(5);

/// How long it may take to replace one: as long as a disk needs for `fsync` at its worst.
const REPLACE_DEADLINE: Duration = Duration::from_secs(30);

/// Reads and replaces the files of a table, by way of a server where there is one. Its calls do not hold up the thread that they are made in.
#[derive(Clone, Debug)]
pub struct Client {
    table: Arc<Table>,
    socket: Option<Arc<OwnedFd>>,
    is_alone: Arc<AtomicBool>,
}

impl Client {
    /// A client that does everything itself.
    #[must_use]
    pub fn direct(table: Table) -> Self {
        Self { table: Arc::new(table), socket: None, is_alone: Arc::default() }
    }

    /// A client of the server at the other end of `socket`, which has the same table. Should the server be gone, it does everything itself.
    #[must_use]
    pub fn over(socket: Arc<OwnedFd>, table: Table) -> Self {
        Self { table: Arc::new(table), socket: Some(socket), is_alone: Arc::default() }
    }

    /// Whether the server was found to be gone: true once, for whoever is to say so.
    #[must_use]
    pub fn has_lost_server(&self) -> bool {
        self.is_alone.swap(false, Ordering::Relaxed)
    }

    /// The content of a file of the table.
    ///
    /// # Errors
    ///
    /// Those of [`touch::read`]; `PermissionDenied` for a file that is not in the table to be read; `TimedOut`.
    pub async fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        let place = self.place(file, Access::Read)?;
        if let Some(answer) = self.ask(Request { access: Access::Read, place }, None, READ_DEADLINE).await {
            return answer;
        }
        let file = file.to_owned();
        spawn_blocking(move || touch::read(&file)).await.map_err(io::Error::other)?
    }

    /// Replaces a file of the table, as [`replace`](crate::replace) does.
    ///
    /// # Errors
    ///
    /// Those of [`replace`](crate::replace); `PermissionDenied` for a file that is not in the table to be replaced; `TimedOut`, where the file may yet be replaced.
    pub async fn replace(&self, file: &Path, content: Vec<u8>) -> io::Result<()> {
        let place = self.place(file, Access::Replace)?;
        let request = Request { access: Access::Replace, place };
        if self.socket.is_some() {
            let memory = in_memory(&content)?;
            if let Some(answer) = self.ask(request, Some(memory.as_fd()), REPLACE_DEADLINE).await {
                return answer.map(drop);
            }
        }
        let file = file.to_owned();
        spawn_blocking(move || touch::replace(&file, &mut &content[..])).await.map_err(io::Error::other)?
    }

    /// Replaces a file of the table without waiting for a server to have done it; without a server it waits. For a thread that is about to end.
    ///
    /// # Errors
    ///
    /// As with [`replace`](Self::replace), as far as they show at once.
    pub fn replace_at_the_end(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let place = self.place(file, Access::Replace)?;
        if let Some(socket) = &self.socket {
            let memory = in_memory(content)?;
            let (_own, other) = std::os::unix::net::UnixStream::pair()?;
            let request = Request { access: Access::Replace, place };
            if send(socket, request, &[other.as_fd(), memory.as_fd()]).is_ok() {
                return Ok(());
            }
        }
        touch::replace(file, &mut &*content)
    }

    fn place(&self, file: &Path, access: Access) -> io::Result<u32> {
        self.table.place(file, access).ok_or_else(|| io::ErrorKind::PermissionDenied.into())
    }

    /// What the server answers; `None` where there is no server.
    async fn ask(
        &self,
        request: Request,
        content: Option<BorrowedFd<'_>>,
        deadline: Duration,
    ) -> Option<io::Result<Vec<u8>>> {
        let socket = self.socket.as_ref()?;
        match timeout(deadline, exchange(socket, request, content)).await {
            Ok(Ok(Some(answer))) => Some(answer),
            // It has ended, before the request or without an answer to it.
            Ok(Ok(None)) => {
                self.is_alone.store(true, Ordering::Relaxed);
                None
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_alone.store(true, Ordering::Relaxed);
                None
            }
            Ok(Err(error)) => Some(Err(error)),
            Err(_) => Some(Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// Sends a request and reads the answer; `None` where the connection ends without one.
async fn exchange(
    socket: &OwnedFd,
    request: Request,
    content: Option<BorrowedFd<'_>>,
) -> io::Result<Option<io::Result<Vec<u8>>>> {
    let (mut own, other) = UnixStream::pair()?;
    // The server writes as a process does that has nothing else to do.
    let other = other.into_std()?;
    other.set_nonblocking(false)?;
    let descriptors: Vec<_> = std::iter::once(other.as_fd()).chain(content).collect();
    send(socket, request, &descriptors)?;
    // The only one is the server's from now on: if that ends, the connection does.
    drop(other);
    let mut answer = Vec::new();
    own.read_to_end(&mut answer).await?;
    let Some((code, bytes)) = answer.split_first_chunk() else { return Ok(None) };
    Ok(Some(match i32::from_ne_bytes(*code) {
        DONE => Ok(bytes.to_vec()),
        OTHER => Err(io::Error::other(String::from_utf8_lossy(bytes).into_owned())),
        number => Err(io::Error::from_raw_os_error(number)),
    }))
}

fn send(socket: &OwnedFd, request: Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    // Where many requests wait, this one is an error: whoever is about to follow etcd must not wait for a file.
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &[IoSlice::new(&request.to_bytes())], &mut ancillary, flags)?;
    Ok(())
}

/// A file without a name that has this content.
fn in_memory(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("etcd-state", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}
