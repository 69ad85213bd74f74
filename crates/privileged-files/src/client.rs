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
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, Notify};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::files;
use crate::request::Request;
use crate::server::{DONE, OTHER};
use crate::table::{Access, Table};

/// How long the server may take to read a file. It reads one at a time, and what it reads is small.
const READ_DEADLINE: Duration = Duration::from_secs(5);

/// How long it may take to replace one: as long as a disk needs for `fsync` at its worst.
const REPLACE_DEADLINE: Duration = Duration::from_secs(30);

/// How long to wait before the server is asked: the first time, and after each answer that was not
/// whole. A process that is killed closes its descriptors one after another: its end of a
/// connection may be gone for some time before its socket is.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
];

/// Reads and replaces the files of a table, by way of a server where there is one. Its calls do not
/// hold up the thread that they are made in.
#[derive(Clone, Debug)]
pub struct Client {
    table: Arc<Table>,
    server: Option<Arc<Server>>,
}

/// What a client knows of the server.
#[derive(Debug)]
struct Server {
    socket: Arc<OwnedFd>,
    /// Whether it was found to be gone.
    is_lost: AtomicBool,
    /// Tells of that, once.
    lost: Notify,
    /// Whose turn it is to have a file read, and replaced: the socket holds few packets
    /// (`net.unix.max_dgram_qlen`, 10 on many machines), fewer than there may be files.
    reading: Mutex<()>,
    replacing: Mutex<()>,
}

impl Client {
    /// A client that does everything itself.
    #[must_use]
    pub fn direct(table: Table) -> Self {
        Self { table: Arc::new(table), server: None }
    }

    /// A client of the server at the other end of `socket`, which has the same table. Should the
    /// server be gone, it does everything itself.
    #[must_use]
    pub fn over(socket: Arc<OwnedFd>, table: Table) -> Self {
        let (reading, replacing) = (Mutex::default(), Mutex::default());
        let (is_lost, lost) = (AtomicBool::new(false), Notify::new());
        let server = Server { socket, is_lost, lost, reading, replacing };
        Self { table: Arc::new(table), server: Some(Arc::new(server)) }
    }

    /// Waits until the server is found to be gone. Returns once, so that it is logged once, and
    /// pends for ever thereafter, or where there is no server.
    pub async fn lost_server(&self) {
        match &self.server {
            Some(server) => server.lost.notified().await,
            None => std::future::pending().await,
        }
    }

    /// The content of a file of the table.
    ///
    /// # Errors
    ///
    /// Those of [`files::read`]; `PermissionDenied` for a file that is not in the table to be read;
    /// `TimedOut`.
    pub async fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        let index = self.index(file, Access::Read)?;
        if let Some(server) = &self.server {
            let _turn = server.reading.lock().await;
            let request = Request { access: Access::Read, index };
            if let Some(answer) = server.ask(request, None, READ_DEADLINE).await {
                return answer;
            }
        }
        let file = file.to_owned();
        spawn_blocking(move || files::read(&file)).await.map_err(io::Error::other)?
    }

    /// Replaces a file of the table, as [`replace`](crate::replace) does.
    ///
    /// # Errors
    ///
    /// Those of [`replace`](crate::replace); `PermissionDenied` for a file that is not in the table
    /// to be replaced; `TimedOut`, where the file may yet be replaced.
    pub async fn replace(&self, file: &Path, content: Vec<u8>) -> io::Result<()> {
        let index = self.index(file, Access::Replace)?;
        let mut content = content;
        if let Some(server) = &self.server {
            let _turn = server.replacing.lock().await;
            // A long content takes longer than the thread may be away.
            let copied =
                spawn_blocking(move || in_memory(&content).map(|memory| (memory, content))).await;
            let (memory, same) = copied.map_err(io::Error::other)??;
            let request = Request { access: Access::Replace, index };
            if let Some(answer) = server.ask(request, Some(memory.as_fd()), REPLACE_DEADLINE).await
            {
                return answer.map(drop);
            }
            content = same;
        }
        let file = file.to_owned();
        spawn_blocking(move || files::replace(&file, &mut &content[..]))
            .await
            .map_err(io::Error::other)?
    }

    fn index(&self, file: &Path, access: Access) -> io::Result<u32> {
        self.table.index(file, access).ok_or_else(|| io::ErrorKind::PermissionDenied.into())
    }
}

impl Server {
    /// What it answers; `None` where it is gone.
    async fn ask(
        &self,
        request: Request,
        content: Option<BorrowedFd<'_>>,
        deadline: Duration,
    ) -> Option<io::Result<Vec<u8>>> {
        // Where an answer is not whole the server has been killed, which a later request shows, or
        // was in need itself.
        for pause in PAUSES {
            // The shortest sleep takes a millisecond.
            if !pause.is_zero() {
                sleep(pause).await;
            }
            match timeout(deadline, exchange(&self.socket, request, content)).await {
                Ok(Ok(Answer::Whole(answer))) => return Some(answer),
                Ok(Ok(Answer::CutOff)) => {}
                Ok(Ok(Answer::NoServer)) => {
                    if !self.is_lost.swap(true, Ordering::Relaxed) {
                        self.lost.notify_one();
                    }
                    return None;
                }
                Ok(Err(error)) => return Some(Err(error)),
                Err(_) => return Some(Err(io::ErrorKind::TimedOut.into())),
            }
        }
        Some(Err(io::Error::other("the process \"etcd files\" has not answered")))
    }
}

enum Answer {
    Whole(io::Result<Vec<u8>>),
    CutOff,
    NoServer,
}

/// Sends a request and reads the answer.
async fn exchange(
    socket: &OwnedFd,
    request: Request,
    content: Option<BorrowedFd<'_>>,
) -> io::Result<Answer> {
    let (mut own, other) = UnixStream::pair()?;
    // The server writes as a process does that has nothing else to do.
    let other = other.into_std()?;
    other.set_nonblocking(false)?;
    let descriptors: Vec<_> = std::iter::once(other.as_fd()).chain(content).collect();
    match send(socket, request, &descriptors) {
        Ok(()) => {}
        // Which of them depends on what the end has left unread, and on the kernel.
        Err(Errno::PIPE | Errno::CONNRESET | Errno::CONNREFUSED | Errno::NOTCONN) => {
            return Ok(Answer::NoServer);
        }
        // It does not even take requests any more.
        Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
        Err(error) => return Err(error.into()),
    }
    // The only one is the server's from now on: if that ends, the connection does.
    drop(other);
    let mut answer = Vec::new();
    own.read_to_end(&mut answer).await?;
    Ok(parse(&answer).map_or(Answer::CutOff, Answer::Whole))
}

/// An answer that is whole.
fn parse(answer: &[u8]) -> Option<io::Result<Vec<u8>>> {
    let (code, rest) = answer.split_first_chunk()?;
    let (length, content) = rest.split_first_chunk()?;
    if u64::from_ne_bytes(*length) != content.len() as u64 {
        return None;
    }
    Some(match i32::from_ne_bytes(*code) {
        DONE => Ok(content.to_vec()),
        OTHER => Err(io::Error::other(String::from_utf8_lossy(content).into_owned())),
        number => Err(io::Error::from_raw_os_error(number)),
    })
}

fn send(socket: &OwnedFd, request: Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    // Where many requests wait, this one is an error: a thread that follows etcd must not wait for
    // a file.
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
