//! An exchange with a peer that is connected.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::exchange::Exchange;
use crate::failure::{Failure, Fault};
use crate::heard::{Finding, Heard};
use crate::tls;

/// Bytes that are read of an answer at a time.
const AT_ONCE: usize = 4 << 10;

/// Sends what is to be sent, and reads until what is expected has come. What came before is in
/// `heard` also if nobody waits for the end.
///
/// # Errors
///
/// Where it cannot come any more.
pub(crate) async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    exchange: &Exchange,
    stream: &mut S,
    heard: &mut Heard,
) -> Result<(), Failure> {
    let written = match exchange.sent() {
        Some(bytes) => write(stream, bytes).await,
        None => Ok(()),
    };
    let mut bytes = [0; AT_ONCE];
    loop {
        // A peer that does not read may have said why.
        let failure = match (stream.read(&mut bytes).await, &written) {
            (Ok(length @ 1..), _) => {
                let read = bytes.get(..length).unwrap_or_default();
                match heard.read(read, exchange.expected()) {
                    Finding::Found => return Ok(()),
                    Finding::NotYet => continue,
                    Finding::Missing => Failure::closed(),
                }
            }
            (Ok(_), Err(error)) => tls::failure(error),
            // So ends TLS without a word of farewell.
            (Err(error), _) if error.kind() == io::ErrorKind::UnexpectedEof => Failure::closed(),
            (Ok(_), Ok(())) => Failure::closed(),
            (Err(error), _) => tls::failure(&error),
        };
        return Err(unexpected(heard).unwrap_or(failure));
    }
}

/// The failure of a check that has ended without what is expected, if there was an answer.
pub(crate) fn unexpected(heard: &Heard) -> Option<Failure> {
    heard.reason().map(|reason| Failure::new(Fault::UnexpectedAnswer, reason))
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    // TLS may hold it.
    stream.flush().await
}
