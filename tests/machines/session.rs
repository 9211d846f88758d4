//! A command line that asks a person something: what it said so far, and answers.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(20);

/// One at work.
pub(crate) struct Session {
    child: Child,
    said: Arc<Mutex<String>>,
    hearing: JoinHandle<()>,
}

impl Session {
    /// Starts it.
    pub(crate) fn of(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.stderr(Stdio::inherit()).spawn();
        let mut child = child.expect("it starts");
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let mut out = child.stdout.take().expect("its output");
        let hearing = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = out.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                heard.lock().expect("said").push_str(&text);
            }
        });
        Self {
            child,
            said,
            hearing,
        }
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("said").clone()
    }

    /// Waits until it has said this.
    pub(crate) fn until(&self, words: &str) {
        let started = Instant::now();
        while !self.said().contains(words) {
            assert!(
                started.elapsed() < LIMIT,
                "`{words}` never came:\n{}",
                self.said()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// Types.
    pub(crate) fn answer(&mut self, keys: &str) {
        let input = self.child.stdin.as_mut().expect("its input");
        input.write_all(keys.as_bytes()).expect("typed");
        input.flush().expect("typed");
    }

    /// The exit code, and all that was said.
    pub(crate) fn end(mut self) -> (i32, String) {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("a child of ours") {
                Some(status) if self.hearing.is_finished() => break status,
                _ if started.elapsed() > LIMIT => {
                    let _ended = self.child.kill();
                    panic!("it does not end:\n{}", self.said());
                }
                _ => std::thread::sleep(PAUSE),
            }
        };
        (status.code().unwrap_or(-1), self.said())
    }
}
