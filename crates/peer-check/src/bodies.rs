//! What is still read of a connection after the verdict.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes that are read at a time.
const AT_ONCE: usize = 4 << 10;

/// The body says nothing, but a node that is still writing it would get a broken pipe or a
/// reset, and might log that with each check. So it is read after the verdict: so much of it,
const MAX_BODY: usize = 1 << 20;

/// for so long, and no longer than a check may take,
const BODY_TIME: Duration = Duration::from_secs(5);

/// and of so many answers at once; others are cut off. Each has a file descriptor, beside those of
/// the checks under way.
const MAX_BODIES: usize = 64;

/// The bodies that are read after the verdict.
#[derive(Clone, Debug)]
pub(crate) struct Bodies {
    places: Arc<Semaphore>,
    time: Duration,
}

impl Bodies {
    /// Each is read for as long as this, or less.
    pub(crate) fn new(longest: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_BODIES)), time: longest.min(BODY_TIME) }
    }

    /// Reads what is still to come, and throws it away; ends the connection at once where too many
    /// are being read already.
    pub(crate) fn drain(&self, stream: impl AsyncRead + Unpin + Send + 'static) {
        self.until_the_end(discard(stream));
    }

    /// Says that nothing more will be sent, then does the same: a protocol of lines leaves it to
    /// the client to close, and TLS has a word of its own for it.
    pub(crate) fn part(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        self.until_the_end(async move {
            if stream.shutdown().await.is_ok() {
                discard(stream).await;
            }
        });
    }

    fn until_the_end(&self, end: impl Future<Output = ()> + Send + 'static) {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            let time = self.time;
            tokio::spawn(async move {
                // Out of time, or a reset: it is over either way.
                let _ = timeout(time, end).await;
                drop::<OwnedSemaphorePermit>(place);
            });
        }
    }
}

async fn discard(mut stream: impl AsyncRead + Unpin) {
    let mut bytes = [0; AT_ONCE];
    let mut total = 0;
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        total += length;
        if total > MAX_BODY {
            return;
        }
    }
}
