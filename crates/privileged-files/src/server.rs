//! The process that may.

use std::fs::File;
use std::io::{self, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType, recvmsg,
    socketpair,
};

use crate::request::{LENGTH, Request};
use crate::table::{Access, Table};
use crate::touch;

/// How long the server waits for a client to take its answer, which fits into the socket's buffer where the client lives.
const PATIENCE: Duration = Duration::from_secs(1);

/// Descriptors that come with a request: a connection to answer on, and what is to be in the file.
const DESCRIPTORS: usize = 2;

/// What an answer begins with where all went well; otherwise it is what [`io::Error::raw_os_error`] says, or this.
pub(crate) const DONE: i32 = 0;

/// An error that the operating system has no number for.
pub(crate) const OTHER: i32 = -1;

/// The two ends between clients and server: the first is the server's. Neither outlives an `exec`.
///
/// # Errors
///
/// Where there is no descriptor left.
pub fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
    // Each request is one packet, whoever of several processes sends it; and the end of all clients is the end of the connection.
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Does what clients ask for, until the last of them has closed its end.
///
/// A request that makes no sense is answered with an error, or not at all.
pub fn serve(socket: &OwnedFd, table: &Table) {
    loop {
        match receive(socket) {
            Ok(Some((request, descriptors))) => answer(table, request, descriptors),
            Ok(None) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The socket is gone.
            Err(_) => return,
        }
    }
}

type Descriptors = Vec<OwnedFd>;

/// The next request, or none at the end. What is no request has none as its first part.
fn receive(socket: &OwnedFd) -> io::Result<Option<(Option<Request>, Descriptors)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    // One byte more than a request has, by which a longer packet shows.
    let mut bytes = [0; LENGTH + 1];
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
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

fn answer(table: &Table, request: Option<Request>, descriptors: Descriptors) {
    let mut descriptors = descriptors.into_iter();
    let (Some(connection), content) = (descriptors.next(), descriptors.next()) else { return };
    let mut connection = UnixStream::from(connection);
    let (code, bytes) = match request.map_or(Err(invalid()), |request| touch(table, request, content)) {
        Ok(bytes) => (DONE, bytes),
        Err(error) => (error.raw_os_error().unwrap_or(OTHER), error.to_string().into_bytes()),
    };
    // A client that has gone, or does not read, is no reason to wait.
    let _ = connection
        .set_write_timeout(Some(PATIENCE))
        .and_then(|()| connection.write_all(&code.to_ne_bytes()))
        .and_then(|()| connection.write_all(&bytes));
}

fn touch(table: &Table, request: Request, content: Option<OwnedFd>) -> io::Result<Vec<u8>> {
    let file = table.file(request.place, request.access).ok_or_else(invalid)?;
    match (request.access, content) {
        (Access::Read, _) => touch::read(file),
        (Access::Replace, Some(content)) => {
            let mut content = File::from(content);
            // A pipe that nobody writes to would hold the server up.
            if !content.metadata()?.is_file() {
                return Err(invalid());
            }
            content.rewind()?;
            touch::replace(file, &mut content.take(touch::MAX_REPLACE + 1)).map(|()| Vec::new())
        }
        (Access::Replace, None) => Err(invalid()),
    }
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidInput.into()
}
