//! An HTTP server on loopback that answers as told and remembers what it was asked.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How a path is answered; paths without an answer are not found.
#[derive(Clone)]
pub(crate) enum Answer {
    /// With this body.
    Body(Vec<u8>),
    /// With the first half of this body, then the connection is closed.
    Half(Vec<u8>),
    /// With the first half of this body, then nothing more.
    Stall(Vec<u8>),
    /// Bit by bit.
    Trickle(Vec<u8>),
    /// Not at all.
    Silence,
    /// That it is elsewhere.
    Moved(&'static str),
    /// With this status and nothing else.
    Status(&'static str),
}

/// The server; it ends with the test's runtime.
pub(crate) struct Server {
    /// `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves these paths.
    pub(crate) async fn start(answers: impl IntoIterator<Item = (&str, Answer)>) -> Self {
        let answers: Arc<BTreeMap<String, Answer>> = Arc::new(
            answers
                .into_iter()
                .map(|(path, answer)| (path.to_owned(), answer))
                .collect(),
        );
        let requests = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&seen)));
            }
        });
        Self { base, requests }
    }

    /// The paths asked for, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A base address where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn serve(
    stream: TcpStream,
    answers: Arc<BTreeMap<String, Answer>>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
        return;
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while stream.read_line(&mut line).await.unwrap_or(0) > 2 {}
    seen.lock().unwrap().push(path.clone());
    let (length, sent, stays) = match answers.get(&path).cloned() {
        Some(Answer::Body(body)) => (body.len(), body, false),
        Some(Answer::Half(body)) => (body.len(), body[..body.len() / 2].to_vec(), false),
        Some(Answer::Stall(body)) => (body.len(), body[..body.len() / 2].to_vec(), true),
        Some(Answer::Moved(place)) => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            return stream.write_all(head.as_bytes()).await.unwrap();
        }
        Some(Answer::Status(status)) => {
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            return stream.write_all(head.as_bytes()).await.unwrap();
        }
        Some(Answer::Trickle(body)) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            drop(stream.write_all(head.as_bytes()).await);
            for byte in body {
                tokio::time::sleep(Duration::from_millis(50)).await;
                // A client that has given up closes the connection; that is no failure here.
                drop(stream.write_all(&[byte]).await);
            }
            return;
        }
        Some(Answer::Silence) => return tokio::time::sleep(Duration::from_mins(1)).await,
        None => {
            let answer =
                b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            return;
        }
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    // A client that has given up closes the connection; that is no failure here.
    drop(stream.write_all(head.as_bytes()).await);
    drop(stream.write_all(&sent).await);
    drop(stream.flush().await);
    if stays {
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
}
