//! The little of HTTP/1.1 that the double needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::State;
use super::routes::{self, Reply};

pub struct Request {
    pub method: String,
    pub path: String,
    pub query: HashMap<String, String>,
    pub user: Option<(String, String)>,
    pub is_json: bool,
    pub body: Vec<u8>,
}

pub async fn serve(listener: std::net::TcpListener, state: Arc<Mutex<State>>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        tokio::spawn(talk(stream, Arc::clone(&state)));
    }
}

/// Answers requests on a connection until it ends; a reset closes it without an answer.
async fn talk(stream: TcpStream, state: Arc<Mutex<State>>) {
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let reply = routes::answer(&request, &state).await;
        let status = if let Reply::Answer(status, _) = &reply {
            *status
        } else {
            0
        };
        state
            .lock()
            .unwrap()
            .log
            .push((request.method.clone(), request.path.clone(), status));
        let Reply::Answer(status, body) = reply else {
            // A linger of nothing makes the end a reset.
            #[allow(deprecated)]
            stream
                .get_ref()
                .set_linger(Some(std::time::Duration::ZERO))
                .unwrap();
            return;
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream
            .write_all(format!("{head}{body}").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut first = String::new();
    if stream.read_line(&mut first).await.ok()? == 0 {
        return None;
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let url = reqwest::Url::parse(&format!("http://x{target}")).unwrap();
    Some(Request {
        method,
        path: url.path().trim_start_matches('/').replace("%2B", "+"),
        query: url.query_pairs().into_owned().collect(),
        user: headers.get("authorization").and_then(|value| user(value)),
        is_json: headers
            .get("content-type")
            .is_some_and(|value| value.starts_with("application/json")),
        body,
    })
}

fn user(header: &str) -> Option<(String, String)> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(header.strip_prefix("Basic ")?)
        .ok()?;
    let (name, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

impl Request {
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub fn flag(&self, name: &str) -> bool {
        self.query.get(name).is_some_and(|value| value == "true")
    }
}
