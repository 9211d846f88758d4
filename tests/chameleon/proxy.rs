//! A small HTTP proxy in front of all services of OpenStack. It counts calls, fails them as asked, and lets the caller die at any.
//!
//! The identity service is asked through it, and the catalog in its answer is made to lead through it, too: the first part of each
//! path is the port of the service behind. With a certificate it speaks TLS.
//!
//! What real sites do and the one behind does not, by where it is documented, is in [`super::habits`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_native_tls::TlsAcceptor;

use super::clouds_proxy::{self, Request};

/// What is done to a call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The service refuses it.
    Refuse(u16, &'static str),
    /// The service refuses it where it is about this.
    RefuseAbout(u16, &'static str, &'static str),
    /// The service refuses to change a lease, and says from then on that it is in this status.
    RefuseAndMark(u16, &'static str, &'static str),
    /// The service makes a lease for this, and says from then on that it is in this status.
    GiveAndMark(&'static str, &'static str),
    /// It is done, and the answer gets lost.
    LoseAnswer,
    /// The caller dies, and it is done this much later.
    DieAndDoLater(Duration),
    /// It is done, and the answer comes this much later.
    Late(Duration),
    /// It is done, and each of these texts in its answer is replaced by that.
    Replace(&'static [&'static str], &'static str),
}

impl Fault {
    fn is_about(&self, body: &[u8]) -> bool {
        match self {
            Self::RefuseAbout(_, _, what) | Self::GiveAndMark(what, _) => {
                String::from_utf8_lossy(body).contains(what)
            }
            _ => true,
        }
    }
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    faults: Vec<(&'static str, String, u32, Fault)>,
    /// Lease → the status that is said of it.
    marked: BTreeMap<String, &'static str>,
    /// The call at which the caller dies, and whether before it is done.
    kill: Option<(usize, bool)>,
}

/// The proxy. It ends with its runtime.
pub(crate) struct Proxy {
    /// The beginning of all addresses that lead through it.
    own: String,
    state: Arc<Mutex<State>>,
    killed: Arc<Notify>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        Self::speaking(None).await
    }

    /// One that speaks TLS where it has something to answer with.
    pub(crate) async fn speaking(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("address").port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let own = format!("{scheme}://127.0.0.1:{port}/");
        let (state, killed) = (
            Arc::new(Mutex::new(State::default())),
            Arc::new(Notify::new()),
        );
        let proxy = Self {
            own: own.clone(),
            state: state.clone(),
            killed: killed.clone(),
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("client");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (client, state, killed) = (client.clone(), state.clone(), killed.clone());
                let (own, tls) = (own.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &own, &client, &state, &killed).await,
                        // Who does not trust it has gone.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &own, &client, &state, &killed).await;
                            }
                        }
                    }
                });
            }
        });
        proxy
    }

    /// The address through which a service on this box is reached.
    pub(crate) fn before(&self, url: &str) -> String {
        through(url, &self.own)
    }

    /// Does something to the next `times` calls of this method whose path ends so, or, if it ends with `/`, goes on from there.
    pub(crate) fn fault(
        &self,
        method: &'static str,
        path: impl Into<String>,
        times: u32,
        fault: Fault,
    ) {
        let mut state = self.state.lock().expect("state");
        state.faults.push((method, path.into(), times, fault));
    }

    /// The caller dies at its `n`-th call from now that changes something, before or after it is done.
    pub(crate) fn kill_at(&self, n: usize, before: bool) {
        let mut state = self.state.lock().expect("state");
        state.calls.clear();
        state.kill = Some((n, before));
    }

    /// All calls are done as they are.
    pub(crate) fn heal(&self) {
        let mut state = self.state.lock().expect("state");
        state.faults.clear();
        state.marked.clear();
    }

    /// Nobody dies any more.
    pub(crate) fn spare(&self) {
        self.state.lock().expect("state").kill = None;
    }

    /// Comes back when the caller is to die.
    pub(crate) async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Calls since the last time.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("state").calls)
    }
}

/// Makes addresses of this box lead through the proxy.
fn through(text: &str, own: &str) -> String {
    text.replace("http://127.0.0.1:", own)
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    own: &str,
    client: &reqwest::Client,
    state: &Mutex<State>,
    killed: &Notify,
) {
    while let Some(request) = Request::read(&mut stream).await {
        let call = format!("{} {}", request.method, request.path);
        let (fault, dies) = {
            let mut state = state.lock().expect("state");
            state.calls.push(call.clone());
            let changing = state.calls.iter().filter(|call| !call.starts_with("GET"));
            let changed = changing.count();
            let dies = state
                .kill
                .filter(|(n, _)| request.method != "GET" && changed == n + 1);
            let mut faults = state.faults.iter_mut();
            let path = request.path.split('?').next().unwrap_or_default();
            let found = faults.find(|(method, end, times, fault)| {
                let here = path.ends_with(end.as_str())
                    || end.ends_with('/') && path.contains(end.as_str());
                let asked = request.method == *method && here;
                *times > 0 && asked && fault.is_about(&request.body)
            });
            let fault = found.map(|(_, _, times, fault)| {
                *times -= 1;
                fault.clone()
            });
            if let Some(Fault::RefuseAndMark(_, _, status)) = fault {
                let id = path.rsplit('/').next().unwrap_or_default().to_owned();
                state.marked.insert(id, status);
            }
            (fault, dies.map(|(_, before)| before))
        };
        if dies == Some(true) {
            clouds_proxy::die(killed).await;
        }
        if let Some(Fault::DieAndDoLater(time)) = fault {
            killed.notify_one();
            tokio::time::sleep(time).await;
        }
        let refused = match fault {
            Some(
                Fault::Refuse(status, words)
                | Fault::RefuseAbout(status, words, _)
                | Fault::RefuseAndMark(status, words, _),
            ) => Some((status, words)),
            _ => None,
        };
        let (status, token, mut body) = if let Some((status, words)) = refused {
            let body = serde_json::json!({"error_code": status, "error_message": words});
            (status, None, body.to_string())
        } else {
            ask(client, &request).await
        };
        if dies == Some(false) {
            clouds_proxy::die(killed).await;
        }
        match fault {
            Some(Fault::LoseAnswer) => return,
            Some(Fault::Late(time)) => tokio::time::sleep(time).await,
            Some(Fault::GiveAndMark(_, status)) => {
                let made: serde_json::Value = serde_json::from_str(&body).expect("a lease");
                let id = made["lease"]["id"].as_str().expect("its id").to_owned();
                state.lock().expect("state").marked.insert(id, status);
            }
            Some(Fault::Replace(all, by)) => {
                body = all.iter().fold(body, |body, one| body.replace(one, by));
            }
            _ => {}
        }
        if request.method == "GET" && request.path.contains("/leases") {
            body = marked(&body, &state.lock().expect("state").marked);
        }
        if request.path.contains("/auth/tokens") {
            body = through(&body, own);
        }
        let token = token.map_or(String::new(), |token| {
            format!("x-subject-token: {token}\r\n")
        });
        let answered = clouds_proxy::answer(&mut stream, status, &token, body.as_bytes()).await;
        if answered.is_none() {
            return;
        }
    }
}

/// Says of leases that they are in another status.
fn marked(body: &str, marks: &BTreeMap<String, &'static str>) -> String {
    let Ok(mut answer) = serde_json::from_str::<serde_json::Value>(body) else {
        return body.to_owned();
    };
    let mark = |lease: &mut serde_json::Value| {
        let id = lease["id"].as_str().unwrap_or_default();
        if let Some(status) = marks.get(id) {
            lease["status"] = (*status).into();
        }
    };
    match answer.get_mut("lease") {
        Some(one) => mark(one),
        None => answer["leases"]
            .as_array_mut()
            .into_iter()
            .flatten()
            .for_each(mark),
    }
    answer.to_string()
}

async fn ask(client: &reqwest::Client, request: &Request) -> (u16, Option<String>, String) {
    let method = request.method.parse().expect("a method");
    let url = format!("http://127.0.0.1:{}", request.path.trim_start_matches('/'));
    let mut call = client.request(method, url).body(request.body.clone());
    for (key, value) in &request.head {
        if !matches!(key.as_str(), "content-length" | "connection" | "host") {
            call = call.header(key, value);
        }
    }
    let answer = call.send().await.expect("OpenStack answers");
    let status = answer.status().as_u16();
    let token = answer.headers().get("x-subject-token");
    let token = token.map(|token| token.to_str().expect("a token").to_owned());
    (status, token, answer.text().await.expect("an answer"))
}
