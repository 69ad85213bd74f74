//! How the thread wakes the event loop: an eventfd in a connection of nginx's.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use crate::module::OK;
use ngx::ffi::{
    ngx_close_connection, ngx_connection_t, ngx_event_t, ngx_get_connection, ngx_handle_read_event, ngx_log_t,
};

/// The event loop's end.
pub(super) struct Wake {
    connection: *mut ngx_connection_t,
}

/// The thread's end; it has a descriptor of its own, so that none is written to that nginx has closed and used again.
pub(super) struct Waker(OwnedFd);

impl Wake {
    /// Makes both ends; `handler` is called in the event loop after each [`Waker::wake`], and with the connection's `close` set when
    /// nginx wants idle connections closed because the worker is to end.
    pub(super) fn new(
        log: *mut ngx_log_t,
        handler: unsafe extern "C" fn(*mut ngx_event_t),
    ) -> io::Result<(Self, Waker)> {
        // SAFETY: the call takes no pointers.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made, and is nobody else's.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let waker = Waker(descriptor.try_clone()?);
        // SAFETY: this is the event loop's thread; the log is the cycle's.
        let connection = unsafe { ngx_get_connection(descriptor.as_raw_fd(), log) };
        if connection.is_null() {
            return Err(io::Error::other("no worker connection is free"));
        }
        // From here on the connection closes the descriptor.
        std::mem::forget(descriptor);
        let wake = Self { connection };
        // SAFETY: nginx has just given the connection out, with its two events.
        let status = unsafe {
            let connection = &mut *connection;
            connection.set_idle(1);
            let read = &mut *connection.read;
            read.handler = Some(handler);
            read.log = log;
            // Not a client: nothing to complain of if it is open at the end.
            read.set_channel(1);
            (*connection.write).set_channel(1);
            (*connection.write).log = log;
            ngx_handle_read_event(read, 0)
        };
        if status == OK { Ok((wake, waker)) } else { Err(io::Error::other("no event for an eventfd")) }
    }

    /// Makes the eventfd ready to wake again; returns whether nginx wants the connection closed.
    ///
    /// # Safety
    ///
    /// `event` is the read event of a connection that [`Wake::new`] made.
    pub(super) unsafe fn clear(event: *mut ngx_event_t) -> bool {
        let mut count = [0_u8; 8];
        // SAFETY: the event's `data` is its connection; the buffer is as long as an eventfd's counter.
        unsafe {
            let connection = &*(*event).data.cast::<ngx_connection_t>();
            // Where nothing is to be read there is nothing to clear.
            let _ = libc::read(connection.fd, count.as_mut_ptr().cast(), count.len());
            connection.close() != 0
        }
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        // SAFETY: the connection is open until here, and this is the event loop's thread.
        unsafe { ngx_close_connection(self.connection) };
    }
}

impl Waker {
    /// Wakes the event loop.
    pub(super) fn wake(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the descriptor is open and the buffer is as long as an eventfd's counter. Where the counter is full the loop is woken anyway.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }
}
