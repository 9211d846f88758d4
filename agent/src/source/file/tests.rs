use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::super::{Checkpoint, Source, Start};
use super::Settings;
use crate::event::Payload;

struct Reading {
    source: Box<dyn Source>,
    checkpoint: Checkpoint,
}

fn start(path: &Path, checkpoint: &Checkpoint) -> Reading {
    let settings = Settings {
        path: path.to_owned(),
    };
    let source = super::super::Settings::open(
        &settings,
        Start {
            checkpoint: checkpoint.clone(),
            ..Start::default()
        },
    );
    Reading {
        source,
        checkpoint: checkpoint.clone(),
    }
}

fn begin(path: &Path) -> Reading {
    start(path, &Checkpoint::default())
}

impl Reading {
    /// Expects these lines and nothing else before them.
    async fn expect(&mut self, expected: &[&str]) {
        let mut found = Vec::new();
        while found.len() < expected.len() {
            let batch = self.source.next().await.expect("a file has no end");
            if batch.events.is_empty() {
                continue;
            }
            self.checkpoint = batch.checkpoint;
            for taken in batch.events {
                let Payload::Line { line } = taken.payload else {
                    panic!("not a line")
                };
                found.push(line);
            }
        }
        assert_eq!(found, expected);
    }
}

fn write(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .expect("opens");
    file.write_all(text.as_bytes()).expect("is written");
}

#[tokio::test]
async fn lines_are_followed_through_rotation_and_cutting() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let mut reading = begin(&path);
    write(&path, "a\nb\r\nhalf");
    reading.expect(&["a", "b"]).await;
    write(&path, " whole\n");
    reading.expect(&["half whole"]).await;
    write(&path, "last, without an end");
    std::fs::rename(&path, directory.path().join("log.1")).expect("is renamed");
    write(&path, "new\n");
    // Its writer may still go on.
    reading.expect(&["new", "last, without an end"]).await;
    std::fs::write(&path, "cut\n").expect("is cut and written");
    // Shorter than what was read, or this could not be told.
    std::fs::write(&path, "c\n").expect("is cut and written");
    reading.expect(&["c"]).await;
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was_also_two_rotations_later() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    write(&path, "a\nb\n");
    let mut reading = begin(&path);
    reading.expect(&["a", "b"]).await;
    let checkpoint = reading.checkpoint.clone();
    drop(reading);
    write(&path, "c\n");
    let mut reading = start(&path, &checkpoint);
    reading.expect(&["c"]).await;
    let checkpoint = reading.checkpoint.clone();
    drop(reading);
    write(&path, "d\n");
    for number in [2, 1] {
        std::fs::rename(&path, directory.path().join(format!("log.{number}"))).expect("is renamed");
        // The order of rotated files is that of their times.
        std::thread::sleep(Duration::from_millis(20));
        write(&path, &format!("after {number}\n"));
    }
    let mut reading = start(&path, &checkpoint);
    reading.expect(&["d", "after 2", "after 1"]).await;
}

#[tokio::test]
async fn a_writer_that_goes_on_in_the_renamed_file_is_heard_also_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.log");
    let renamed = directory.path().join("x.log.1");
    write(&path, "a\nhal");
    let mut reading = begin(&path);
    reading.expect(&["a"]).await;
    std::fs::rename(&path, &renamed).expect("is renamed");
    write(&path, "new\n");
    reading.expect(&["new"]).await;
    write(&renamed, "f-line\nlate\n");
    reading.expect(&["half-line", "late"]).await;
    let checkpoint = reading.checkpoint.clone();
    drop(reading);
    write(&renamed, "later\n");
    let mut reading = start(&path, &checkpoint);
    reading.expect(&["later"]).await;
    write(&path, "newer\n");
    reading.expect(&["newer"]).await;
}

#[tokio::test]
async fn neighbours_are_never_read_and_rotations_of_every_name_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("app.log");
    let beside = |name: &str| directory.path().join(name);
    for (number, rotated) in [
        "app.log.1",
        "app.log-20240101",
        "app-20240102.log",
        "app.log.old",
    ]
    .iter()
    .enumerate()
    {
        write(&path, &format!("first {number}\n"));
        let mut reading = begin(&path);
        reading.expect(&[&format!("first {number}")]).await;
        let checkpoint = reading.checkpoint.clone();
        drop(reading);
        write(&path, &format!("last {number}\n"));
        std::fs::rename(&path, beside(rotated)).expect("is renamed");
        write(&path, &format!("new {number}\n"));
        for neighbour in ["app.log.audit", "app.log2", "app-2.log", "app.log.1.bak"] {
            write(&beside(neighbour), "secret\n");
        }
        let mut reading = start(&path, &checkpoint);
        reading
            .expect(&[&format!("last {number}"), &format!("new {number}")])
            .await;
        drop(reading);
        std::fs::remove_file(&path).expect("is removed");
    }
}

#[tokio::test]
async fn a_file_that_is_cut_under_its_writer_has_no_events_of_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    // Not in append mode: it goes on at its own place.
    let mut writer = std::fs::File::create(&path).expect("is made");
    let line = "a".repeat(99) + "\n";
    writer
        .write_all(line.repeat(20_000).as_bytes())
        .expect("is written");
    let mut reading = begin(&path);
    reading.expect(&vec![line.trim_end(); 20_000]).await;
    for after in ["after", "and again"] {
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .expect("is cut");
        writeln!(writer, "{after}").expect("is written");
        reading.expect(&[after]).await;
    }
}

#[tokio::test]
async fn what_was_copied_before_the_file_was_cut_is_read_from_the_copy() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let text: String = (0..200).map(|line| format!("line {line}\n")).collect();
    write(&path, &text);
    let mut reading = begin(&path);
    let lines: Vec<&str> = text.lines().collect();
    reading.expect(&lines).await;
    let checkpoint = reading.checkpoint.clone();
    drop(reading);
    write(&path, "unread\n");
    std::fs::copy(&path, directory.path().join("log.1")).expect("is copied");
    std::fs::write(&path, "after\n").expect("is cut and written");
    let mut reading = start(&path, &checkpoint);
    reading.expect(&["unread", "after"]).await;
}

#[tokio::test]
async fn a_file_that_came_back_from_a_copy_is_gone_on_with() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let text: String = (0..200).map(|line| format!("line {line}\n")).collect();
    write(&path, &text);
    let mut reading = begin(&path);
    reading.expect(&text.lines().collect::<Vec<_>>()).await;
    let checkpoint = reading.checkpoint.clone();
    drop(reading);
    let copy = directory.path().join("copy");
    std::fs::copy(&path, &copy).expect("is copied");
    std::fs::rename(&copy, &path).expect("is renamed");
    write(&path, "more\n");
    let mut reading = start(&path, &checkpoint);
    reading.expect(&["more"]).await;
}
