//! The process that may.

use std::fs::File;
use std::io::{self, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::fs::fcntl_get_seals;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
    recvmsg, socketpair,
};

use crate::files;
use crate::request::{LENGTH, Request};
use crate::table::{Access, Table};

/// How long the server waits for a client to take its answer, which fits into the socket's buffer
/// where the client lives.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Descriptors that come with a request: a connection to answer on, and what is to be in the file.
const DESCRIPTORS: usize = 2;

/// Files that may wait to be replaced. A client asks for one at a time, unless it has given up on
/// those before.
const QUEUE: usize = 16;

/// What an answer begins with where all went well; otherwise it is what [`io::Error::raw_os_error`]
/// says, or this.
pub(crate) const DONE: i32 = 0;

/// An error that the operating system has no number for.
pub(crate) const OTHER: i32 = -1;

/// The two ends between clients and server: the first is the server's. Neither outlives an `exec`.
///
/// # Errors
///
/// Where there is no descriptor left.
pub fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
    // Each request is one packet, whichever of several processes sends it; and the end of all
    // clients is the end of the connection.
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Does what clients ask for, until the last of them has closed its end.
///
/// A request that makes no sense is answered with an error, or not at all. Files are replaced one
/// after another in a thread of their own: a disk that is slow to take a file keeps nobody from
/// reading another.
pub fn serve(socket: &OwnedFd, table: &Table) {
    thread::scope(|scope| {
        let (queue, jobs) = sync_channel(QUEUE);
        let replacing = move || replace_all(table, &jobs);
        // Without it there is nobody at the queue's other end, and files are replaced here.
        let _ = thread::Builder::new().spawn_scoped(scope, replacing);
        loop {
            match receive(socket) {
                Ok(Some((request, descriptors))) => dispatch(table, &queue, request, descriptors),
                Ok(None) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The socket is gone.
                Err(_) => return,
            }
        }
    });
}

/// What came with a request, and the connection to answer on.
struct Job {
    request: Option<Request>,
    connection: UnixStream,
    content: Option<OwnedFd>,
}

fn replace_all(table: &Table, jobs: &Receiver<Job>) {
    for job in jobs {
        job.carry_out(table);
    }
}

type Descriptors = Vec<OwnedFd>;

/// The next request, or none at the end. What is no request has none as its first part.
fn receive(socket: &OwnedFd) -> io::Result<Option<(Option<Request>, Descriptors)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    // One byte more than a request has, by which a longer packet shows.
    let mut bytes = [0; LENGTH + 1];
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptors = Descriptors::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    // No client sends an empty packet.
    if received.bytes == 0 && descriptors.is_empty() {
        return Ok(None);
    }
    Ok(Some((bytes.get(..received.bytes).and_then(Request::of_bytes), descriptors)))
}

fn dispatch(
    table: &Table,
    queue: &SyncSender<Job>,
    request: Option<Request>,
    descriptors: Descriptors,
) {
    let mut descriptors = descriptors.into_iter();
    let (Some(connection), content) = (descriptors.next(), descriptors.next()) else { return };
    let job = Job { request, connection: UnixStream::from(connection), content };
    if !matches!(request, Some(Request { access: Access::Replace, .. })) {
        return job.carry_out(table);
    }
    match queue.try_send(job) {
        Ok(()) => {}
        Err(TrySendError::Full(job)) => job.answer(Err(Errno::AGAIN.into())),
        Err(TrySendError::Disconnected(job)) => job.carry_out(table),
    }
}

impl Job {
    fn carry_out(mut self, table: &Table) {
        let content = self.content.take();
        let result = self
            .request
            .ok_or_else(invalid)
            .and_then(|request| access_file(table, request, content));
        self.answer(result);
    }

    fn answer(mut self, result: io::Result<Vec<u8>>) {
        // A client's is one of a pair. Others may lead to somebody who takes what root writes there
        // for root's word.
        if !self.connection.peer_addr().is_ok_and(|peer| peer.is_unnamed()) {
            return;
        }
        let (code, content) = match result {
            Ok(content) => (DONE, content),
            Err(error) => (error.raw_os_error().unwrap_or(OTHER), error.to_string().into_bytes()),
        };
        let mut answer = Vec::new();
        answer.extend(code.to_ne_bytes());
        // By which an answer that was cut off shows.
        answer.extend((content.len() as u64).to_ne_bytes());
        answer.extend(content);
        // A client that has gone, or does not read, is no reason to wait.
        let _ = self
            .connection
            .set_write_timeout(Some(ANSWER_TIMEOUT))
            .and_then(|()| self.connection.write_all(&answer));
    }
}

fn access_file(table: &Table, request: Request, content: Option<OwnedFd>) -> io::Result<Vec<u8>> {
    let file = table.file(request.index, request.access).ok_or_else(invalid)?;
    match (request.access, content) {
        (Access::Read, _) => files::read(file),
        (Access::Replace, Some(content)) => {
            // Only what lies in memory has seals. A pipe that nobody writes to, or a file of a file
            // system that a client runs, would hold the server up.
            fcntl_get_seals(&content).map_err(|_| invalid())?;
            let mut content = File::from(content);
            content.rewind()?;
            files::replace(file, &mut content.take(files::MAX_REPLACE + 1)).map(|()| Vec::new())
        }
        (Access::Replace, None) => Err(invalid()),
    }
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidInput.into()
}
