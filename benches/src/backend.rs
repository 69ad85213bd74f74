//! A peer that answers as cheaply as can be: measured is nginx, on a machine that it shares with
//! its peers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use harness::Result;

/// nginx sends its request as soon as it is connected; this is for a connection on which none
/// comes.
const REQUEST: Duration = Duration::from_secs(1);

/// A thread that answers one request per connection, with its name as the body. It ends when this
/// is dropped.
pub struct Backend {
    address: SocketAddr,
    is_ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn answer(mut connection: TcpStream, answer: &[u8]) -> Result<()> {
    connection.set_read_timeout(Some(REQUEST))?;
    let mut request = [0; 4096];
    // nginx sends the whole of a request without a body at once.
    if connection.read(&mut request)? > 0 {
        connection.write_all(answer)?;
    }
    Ok(())
}

impl Backend {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Those of binding.
    pub fn start(name: &str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let is_ending = Arc::new(AtomicBool::new(false));
        let text = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: \
             close\r\n\r\n{name}",
            name.len()
        );
        let thread = spawn({
            let is_ending = is_ending.clone();
            move || {
                for connection in listener.incoming() {
                    if is_ending.load(Relaxed) {
                        return;
                    }
                    // Whoever asked sees the failure, and says so.
                    let _ = connection
                        .map_err(Into::into)
                        .and_then(|open| answer(open, text.as_bytes()));
                }
            }
        });
        Ok(Self { address, is_ending, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.is_ending.store(true, Relaxed);
        // The thread waits for a connection; without one it cannot be told, and is left behind.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}
