//! Standard output that may be read by a program that has enough: `deployer docs -n 1000 | head -1`.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

/// Writes on until nobody reads any more, and from then on writes nothing. That is no error, and what the command does beside
/// printing goes on.
#[derive(Debug)]
pub struct Pipe<W> {
    out: W,
    closed: bool,
}

impl<W: Write> Pipe<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, closed: false }
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn unless_closed<T>(
        &mut self,
        otherwise: T,
        act: impl FnOnce(&mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.closed {
            return Ok(otherwise);
        }
        match act(&mut self.out) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(otherwise)
            }
            result => result,
        }
    }
}

impl<W: AsFd> Pipe<W> {
    /// How wide the terminal is that it leads to; `None`: it leads to none.
    pub fn width(&self) -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(&self.out).ok()?;
        Some(usize::from(size.ws_col)).filter(|width| *width > 0)
    }
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_closed(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed((), Write::flush)
    }
}
