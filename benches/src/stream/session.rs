//! A session in steps, at each of which nginx comes to rest: so that it finds the same events in
//! the same order, however busy the machine is.

use std::fs::{read_dir, read_to_string};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use harness::{Result, SOON, ensure};
use nix::libc::{SYS_epoll_pwait, c_long};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

/// What is sent in each direction.
const MESSAGE: [u8; 64] = [b'a'; 64];
/// Looks at nginx without a pause.
const LOOKS: usize = 1_000;
/// From one look at nginx to the next after these.
const PAUSE: Duration = Duration::from_micros(200);
/// Clients' addresses, for methods that go by them.
const CLIENTS: usize = 100;

/// What nginx waits with, by the number of the system call.
#[cfg(target_arch = "x86_64")]
const WAITS: [c_long; 2] = [nix::libc::SYS_epoll_wait, SYS_epoll_pwait];
/// What nginx waits with, by the number of the system call.
#[cfg(not(target_arch = "x86_64"))]
const WAITS: [c_long; 1] = [SYS_epoll_pwait];

/// The address of client `number`, as long for each.
fn client_address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 200, 100, 100 + (number % CLIENTS) as u8)
}

/// Whether the first thread of a process waits for events.
fn is_at_rest(process: i32) -> Result<bool> {
    let call = read_to_string(format!("/proc/{process}/task/{process}/syscall"))?;
    let number = call.split(' ').next().and_then(|word| word.parse::<c_long>().ok());
    Ok(number.is_some_and(|number| WAITS.contains(&number)))
}

/// Waits until the first thread of a process waits for events, and has no further ones.
pub async fn rest(process: i32) -> Result<()> {
    let look = async {
        // Soon, as nearly always: the less time passes, the fewer timers run out.
        for _ in 0..LOOKS {
            if is_at_rest(process)? {
                return Ok(());
            }
            yield_now().await;
        }
        while !is_at_rest(process)? {
            sleep(PAUSE).await;
        }
        Ok(())
    };
    timeout(SOON, look).await.map_err(|_| format!("process {process} does not come to rest"))?
}

/// How many files a process has open.
fn files(process: i32) -> Result<usize> {
    Ok(read_dir(format!("/proc/{process}/fd"))?.count())
}

/// A client's connection, and the peer's end of it.
pub struct Session {
    client: TcpStream,
    peer: TcpStream,
    /// nginx's process that has taken it.
    pub process: i32,
}

impl Session {
    /// Opens one, as client `number`, with one of these processes of nginx's behind `address`; the
    /// peers listen here.
    ///
    /// # Errors
    ///
    /// Those of opening.
    pub async fn open(
        address: &str,
        peers: &TcpListener,
        processes: &[i32],
        number: usize,
    ) -> Result<Self> {
        // Those of them that have no session have as many files as now.
        let before = processes.iter().map(|&one| files(one)).collect::<Result<Vec<_>>>()?;
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddrV4::new(client_address(number), 0).into())?;
        let client = timeout(SOON, socket.connect(address.parse()?)).await??;
        client.set_nodelay(true)?;
        let (peer, _) = timeout(SOON, peers.accept()).await??;
        peer.set_nodelay(true)?;
        let mut process = processes.first().copied().ok_or("no process")?;
        for (&one, before) in processes.iter().zip(before).skip(1) {
            if files(one)? > before {
                process = one;
            }
        }
        rest(process).await?;
        Ok(Self { client, peer, process })
    }

    /// A message to the peer, and one back.
    ///
    /// # Errors
    ///
    /// Those of the connections.
    pub async fn echo(&mut self) -> Result<()> {
        let mut buffer = [0; MESSAGE.len()];
        self.client.write_all(&MESSAGE).await?;
        timeout(SOON, self.peer.read_exact(&mut buffer)).await??;
        rest(self.process).await?;
        self.peer.write_all(&MESSAGE).await?;
        timeout(SOON, self.client.read_exact(&mut buffer)).await??;
        rest(self.process).await
    }

    /// Ends it from the client's side.
    ///
    /// # Errors
    ///
    /// Where the peer is not told.
    pub async fn close(mut self) -> Result<()> {
        drop(self.client);
        let count = timeout(SOON, self.peer.read(&mut [0])).await??;
        ensure!(count == 0, "{count} bytes after the end");
        drop(self.peer);
        rest(self.process).await
    }
}

/// A session with a message in each direction, as client `number`. Gives the process of nginx's.
///
/// # Errors
///
/// Those of its steps.
pub async fn session(
    address: &str,
    peers: &TcpListener,
    processes: &[i32],
    number: usize,
) -> Result<i32> {
    let mut session = Session::open(address, peers, processes, number).await?;
    session.echo().await?;
    let process = session.process;
    session.close().await?;
    Ok(process)
}
