//! What the proxies before all test clouds have in common: HTTP as far as they need it, and the caller who dies at a call.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;

/// A request as it came.
pub(crate) struct Request {
    pub method: String,
    pub path: String,
    /// In lower case: their names.
    pub head: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// Reads one. `None`: the caller has gone.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Self> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            let mut part = [0; 4096];
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => return None,
                Ok(n) => bytes.extend_from_slice(&part[..n]),
            }
        };
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = text.lines();
        let mut first = lines.next()?.split(' ');
        let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
        let head: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(key, value)| (key.to_lowercase(), value.to_owned()))
            .collect();
        let length = head
            .iter()
            .find(|(key, _)| key == "content-length")
            .map_or(0, |(_, value)| value.parse().expect("length"));
        let mut body = bytes.split_off(end + 4);
        while body.len() < length {
            let mut part = vec![0; length - body.len()];
            let n = stream.read(&mut part).await.ok().filter(|n| *n > 0)?;
            body.extend_from_slice(&part[..n]);
        }
        Some(Self {
            method,
            path,
            head,
            body,
        })
    }
}

/// Answers one; `head`: lines that each end with CR and LF. `None`: the caller has gone.
pub(crate) async fn answer(
    stream: &mut (impl AsyncWrite + Unpin),
    status: u16,
    head: &str,
    body: &[u8],
) -> Option<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} -\r\n{head}content-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()
}

/// The caller dies: whoever waits for it is told, and this call is never answered.
pub(crate) async fn die(killed: &Notify) -> ! {
    killed.notify_one();
    std::future::pending().await
}
