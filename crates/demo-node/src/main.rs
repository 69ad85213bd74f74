//! Runs one node until it is told to end.

use std::io::{Result, Write};
use std::time::Duration;

use clap::Parser;
use demo_node::{FIREHOSE_POLL, ListenAddress, Node};
use tokio::signal::unix::{SignalKind, signal};

/// Answers HTTP and WebSocket; every answer names the node.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen: ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: ListenAddress,
    /// The name that it answers with.
    #[arg(long, default_value = "demo-node")]
    name: String,
    /// Answer as a server of Firehose does: any GET waits 20 s for a message that is PUT, HEAD is
    /// its health check.
    #[arg(long)]
    firehose: bool,
    /// Say the name again on each WebSocket when nothing was said on it for so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    repeat: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let node = Node::listen(&arguments.name, &arguments.listen).await.map_err(|error| {
        std::io::Error::new(error.kind(), format!("cannot listen on {}: {error}", arguments.listen))
    })?;
    node.set_repeat(arguments.repeat.map(Duration::from_secs));
    node.set_firehose(arguments.firehose.then_some(FIREHOSE_POLL));
    // Flushed, because the one who started it waits for this line in a pipe.
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", node.address())?;
    output.flush()?;
    drop(output);
    tokio::select! {
        // Cancel safe: a signal is taken in the poll that tells of it.
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    tokio::select! {
        // Cancel safe: the process ends with whichever comes first.
        () = node.stop() => (),
        // Told twice: somebody does not want to wait for the last request.
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    Ok(())
}
