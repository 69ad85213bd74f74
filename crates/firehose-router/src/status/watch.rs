//! The status again and again.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use nix::sys::signal::Signal;
use terminal_size::{Height, Width, terminal_size};
use tokio::time::{Instant, sleep_until};

use super::{
    lines::{lines, text},
    options::{StatusOptions, StatusView},
    reading::{Reading, read_all},
};
use crate::{
    routers::StatusPlace,
    signals::{Listener, SupervisorEvent},
    terminal::cut_painted,
};

/// Another screen than the one with the shell, without a cursor, that cuts long lines (xterm's
/// control sequences).
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";

/// Back.
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The first line of the screen, and from there on over what was there.
const HOME: &str = "\x1b[H";
const TO_END_OF_LINE: &str = "\x1b[K";
const TO_END_OF_SCREEN: &str = "\x1b[J";

/// Lines of a screen that does not say how many it has.
const LINES: usize = 24;

/// Shows it until a signal ends that, or nobody reads it any more.
pub(super) async fn run(
    options: &StatusOptions,
    places: &[StatusPlace],
    every: Duration,
) -> ExitCode {
    let mut signals = match Listener::new() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("error: signal handlers cannot be installed: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = match Screen::enter() {
        Ok(mut screen) => show(options, places, every, &mut screen, &mut signals).await,
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

async fn show(
    options: &StatusOptions,
    places: &[StatusPlace],
    every: Duration,
    screen: &mut Screen,
    signals: &mut Listener,
) -> io::Result<()> {
    let view = StatusView::new(options);
    let mut before: Option<Vec<Reading>> = None;
    let mut shown = Vec::new();
    loop {
        let next = Instant::now() + every;
        let reading = read_all(options, places);
        tokio::pin!(reading);
        let mut is_read = false;
        loop {
            tokio::select! {
                // Cancel safe: it goes on from turn to turn, and nothing is lost with what is read
                // when this ends.
                readings = &mut reading, if !is_read => {
                    is_read = true;
                    shown = lines(&readings, &view, before.as_deref());
                    before = Some(readings);
                    screen.draw(&shown)?;
                }
                // Cancel safe: the moment is an absolute one.
                () = sleep_until(next), if is_read => break,
                // Cancel safe: a signal is taken in the poll that returns it.
                happening = signals.next() => match happening {
                    SupervisorEvent::Signal(Signal::SIGWINCH) => screen.draw(&shown)?,
                    SupervisorEvent::Signal(
                        Signal::SIGINT | Signal::SIGTERM | Signal::SIGQUIT | Signal::SIGHUP,
                    ) => return Ok(()),
                    _ => {}
                }
            }
        }
    }
}

/// Where it is shown: a terminal's other screen, or a file or pipe that all goes to.
struct Screen {
    is_terminal: bool,
    has_drawn: bool,
}

impl Screen {
    fn enter() -> io::Result<Self> {
        let screen = Self { is_terminal: io::stdout().is_terminal(), has_drawn: false };
        if screen.is_terminal {
            write(ENTER)?;
        }
        Ok(screen)
    }

    fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let had_drawn = std::mem::replace(&mut self.has_drawn, true);
        if !self.is_terminal {
            let gap = if had_drawn { "\n" } else { "" };
            return write(&format!("{gap}{}", text(lines)));
        }
        let (width, height) = terminal_size()
            .map_or((usize::MAX, LINES), |(Width(columns), Height(lines))| {
                (usize::from(columns), usize::from(lines))
            });
        write(&frame(lines, width, height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_terminal {
            // There is nobody to be told where that fails.
            let _ = write(LEAVE);
        }
    }
}

/// What draws the lines over those before.
fn frame(lines: &[String], width: usize, height: usize) -> String {
    let mut frame = HOME.to_owned();
    let height = height.max(2);
    let (shown, rest) = if lines.len() > height {
        (&lines[..height - 1], Some(lines.len() - height + 1))
    } else {
        (lines, None)
    };
    let rest = rest.map(|rest| format!("… {rest} more lines"));
    let shown: Vec<_> = shown.iter().chain(&rest).map(|line| cut_painted(line, width)).collect();
    frame += &shown.join(&format!("{TO_END_OF_LINE}\r\n"));
    frame + TO_END_OF_LINE + TO_END_OF_SCREEN
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::frame;

    #[test]
    fn a_frame_fits_its_screen() {
        let lines: Vec<_> = (0..5).map(|number| number.to_string()).collect();
        assert_eq!(
            frame(&lines, 80, 5),
            "\x1b[H0\x1b[K\r\n1\x1b[K\r\n2\x1b[K\r\n3\x1b[K\r\n4\x1b[K\x1b[J"
        );
        let cut = frame(&lines, 80, 3);
        let narrow = frame(&["node-1  up".to_owned()], 8, 5);
        assert_eq!(narrow, "\x1b[Hnode-1 …\x1b[K\x1b[J");
        assert_eq!(cut, "\x1b[H0\x1b[K\r\n1\x1b[K\r\n… 3 more lines\x1b[K\x1b[J");
    }
}
