//! A client and a server in a process of its own.

mod raw;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use privileged_files::{Access, Client, Table, channel, serve};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use raw::{REPLACE_STATE, order, receive_connections, send};

/// The folder whose files a server process has; see `process_that_only_serves`.
const FOLDER: &str = "PRIVILEGED_FILES_FOLDER";

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

fn table(folder: &Path) -> Table {
    let mut table = Table::new();
    table.add(&folder.join("secret"), Access::Read);
    table.add(&folder.join("state"), Access::Replace);
    table
}

/// Not a test of its own: the other tests run it as a process that serves at its standard input.
#[test]
fn process_that_only_serves() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("a socket");
    serve(&socket, &table(&PathBuf::from(folder)));
}

struct Server {
    child: Child,
    folder: PathBuf,
}

impl Server {
    fn start(folder: &Path) -> (Self, Client, Arc<OwnedFd>) {
        let (own, others) = channel().expect("a channel");
        let child = Command::new(std::env::current_exe().expect("this"))
            .args(["--exact", "process_that_only_serves"])
            .env(FOLDER, folder)
            .stdin(own)
            .stdout(Stdio::null())
            .spawn()
            .expect("a process");
        let others = Arc::new(others);
        let client = Client::over(Arc::clone(&others), table(folder));
        (Self { child, folder: folder.to_owned() }, client, others)
    }

    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    fn ends(&mut self) {
        let began = Instant::now();
        while self.child.try_wait().expect("a child").is_none() {
            assert!(began.elapsed() < DEADLINE, "it does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        assert!(self.folder.exists());
    }
}

fn state(folder: &Path) -> String {
    fs::read_to_string(folder.join("state")).expect("a state")
}

async fn reads_and_replaces(client: &Client, folder: &Path) {
    let (secret, file) = (folder.join("secret"), folder.join("state"));
    fs::write(&secret, "s3cret").expect("written");
    assert_eq!(client.read(&secret).await.expect("read"), b"s3cret");
    fs::remove_file(&secret).expect("removed");
    assert_eq!(client.read(&secret).await.expect_err("gone").kind(), std::io::ErrorKind::NotFound);
    // A secret is rotated by another file in its place.
    fs::write(&secret, vec![b'x'; 100_000]).expect("written");
    assert_eq!(client.read(&secret).await.expect("read").len(), 100_000);

    for content in ["a", "longer"] {
        client.replace(&file, content.as_bytes().to_vec()).await.expect("replaced");
        assert_eq!(state(folder), content);
    }
    client.replace(&file, vec![b'y'; 5 << 20]).await.expect("replaced");
    assert_eq!(state(folder).len(), 5 << 20);

    // Nothing else can be had.
    let denied = std::io::ErrorKind::PermissionDenied;
    assert_eq!(client.read(&file).await.expect_err("not to be read").kind(), denied);
    assert_eq!(
        client.replace(&secret, vec![]).await.expect_err("not to be replaced").kind(),
        denied
    );
    assert_eq!(client.read(Path::new("/etc/passwd")).await.expect_err("no such").kind(), denied);
}

/// Whether the client tells now that its server is gone.
async fn has_lost_server(client: &Client) -> bool {
    tokio::time::timeout(Duration::ZERO, client.lost_server()).await.is_ok()
}

#[tokio::test]
async fn with_a_server_it_reads_and_replaces() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_server, client, _) = Server::start(folder.path());
    reads_and_replaces(&client, folder.path()).await;
    assert!(!has_lost_server(&client).await);
}

#[tokio::test]
async fn alone_it_reads_and_replaces() {
    let folder = tempfile::tempdir().expect("a folder");
    let client = Client::direct(table(folder.path()));
    reads_and_replaces(&client, folder.path()).await;
    assert!(!has_lost_server(&client).await);
}

#[tokio::test]
async fn when_the_server_has_gone_the_client_does_it_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut server, client, _) = Server::start(folder.path());
    reads_and_replaces(&client, folder.path()).await;
    server.kill();
    reads_and_replaces(&client, folder.path()).await;
    assert!(has_lost_server(&client).await);
    // Once, also where it is found out again.
    reads_and_replaces(&client, folder.path()).await;
    assert!(!has_lost_server(&client).await && !has_lost_server(&client.clone()).await);
}

#[tokio::test]
async fn the_last_client_takes_the_server_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut server, client, others) = Server::start(folder.path());
    let second = client.clone();
    drop(client);
    second.replace(&folder.path().join("state"), b"first".to_vec()).await.expect("replaced");
    let _own = order(&others, b"last");
    drop((second, others));
    server.ends();
    // Not before it has done what was asked for.
    assert_eq!(state(folder.path()), "last");
}

#[tokio::test]
async fn many_at_once_get_their_own_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_server, client, _) = Server::start(folder.path());
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cret").expect("written");
    let mut tasks = Vec::new();
    for number in 0..20_usize {
        let (client, folder, secret) = (client.clone(), folder.path().to_owned(), secret.clone());
        tasks.push(tokio::spawn(async move {
            if number.is_multiple_of(2) {
                assert_eq!(client.read(&secret).await.expect("read"), b"s3cret");
            } else {
                client.replace(&folder.join("state"), vec![b'a'; number]).await.expect("replaced");
            }
        }));
    }
    for task in tasks {
        task.await.expect("done");
    }
    assert!(state(folder.path()).len() % 2 == 1);
}

#[tokio::test]
async fn many_more_at_once_than_the_socket_holds() -> std::io::Result<()> {
    const MANY: usize = 300;
    let folder = tempfile::tempdir()?;
    let (_server, client, _) = Server::start(folder.path());
    let file = folder.path().join("state");
    let one = |number: usize| {
        let (client, file) = (client.clone(), file.clone());
        async move { client.replace(&file, vec![b'a'; number]).await }
    };
    let tasks: Vec<_> = (0..MANY).map(|number| tokio::spawn(one(number))).collect();
    for task in tasks {
        task.await??;
    }
    // In the order in which they came.
    assert_eq!(state(folder.path()).len(), MANY - 1);
    assert!(!has_lost_server(&client).await);
    Ok(())
}

/// The end of a connection without a word on it.
fn ends_without_an_answer(mut connection: UnixStream) {
    connection.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    assert_eq!(connection.read_to_end(&mut Vec::new()).expect("an end"), 0);
}

#[tokio::test]
async fn nonsense_is_refused_and_ends_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_server, client, others) = Server::start(folder.path());
    fs::write(folder.path().join("secret"), "s3cret").expect("written");
    fs::write(folder.path().join("state"), "state").expect("written");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let requests: [&[u8]; 8] = [
        b"x",
        b"r",
        b"rxxxxx",
        b"r\xff\xff\xff\xff",
        b"r\x01\0\0\0",
        b"w\0\0\0\0",
        b"w\x01\0\0\0",
        b"",
    ];
    for bytes in requests.into_iter().filter(|bytes| !bytes.is_empty()) {
        // Without anybody to answer to.
        send(&others, bytes, &[]);
        let (mut own, other) = UnixStream::pair().expect("a pair");
        // `w` with a pipe as content would wait for it for ever.
        send(&others, bytes, &[other.as_fd(), reader.as_fd()]);
        drop(other);
        let mut answer = Vec::new();
        own.read_to_end(&mut answer).expect("an answer");
        assert!(answer.len() >= 4 && answer[..4] != [0; 4], "{bytes:?}: {answer:?}");
        // More descriptors than there is use for.
        send(&others, bytes, &[reader.as_fd(), reader.as_fd(), reader.as_fd()]);
    }
    assert_eq!(client.read(&folder.path().join("secret")).await.expect("read"), b"s3cret");
    assert_eq!(state(folder.path()), "state");
}

#[tokio::test]
async fn contents_that_could_hold_the_server_up_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_server, client, others) = Server::start(folder.path());
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cret").expect("written");
    fs::write(folder.path().join("state"), "state").expect("written");
    // A file of a file system may be one that its client runs.
    let file = File::open("/proc/self/status").expect("a file");
    let (socket, _other) = UnixStream::pair().expect("a pair");
    for content in [file.as_fd(), socket.as_fd()] {
        let (mut own, other) = UnixStream::pair().expect("a pair");
        send(&others, REPLACE_STATE, &[other.as_fd(), content]);
        drop(other);
        let mut answer = Vec::new();
        own.read_to_end(&mut answer).expect("an answer");
        assert!(answer.len() > 4 && answer[..4] != [0; 4], "{answer:?}");
    }
    // A secret that has become a pipe is none to wait for.
    fs::remove_file(&secret).expect("removed");
    mknodat(CWD, &secret, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    let error = client.read(&secret).await.expect_err("a pipe").to_string();
    assert_eq!(error, "it is not an ordinary file");
    assert_eq!(state(folder.path()), "state");
}

#[tokio::test]
async fn answers_go_only_to_connections_without_a_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_server, client, others) = Server::start(folder.path());
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cret").expect("written");
    let path = folder.path().join("listens");
    let listener = UnixListener::bind(&path).expect("bound");
    let connected = UnixStream::connect(&path).expect("connected");
    let (accepted, _) = listener.accept().expect("accepted");
    send(&others, b"r\0\0\0\0", &[connected.as_fd()]);
    drop(connected);
    ends_without_an_answer(accepted);
    let datagrams = UnixDatagram::unbound().expect("a socket");
    send(&others, b"r\0\0\0\0", &[datagrams.as_fd()]);
    let file = File::create(folder.path().join("file")).expect("made");
    send(&others, b"r\0\0\0\0", &[file.as_fd()]);
    assert_eq!(client.read(&secret).await.expect("read"), b"s3cret");
    assert_eq!(fs::read(folder.path().join("file")).expect("read"), b"");
}

#[tokio::test]
async fn who_does_not_read_answers_holds_up_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_server, client, others) = Server::start(folder.path());
    let secret = folder.path().join("secret");
    // More than a socket's buffers hold.
    fs::write(&secret, vec![b'x'; 1 << 20]).expect("written");
    let (own, other) = UnixStream::pair().expect("a pair");
    send(&others, b"r\0\0\0\0", &[other.as_fd()]);
    drop(other);
    assert_eq!(client.read(&secret).await.expect("read").len(), 1 << 20);
    drop(own);
    assert!(!has_lost_server(&client).await);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cret").expect("written");
    // A server that ends in the middle of its answer.
    let (own, others) = channel().expect("a channel");
    let client = Client::over(Arc::new(others), table(folder.path()));
    let server = std::thread::spawn(move || {
        let mut connections = receive_connections(&own);
        let head = [&0_i32.to_ne_bytes()[..], &6_u64.to_ne_bytes(), b"s3"].concat();
        connections.remove(0).write_all(&head).expect("written");
    });
    assert_eq!(client.read(&secret).await.expect("read"), b"s3cret");
    server.join().expect("ended");
    assert!(has_lost_server(&client).await);
}

#[tokio::test]
async fn a_server_that_ends_while_it_is_asked_again_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    fs::write(&secret, "s3cret").expect("written");
    // A server whose connection is closed before its socket is: it has been asked again by then.
    let (own, others) = channel().expect("a channel");
    let client = Client::over(Arc::new(others), table(folder.path()));
    let server = std::thread::spawn(move || {
        drop(receive_connections(&own));
        let again = receive_connections(&own);
        drop(again);
    });
    assert_eq!(client.read(&secret).await.expect("read"), b"s3cret");
    server.join().expect("ended");
    assert!(has_lost_server(&client).await);
}

#[tokio::test]
async fn killed_at_any_moment_it_leaves_the_old_content_or_the_new() {
    const ROUNDS: usize = 200;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state");
    let content = |round: usize| {
        let letter = b'a' + (round % 26) as u8;
        vec![letter; 200_000]
    };
    let took = {
        let (_server, client, _) = Server::start(folder.path());
        let _ = client.read(&folder.path().join("secret")).await;
        let began = Instant::now();
        client.replace(&file, content(0)).await.expect("replaced");
        began.elapsed()
    };
    let mut new = 0;
    for round in 1..=ROUNDS {
        let (mut server, client, others) = Server::start(folder.path());
        // It is there.
        let _ = client.read(&folder.path().join("secret")).await;
        let before = fs::read(&file).expect("whole");
        let _own = order(&others, &content(round));
        // From at once to some time after it has done it.
        let pause = Instant::now();
        while pause.elapsed() < took * 2 * round as u32 / ROUNDS as u32 {
            std::hint::spin_loop();
        }
        server.kill();
        let after = fs::read(&file).expect("whole");
        assert!(after == before || after == content(round), "round {round}: {} bytes", after.len());
        new += usize::from(after == content(round));
    }
    assert!(new > 0 && new < ROUNDS, "{new} of {ROUNDS} were new: the moments say nothing");
    // What the killed have left goes with the next one.
    Client::direct(table(folder.path())).replace(&file, content(0)).await.expect("replaced");
    let names: BTreeSet<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names, BTreeSet::from(["state".into()]));
}
