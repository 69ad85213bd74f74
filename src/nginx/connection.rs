//! Connections, as nginx has them.

use core::mem::size_of_val;

use ngx::ffi::{ngx_connection_t, ngx_event_t};

/// Makes nginx believe that the other side has closed the connection: it reads what the kernel has
/// received until now, and then finds the end of file.
///
/// # Safety
///
/// The connection is open. No reference to it or to what it belongs to is in use: nginx may call
/// the module, and end all of that.
pub(crate) unsafe fn end_input(connection: *mut ngx_connection_t) {
    // SAFETY: the caller's promise; a connection has two events. nginx's own handler is called as
    // its event loop does when the kernel says that the peer has closed.
    unsafe {
        // Only reading: what is still to be sent to a peer whose answers are slow to be read would
        // otherwise be an error, and the end of them.
        libc::shutdown((*connection).fd, libc::SHUT_RD);
        let read: *mut ngx_event_t = (*connection).read;
        (*read).set_ready(1);
        // As ngx_epoll_module.c: not known how much there is.
        (*read).available = -1;
        (*read).set_pending_eof(1);
        if let Some(handler) = (*read).handler {
            handler(read);
        }
    }
}

/// Whether the kernel has nothing of the other side, and has got nothing for so long (ms).
///
/// # Safety
///
/// The connection is open.
pub(crate) unsafe fn is_silent(connection: *const ngx_connection_t, time: u32) -> bool {
    // SAFETY: the caller's promise.
    let fd = unsafe { (*connection).fd };
    let mut waiting: libc::c_int = 0;
    // SAFETY: the descriptor is open, and the pointer is to a local variable of the type that the
    // call writes (tcp(7), unix(7)).
    let asked = unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut waiting) };
    if asked == 0 && waiting > 0 {
        return false;
    }
    // SAFETY: zeroes are a valid value of it.
    let mut info: libc::tcp_info = unsafe { core::mem::zeroed() };
    let mut length = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the descriptor is open; the kernel writes at most `length` bytes.
    let asked = unsafe {
        let place = (&raw mut info).cast();
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut length)
    };
    // A unix socket has no such information: what has been sent is all in the kernel's queue.
    asked != 0 || info.tcpi_last_data_recv >= time
}

/// Has the kernel take as little as it can of what the other side is still going to send. What it
/// has taken can be read.
///
/// # Safety
///
/// The connection is open.
pub(crate) unsafe fn take_no_more(connection: *const ngx_connection_t) {
    // The kernel makes it the least that it allows (socket(7)).
    let size: libc::c_int = 0;
    // SAFETY: the caller's promise; the kernel reads the local variable. If it refuses, all stays
    // as it is.
    unsafe {
        let place = (&raw const size).cast();
        let length = size_of_val(&size) as libc::socklen_t;
        libc::setsockopt((*connection).fd, libc::SOL_SOCKET, libc::SO_RCVBUF, place, length);
    }
}
