//! A descriptor of the kernel's (an eventfd, a timerfd, a pidfd) that the event loop listens to, in
//! a connection of nginx's.

use std::{
    io,
    os::fd::{BorrowedFd, IntoRawFd, OwnedFd},
};

use ngx::{
    ffi::{
        ngx_close_connection, ngx_connection_t, ngx_event_actions, ngx_event_t, ngx_get_connection,
        ngx_handle_read_event, ngx_log_t,
    },
    log::ngx_cycle_log,
};

use crate::nginx::callback::OK;

/// What the event loop calls when the descriptor can be read.
pub(crate) type Handler = unsafe extern "C" fn(*mut ngx_event_t);

/// A descriptor in the event loop until this is dropped.
pub(crate) struct EventSource {
    connection: *mut ngx_connection_t,
}

impl EventSource {
    /// Listens to `descriptor`. Where `tells_of_end` is set, `handler` is also called when nginx
    /// closes what is idle because the worker is to end.
    ///
    /// # Errors
    ///
    /// Where nginx has no connection left.
    pub(crate) fn new(
        descriptor: OwnedFd,
        tells_of_end: bool,
        handler: Handler,
    ) -> io::Result<Self> {
        let log: *mut ngx_log_t = ngx_cycle_log().as_ptr();
        let descriptor = descriptor.into_raw_fd();
        // SAFETY: this is the event loop's thread; the log is the cycle's.
        let connection = unsafe { ngx_get_connection(descriptor, log) };
        if connection.is_null() {
            // SAFETY: it was taken over from its owner, and nobody else has it.
            unsafe { libc::close(descriptor) };
            return Err(io::Error::other("worker_connections are not enough"));
        }
        // From here on the connection closes the descriptor.
        let source = Self { connection };
        // SAFETY: nginx has just given the connection out, with its two events.
        let status = unsafe {
            let connection = &mut *connection;
            connection.set_idle(u32::from(tells_of_end));
            let read = &mut *connection.read;
            read.handler = Some(handler);
            read.log = log;
            // Not a client: nothing to complain of if it is open at the end.
            read.set_channel(1);
            (*connection.write).set_channel(1);
            (*connection.write).log = log;
            ngx_handle_read_event(read, 0)
        };
        if status == OK {
            Ok(source)
        } else {
            Err(io::Error::other("could not add the descriptor to the event loop"))
        }
    }

    /// The descriptor.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: the connection is open, and has the descriptor, until this is dropped.
        unsafe { BorrowedFd::borrow_raw((*self.connection).fd) }
    }

    /// Takes what there is to read of a descriptor that counts (each read takes 8 bytes and clears
    /// it); returns whether nginx wants the connection closed.
    ///
    /// # Safety
    ///
    /// `event` is what a handler of an `EventSource` was called with.
    pub(crate) unsafe fn clear(event: *mut ngx_event_t) -> bool {
        let mut count = [0_u8; 8];
        // SAFETY: the event's `data` is its connection; the buffer is as long as what a descriptor
        // of this kind gives.
        unsafe {
            let connection = &*(*event).data.cast::<ngx_connection_t>();
            // Where nothing is to be read there is nothing to clear.
            let _ = libc::read(connection.fd, count.as_mut_ptr().cast(), count.len());
            connection.close() != 0
        }
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        // SAFETY: the connection is open until here, and this is the event loop's thread.
        unsafe {
            // nginx leaves it to the kernel to forget a descriptor that is closed. The kernel does
            // that only when the last descriptor of the same thing is closed.
            if (*(*self.connection).read).active() != 0
                && let Some(forget) = ngx_event_actions.del_conn
            {
                forget(self.connection, 0);
            }
            ngx_close_connection(self.connection);
        }
    }
}
