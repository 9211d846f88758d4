//! `/metrics`, `/figures` and `/healthz` over HTTP: a request at a time per connection, small, bounded in time and size.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Health;
use super::page::page;

/// How long a request and its answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of a request.
const REQUEST: u64 = 8 * 1024;
/// The most connections at once.
const CONNECTIONS: usize = 16;

/// What an agent shows.
pub struct Shown<F> {
    /// All it counts, for `/metrics`.
    pub registries: Vec<Registry>,
    /// Makes what its deployer wants to know, for `/figures`.
    pub figures: F,
    /// What is wrong, for both `/figures` and `/healthz`.
    pub health: Health,
}

/// Answers requests until the program ends. An address that is taken is said in the log, and the agent goes on: events
/// count more than figures.
pub fn serve<F, T>(listen: Option<SocketAddr>, shown: Shown<F>)
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Serialize,
{
    let Some(listen) = listen else { return };
    tokio::spawn(async move {
        match TcpListener::bind(listen).await {
            Ok(listener) => accept(listener, Arc::new(shown)).await,
            Err(error) => {
                tracing::error!(%listen, %error, "there are no figures: the address cannot be used");
            }
        }
    });
}

async fn accept<F, T>(listener: TcpListener, shown: Arc<Shown<F>>)
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Serialize,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shown = Arc::clone(&shown);
                tokio::spawn(async move {
                    // A client that goes away or dawdles has no answer to miss.
                    let _ = tokio::time::timeout(TIMEOUT, answer(stream, &shown)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a request for figures cannot be taken");
                tokio::time::sleep(TIMEOUT).await;
            }
        }
    }
}

async fn answer<F, T>(mut stream: TcpStream, shown: &Shown<F>) -> std::io::Result<()>
where
    F: Fn() -> T,
    T: Serialize,
{
    let (reader, mut writer) = stream.split();
    let mut lines = BufReader::new(reader.take(REQUEST)).lines();
    let first = lines.next_line().await?.unwrap_or_default();
    // All of the request is read: closing before would reset the connection under the answer.
    while lines
        .next_line()
        .await?
        .is_some_and(|line| !line.is_empty())
    {}
    let (status, kind, body) = reply(&first, shown);
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    writer.write_all(head.as_bytes()).await?;
    if !first.starts_with("HEAD ") {
        writer.write_all(body.as_bytes()).await?;
    }
    writer.shutdown().await
}

/// The agent's own figures, and what is wrong with it.
#[derive(Serialize)]
struct Page<T> {
    wrong: Vec<String>,
    #[serde(flatten)]
    figures: T,
}

fn reply<F, T>(request: &str, shown: &Shown<F>) -> (&'static str, &'static str, String)
where
    F: Fn() -> T,
    T: Serialize,
{
    const TEXT: &str = "text/plain; charset=utf-8";
    const FAILED: &str = "500 Internal Server Error";
    let mut words = request.split_whitespace();
    if !matches!(words.next(), Some("GET" | "HEAD")) {
        return ("405 Method Not Allowed", TEXT, "only GET\n".to_owned());
    }
    let path = words.next().unwrap_or_default();
    match path.split_once('?').map_or(path, |(path, _)| path) {
        "/metrics" => match page(&shown.registries) {
            Ok(body) => (
                "200 OK",
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                body,
            ),
            Err(error) => (FAILED, TEXT, format!("{error}\n")),
        },
        "/figures" => {
            let page = Page {
                wrong: shown.health.reasons(),
                figures: (shown.figures)(),
            };
            match serde_json::to_string(&page) {
                Ok(body) => ("200 OK", "application/json", body + "\n"),
                Err(error) => (FAILED, TEXT, format!("{error}\n")),
            }
        }
        "/healthz" => match shown.health.reasons() {
            reasons if reasons.is_empty() => ("200 OK", TEXT, "ok\n".to_owned()),
            reasons => ("503 Service Unavailable", TEXT, reasons.join("\n") + "\n"),
        },
        _ => (
            "404 Not Found",
            TEXT,
            "see /metrics, /figures and /healthz\n".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use prometheus_client::metrics::counter::Counter;

    async fn ask(listen: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(listen).await.expect("it listens");
        stream.write_all(request).await.expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("it answers");
        text
    }

    #[tokio::test]
    async fn figures_and_health_are_told_and_nothing_else() {
        let mut registry = Registry::default();
        let events: Counter = Counter::default();
        registry.register("events", "Events", events.clone());
        events.inc_by(3);
        let health = Health::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let listen = listener.local_addr().expect("an address");
        let shown = Shown {
            registries: vec![registry],
            figures: move || serde_json::json!({ "events": events.get() }),
            health: health.clone(),
        };
        tokio::spawn(accept(listener, Arc::new(shown)));
        let metrics = ask(listen, b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("events_total 3\n"));
        let get = b"GET /healthz HTTP/1.1\r\n\r\n";
        assert!(ask(listen, get).await.ends_with("\r\n\r\nok\n"));
        assert!(health.raise("disk", "is full") && !health.raise("disk", "is full"));
        let ill = ask(listen, get).await;
        assert!(ill.starts_with("HTTP/1.1 503") && ill.ends_with("disk: is full\n"));
        let figures = ask(listen, b"GET /figures HTTP/1.0\r\n\r\n").await;
        let told = "\r\n\r\n{\"wrong\":[\"disk: is full\"],\"events\":3}\n";
        assert!(figures.starts_with("HTTP/1.1 200") && figures.ends_with(told));
        assert!(health.clear("disk") && !health.clear("disk"));
        for (request, status) in [
            (&b"POST /metrics HTTP/1.1\r\n\r\n"[..], "405"),
            (b"GET / HTTP/1.1\r\n\r\n", "404"),
            (b"HEAD /healthz HTTP/1.1\r\n\r\n", "200"),
        ] {
            let text = ask(listen, request).await;
            assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        }
    }
}
