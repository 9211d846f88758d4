//! A command line at work, and what it said.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

/// No command line of these tests may take longer.
const DEADLINE: Duration = Duration::from_mins(4);

/// What a command line said.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit code; `None`: it was killed.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Said {
    /// Fails unless the command line ended with this exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.all());
        self
    }

    /// Fails unless all these words were said.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for words in words {
            let said = self.out.contains(words) || self.err.contains(words);
            assert!(said, "`{words}` is missing:\n{}", self.all());
        }
        self
    }

    /// Fails when one of these words was said.
    #[track_caller]
    pub(crate) fn never_says(self, words: &[&str]) -> Self {
        for words in words {
            let said = self.out.contains(words) || self.err.contains(words);
            assert!(!said, "`{words}` was said:\n{}", self.all());
        }
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}:\n{}", self.all()))
    }

    /// All of it, for messages.
    pub(crate) fn all(&self) -> String {
        let Self { out, err, .. } = self;
        format!("{err}{out}({:?} after {:?})", self.code, self.took)
    }
}

/// A command line at work.
pub(crate) struct Running {
    child: Child,
    words: String,
    started: Instant,
    lines: Receiver<String>,
    err: String,
    out: Option<JoinHandle<String>>,
}

impl Running {
    /// Takes over a child whose output is piped and whose process group is its own.
    pub(crate) fn new(mut child: Child, words: &[&str]) -> Self {
        let (sender, lines) = channel();
        let stderr = child.stderr.take().expect("standard error");
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut stdout = child.stdout.take().expect("standard output");
        let out = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _broken_off = stdout.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            child,
            words: words.join(" "),
            started: Instant::now(),
            lines,
            err: String::new(),
            out: Some(out),
        }
    }

    /// Waits until a line is said that fits. `false`: it ended before.
    pub(crate) fn until(&mut self, mut fits: impl FnMut(&str) -> bool) -> bool {
        loop {
            let left = DEADLINE.saturating_sub(self.started.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let _ = writeln!(self.err, "{line}");
                    if fits(&line) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => self.too_late(DEADLINE),
            }
        }
    }

    /// Sends SIGINT to all that runs in front, as a terminal does at Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill_process_group(self.pid(), Signal::INT).expect("the deployer runs");
    }

    fn pid(&self) -> Pid {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.expect("a process id")
    }

    /// Ends it without any warning, and gives what it had said.
    pub(crate) fn kill(self) -> Said {
        kill_process(self.pid(), Signal::KILL).expect("the deployer runs");
        self.finish()
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Said {
        self.wait(DEADLINE)
    }

    /// Waits for its end, but not for ever.
    pub(crate) fn wait(mut self, deadline: Duration) -> Said {
        let status = loop {
            match self.child.try_wait().expect("a child of ours") {
                Some(status) => break status,
                None if self.started.elapsed() > deadline => self.too_late(deadline),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let took = self.started.elapsed();
        // What it started in the background must not hold its output open.
        let soon = Instant::now() + Duration::from_secs(5);
        while let Ok(line) = self.lines.recv_timeout(soon - Instant::now()) {
            let _ = writeln!(self.err, "{line}");
        }
        let out = self.out.take().expect("joined once");
        while !out.is_finished() && Instant::now() < soon {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(out.is_finished(), "{}: its output stays open", self.words);
        Said {
            code: status.code(),
            out: out.join().expect("a reader"),
            err: std::mem::take(&mut self.err),
            took,
        }
    }

    fn too_late(&mut self, deadline: Duration) -> ! {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        panic!(
            "`{}` took longer than {deadline:?}:\n{}",
            self.words, self.err
        );
    }
}
