//! Requests as bytes, which no client need have made.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// What a client sends to have the second file of `table` replaced.
pub const REPLACE_STATE: &[u8] = b"w\x01\0\0\0";

/// Sends bytes as they are, which no client need have made.
pub fn send(socket: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL).expect("sent");
}

/// Has the server replace the state, and does not wait for it; the answer comes on what this
/// returns.
pub fn order(socket: &OwnedFd, content: &[u8]) -> UnixStream {
    let mut memory = File::from(memfd_create("content", MemfdFlags::CLOEXEC).expect("memory"));
    memory.write_all(content).expect("written");
    let (own, other) = UnixStream::pair().expect("a pair");
    send(socket, REPLACE_STATE, &[other.as_fd(), memory.as_fd()]);
    own
}

/// The descriptors that come with the next request.
pub fn receive_connections(socket: &OwnedFd) -> Vec<UnixStream> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 16];
    recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        .expect("received");
    let mut connections = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            connections.extend(rights.map(UnixStream::from));
        }
    }
    connections
}
