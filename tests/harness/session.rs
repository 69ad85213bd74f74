//! A WebSocket session that is read in the background, to be held for long and looked at.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use demo_node::broadcast_number;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::task::AbortOnDropHandle;

use crate::{End, Ending, Observed, Result, SOON, ensure};

/// Bytes of the library's read buffer: its own default of 128 KiB is too much for thousands of
/// sessions.
const READ_BUFFER: usize = 4096;

/// The code of a close frame without one (RFC 6455, 7.1.5).
const NO_CODE: u16 = 1005;

/// What became of a session up to now.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Broadcasts of its node that came.
    pub broadcasts: u64,
    /// The number of the first of them, 0 before it came.
    pub first: u64,
    /// The number of the last of them, 0 before the first.
    pub last: u64,
    /// The first thing that came and was not next: a broadcast out of its order, or an echo of
    /// something else.
    pub disorder: Option<String>,
    /// Texts that the system has taken for the node in whole.
    pub said: u64,
    /// Echoes that came.
    pub echoes: u64,
    /// How it ended.
    pub end: Option<End>,
}

#[derive(Debug)]
enum Command {
    /// To be sent; who waits for the echo is told.
    SendText(String, Option<oneshot::Sender<()>>),
    /// From now on something is said each time so much has passed.
    Chatter(Duration),
    /// Whether to read.
    Read(bool),
    Close,
}

/// An open session. Dropping it closes the socket.
#[derive(Debug)]
pub struct Session {
    path: String,
    node: String,
    worker: i32,
    record: watch::Receiver<Record>,
    commands: mpsc::UnboundedSender<Command>,
    _reader: AbortOnDropHandle<()>,
}

impl Session {
    /// Opens a session, learns the node's name, and reads on in the background.
    ///
    /// # Errors
    ///
    /// Those of connecting, and an answer that is no WebSocket's.
    pub async fn open(address: &str, path: &str) -> Result<Self> {
        let tcp = timeout(SOON, TcpStream::connect(address)).await??;
        tcp.set_nodelay(true)?;
        let configuration = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let url = format!("ws://{address}{path}");
        let opening = client_async_with_config(url, Observed::new(tcp), Some(configuration));
        let (mut stream, response) = timeout(SOON, opening).await??;
        let worker =
            response.headers().get("x-worker").and_then(|value| value.to_str().ok()?.parse().ok());
        let first =
            timeout(SOON, stream.next()).await?.ok_or("closed before the first message")??;
        let (recorder, record) = watch::channel(Record::default());
        let (commands, receiver) = mpsc::unbounded_channel();
        let reader =
            Reader { stream, recorder, commands: receiver, said: VecDeque::new(), chatter: None };
        Ok(Self {
            path: path.to_owned(),
            node: first.to_text()?.to_owned(),
            worker: worker.unwrap_or_default(),
            record,
            commands,
            _reader: AbortOnDropHandle::new(tokio::spawn(reader.run())),
        })
    }

    /// What it was opened with.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The pid of the nginx worker that it goes through.
    pub fn worker(&self) -> i32 {
        self.worker
    }

    /// What became of it up to now.
    pub fn record(&self) -> Record {
        self.record.borrow().clone()
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.record.borrow().end.is_none()
    }

    /// Sends a text, and does not wait for the echo.
    pub fn send_text(&self, text: &str) {
        self.command(Command::SendText(text.to_owned(), None));
    }

    /// From now on sends something each time `every` has passed, until the session ends.
    pub fn chatter(&self, every: Duration) {
        self.command(Command::Chatter(every));
    }

    /// Reads nothing from now on, so that what the node sends fills the buffers on the way.
    pub fn stop_reading(&self) {
        self.command(Command::Read(false));
    }

    /// Reads again.
    pub fn read_on(&self) {
        self.command(Command::Read(true));
    }

    fn command(&self, command: Command) {
        // The reader of a session that has ended takes no more, and its record says that it ended.
        let _ = self.commands.send(command);
    }

    /// Sends a text and waits for it to come back.
    ///
    /// # Errors
    ///
    /// When the session has ended, or the echo does not come soon.
    pub async fn echo(&self, text: &str) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.command(Command::SendText(text.to_owned(), Some(sender)));
        let echoed =
            timeout(SOON, receiver).await.map_err(|_| format!("no echo: {:?}", self.record()))?;
        echoed.map_err(|_| format!("the session has ended: {:?}", self.record()).into())
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When it has not ended by the deadline.
    pub async fn ended(&self, deadline: Duration) -> Result<End> {
        let mut record = self.record.clone();
        let ended = timeout(deadline, record.wait_for(|record| record.end.is_some())).await;
        let record =
            ended.map_err(|_| format!("open after {deadline:?}: {:?}", self.record()))??;
        record.end.clone().ok_or_else(|| "no end".into())
    }

    /// Waits until the broadcast with this number has come.
    ///
    /// # Errors
    ///
    /// When it does not come soon.
    pub async fn received(&self, number: u64) -> Result<()> {
        let mut record = self.record.clone();
        let come =
            timeout(SOON, record.wait_for(|record| record.last >= number || record.end.is_some()));
        let record =
            come.await.map_err(|_| format!("no broadcast {number}: {:?}", self.record()))??;
        ensure!(record.last >= number, "it ended before broadcast {number}: {:?}", *record);
        Ok(())
    }

    /// Closes it in order, as a client that leaves.
    ///
    /// # Errors
    ///
    /// When it was cut before or does not end soon.
    pub async fn close(self) -> Result<()> {
        self.command(Command::Close);
        let end = self.ended(SOON).await?;
        ensure!(matches!(end.how, Ending::CloseFrame(_)), "{end:?}");
        Ok(())
    }
}

/// The end of a session that its task has.
struct Reader {
    stream: WebSocketStream<Observed>,
    recorder: watch::Sender<Record>,
    commands: mpsc::UnboundedReceiver<Command>,
    /// What was said and has not come back, oldest first.
    said: VecDeque<(String, Option<oneshot::Sender<()>>)>,
    chatter: Option<tokio::time::Interval>,
}

impl Reader {
    async fn run(mut self) {
        let (mut reads, mut said, mut code) = (true, 0_u64, None);
        let stopped = loop {
            let chatters = self.chatter.is_some();
            let turn = async {
                match &mut self.chatter {
                    Some(interval) => interval.tick().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Cancel safe: `next`, `recv` and `tick` give what they take in the same poll; what
                // is said is not a branch.
                message = self.stream.next(), if reads => match message {
                    Some(Ok(Message::Text(text))) => self.received(text.as_str()),
                    Some(Ok(Message::Close(frame))) => {
                        code = Some(frame.map_or(NO_CODE, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => (),
                    Some(Err(error)) => break Some(error.to_string()),
                    None => break None,
                },
                Some(command) = self.commands.recv() => match command {
                    Command::SendText(text, waiting) => self.send_text(text, waiting).await,
                    Command::Chatter(every) => {
                        let mut every = interval(every);
                        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
                        self.chatter = Some(every);
                    }
                    Command::Read(on) => reads = on,
                    // The end that follows says how it went.
                    Command::Close => drop(self.stream.close(None).await),
                },
                _ = turn, if chatters => {
                    said += 1;
                    self.send_text(format!("chatter {said}"), None).await;
                }
            }
        };
        let end = self.find_end(stopped, code).await;
        self.recorder.send_modify(|record| record.end = Some(end));
    }

    /// An error of the writing says nothing of the reading, which goes on until it meets its own
    /// end.
    async fn send_text(&mut self, text: String, waiting: Option<oneshot::Sender<()>>) {
        if self.stream.send(Message::text(text.as_str())).await.is_ok() {
            self.said.push_back((text, waiting));
            self.recorder.send_modify(|record| record.said += 1);
        }
    }

    fn received(&mut self, text: &str) {
        if let Some(number) = broadcast_number(text) {
            self.recorder.send_modify(|record| {
                if record.broadcasts == 0 {
                    record.first = number;
                } else if number != record.last + 1 && record.disorder.is_none() {
                    record.disorder = Some(format!("broadcast {number} after {}", record.last));
                }
                record.broadcasts += 1;
                record.last = number;
            });
            return;
        }
        let expected = self.said.pop_front();
        let right = expected.as_ref().is_some_and(|(said, _)| said == text);
        self.recorder.send_modify(|record| {
            record.echoes += 1;
            if !right && record.disorder.is_none() {
                record.disorder = Some(format!("{text:?} instead of {expected:?}"));
            }
        });
        if let Some((_, Some(waiting))) = expected {
            // Who waited may have given up.
            let _ = waiting.send(());
        }
    }

    /// What the socket's reads met; where the library stopped before they met anything, they are
    /// gone on with.
    async fn find_end(&mut self, stopped: Option<String>, code: Option<u16>) -> End {
        let stream = self.stream.get_mut();
        if stream.end().is_none() {
            let mut rest = Vec::new();
            // The adapter notes what comes of it; that nothing comes in time is found below.
            let _ = timeout(SOON, stream.read_to_end(&mut rest)).await;
        }
        let noted = stream.end().cloned();
        match (noted, code) {
            (Some(End { at, how: Ending::Eof }), Some(code)) => {
                End { at, how: Ending::CloseFrame(code) }
            }
            (Some(end), _) => end,
            (None, _) => {
                End { at: Instant::now(), how: Ending::Other(stopped.unwrap_or_default()) }
            }
        }
    }
}
