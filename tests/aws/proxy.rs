//! A small HTTP proxy in front of moto. It counts calls, fails them as asked, and does what EC2 does and moto does not: a
//! repeated token gives the same machine (EC2's guide, "Ensuring idempotency"), and what the list in `honest.rs` says.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::clouds_proxy::{self, Request};
use super::guests::{self, Guests};
use super::honest::{self, News};
use super::limits::{self, Account};

/// A call as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its name.
    pub action: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// It was refused because it came too early: see `honest.rs`.
    pub early: bool,
}

/// Changes an answer.
pub(crate) type Edit = Arc<dyn Fn(&Call, String) -> String + Send + Sync>;

/// What is done to a call.
#[derive(Clone)]
pub(crate) enum Fault {
    /// The service refuses it.
    Refuse { status: u16, code: &'static str },
    /// The credentials lack this permission, which is not the call's own.
    Lacks(&'static str),
    /// The caller dies, and it is done this much later.
    DieAndDoLater(Duration),
    /// It is done, and the answer gets lost.
    LoseAnswer,
    /// It is done, and the answer is changed.
    Edit(Edit),
}

/// The call at which a caller dies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// Counted from now, beginning with 0.
    Number(usize),
    /// The first of this name that does not come too early.
    Named(&'static str),
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    news: News,
    guests: Guests,
    account: Account,
    /// Held while a machine is made: those that are there are counted before.
    launching: Arc<tokio::sync::Mutex<()>>,
    faults: Vec<(String, u32, Fault)>,
    tokens: HashMap<String, (BTreeMap<String, String>, Vec<u8>)>,
    /// The call at which the caller dies, and whether before it is done.
    kill: Option<(Moment, bool)>,
}

/// The proxy. It ends with its runtime.
pub(crate) struct Proxy {
    /// Where it listens.
    pub url: String,
    state: Arc<Mutex<State>>,
    killed: Arc<Notify>,
}

impl Proxy {
    /// Starts one in front of moto's port.
    pub(crate) async fn start(moto: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let (state, killed) = (
            Arc::new(Mutex::new(State::default())),
            Arc::new(Notify::new()),
        );
        let proxy = Self {
            url,
            state: state.clone(),
            killed: killed.clone(),
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("client");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(
                    stream,
                    moto,
                    client.clone(),
                    state.clone(),
                    killed.clone(),
                ));
            }
        });
        proxy
    }

    /// Does something to the next `times` calls of this name.
    pub(crate) fn fault(&self, action: &str, times: u32, fault: Fault) {
        self.state
            .lock()
            .expect("state")
            .faults
            .push((action.into(), times, fault));
    }

    /// Refuses the next `times` calls of this name.
    pub(crate) fn refuse(&self, action: &str, times: u32, status: u16, code: &'static str) {
        // hammertime #29 shows EC2's answer: `statusCode: 500, retryable: true`.
        let full = code.starts_with("Insufficient") && code.ends_with("Capacity");
        assert!(!full || status == 500, "{code} comes with 500");
        self.fault(action, times, Fault::Refuse { status, code });
    }

    /// From now on the account has these limits.
    pub(crate) fn account(&self, account: Account) {
        self.state.lock().expect("state").account = account;
    }

    /// What services of AWS put into a VPC stays there.
    pub(crate) fn guests_stay(&self) {
        self.state.lock().expect("state").guests.stay = true;
    }

    /// No service of AWS puts anything into a VPC: where moto judges by its own policies, it would judge them by the caller's.
    pub(crate) fn no_guests(&self) {
        self.state.lock().expect("state").guests.absent = true;
    }

    /// The caller dies at a call, before or after it is done.
    pub(crate) fn kill_at(&self, moment: Moment, before: bool) {
        let mut state = self.state.lock().expect("state");
        state.calls.clear();
        state.kill = Some((moment, before));
    }

    /// Nothing fails any more.
    pub(crate) fn spare_all(&self) {
        self.state.lock().expect("state").faults.clear();
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
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state.lock().expect("state").calls)
    }

    /// Names of calls since the last time, with how often; those that came too early do not count.
    pub(crate) fn take_counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.take_calls().into_iter().filter(|call| !call.early) {
            *counts.entry(call.action).or_default() += 1;
        }
        counts
    }
}

async fn serve(
    mut stream: TcpStream,
    moto: u16,
    client: reqwest::Client,
    state: Arc<Mutex<State>>,
    killed: Arc<Notify>,
) {
    while let Some(request) = Request::read(&mut stream).await {
        let Request {
            method,
            path,
            head,
            body,
        } = request;
        assert_eq!((&*method, &*path), ("POST", "/"), "all that AWS takes here");
        let body = String::from_utf8_lossy(&body).into_owned();
        let parameters: BTreeMap<String, String> = form(&body)
            .into_iter()
            .filter(|(key, _)| key != "Version")
            .collect();
        let action = parameters
            .get("Action")
            .cloned()
            .or_else(|| target(&head))
            .unwrap_or_else(|| "?".into());
        let mut call = Call {
            action: action.clone(),
            parameters,
            early: false,
        };
        let (fault, dies) = {
            let mut state = state.lock().expect("state");
            call.early = state.news.refuses(&call);
            state.calls.push(call.clone());
            let dies = state
                .kill
                .filter(|(moment, _)| match moment {
                    Moment::Number(number) => state.calls.len() == number + 1,
                    Moment::Named(name) => action == *name && !call.early,
                })
                .map(|(_, before)| before);
            let found = state
                .faults
                .iter_mut()
                .filter(|_| !call.early)
                .find(|(name, times, _)| *name == action && *times > 0);
            let fault = found.map(|(_, times, fault)| {
                *times -= 1;
                fault.clone()
            });
            (fault, dies)
        };
        let upstream = Upstream {
            client: &client,
            moto,
            head: &head,
        };
        if dies == Some(true) {
            clouds_proxy::die(&killed).await;
        }
        if let Some(Fault::DieAndDoLater(time)) = fault {
            killed.notify_one();
            tokio::time::sleep(time).await;
        }
        let launching = state.lock().expect("state").launching.clone();
        let turn = match call.action.as_str() {
            "RunInstances" => Some(launching.lock().await),
            _ => None,
        };
        let refusal = match &fault {
            _ if call.early => Some((403, "UnauthorizedOperation")),
            Some(Fault::Refuse { status, code }) => Some((*status, *code)),
            Some(Fault::Lacks(_)) => Some((403, "UnauthorizedOperation")),
            _ => refusal(&call, &upstream, &state).await,
        };
        let (status, mut answer) = match refusal {
            Some((status, code)) => match fault {
                Some(Fault::Lacks(action)) => (status, refused(action, code)),
                _ => (status, refused(&own(&call), code)),
            },
            None => match replayed(&call, &state) {
                Some(result) => result,
                None => done(&call, &upstream, body, &state).await,
            },
        };
        drop(turn);
        if dies == Some(false) {
            clouds_proxy::die(&killed).await;
        }
        match fault {
            Some(Fault::LoseAnswer) => return,
            Some(Fault::Edit(edit)) => {
                answer = edit(&call, String::from_utf8_lossy(&answer).into_owned()).into_bytes();
            }
            _ => {}
        }
        let kind = "content-type: text/xml\r\n";
        let answered = clouds_proxy::answer(&mut stream, status, kind, &answer).await;
        if answered.is_none() {
            return;
        }
    }
}

/// What EC2 refuses and moto does.
async fn refusal(
    call: &Call,
    upstream: &Upstream<'_>,
    state: &Mutex<State>,
) -> Option<honest::Refusal> {
    if let Some(refusal) = honest::refusal(call, upstream).await {
        return Some(refusal);
    }
    let guests = guests::of(call, upstream).await;
    let host = || call.parameters.values().cloned().collect::<String>();
    if !guests.is_empty() {
        if !state.lock().expect("state").guests.go(&host()) {
            return Some(guests::held());
        }
        guests::leave(&guests, upstream).await;
    }
    let account = state.lock().expect("state").account;
    limits::refusal(call, account, upstream).await
}

/// Moto does it.
async fn done(
    call: &Call,
    upstream: &Upstream<'_>,
    body: String,
    state: &Mutex<State>,
) -> (u16, Vec<u8>) {
    let account = state.lock().expect("state").account;
    if let Some(answer) = limits::answer(call, &body, account) {
        return answer;
    }
    let (status, answer) = upstream.ask(body).await;
    if let Some((status, code)) = honest::answered(call, &answer) {
        return (status, refused(&own(call), code));
    }
    if status == 200 {
        let absent = state.lock().expect("state").guests.absent;
        if !absent {
            guests::arrive(call, &answer, upstream).await;
        }
        let mut state = state.lock().expect("state");
        state.news.learn(call, &answer);
        if let Some(token) = call.parameters.get("ClientToken") {
            let known = (call.parameters.clone(), answer.clone());
            state
                .tokens
                .insert(format!("{} {token}", call.action), known);
        }
    }
    let answer = honest::with_local_zone(call, answer);
    (status, limits::with_processors(call, answer))
}

/// The answer to a token that was used before.
fn replayed(call: &Call, state: &Mutex<State>) -> Option<(u16, Vec<u8>)> {
    let token = call
        .parameters
        .get("ClientToken")
        .filter(|_| call.action == "RunInstances")?;
    let state = state.lock().expect("state");
    let (parameters, answer) = state.tokens.get(&format!("RunInstances {token}"))?;
    if *parameters == call.parameters {
        Some((200, answer.clone()))
    } else {
        Some((400, refused(&own(call), "IdempotentParameterMismatch")))
    }
}

/// The permission that a call needs.
fn own(call: &Call) -> String {
    format!("ec2:{}", call.action)
}

/// EC2's way to say no.
fn refused(action: &str, code: &str) -> Vec<u8> {
    let words = honest::words(action, code);
    format!("<Response><Errors><Error><Code>{code}</Code><Message>{words}</Message></Error></Errors><RequestID>r</RequestID></Response>")
        .into_bytes()
}

/// Moto, as the caller of one request sees it.
pub(crate) struct Upstream<'a> {
    client: &'a reqwest::Client,
    moto: u16,
    head: &'a [(String, String)],
}

impl Upstream<'_> {
    pub(crate) async fn ask(&self, body: String) -> (u16, Vec<u8>) {
        let mut request = self
            .client
            .post(format!("http://127.0.0.1:{}/", self.moto))
            .body(body);
        for (key, value) in self.head {
            if !matches!(key.as_str(), "content-length" | "connection") {
                request = request.header(key, value);
            }
        }
        let answer = request.send().await.expect("moto answers");
        let status = answer.status().as_u16();
        let body = answer.bytes().await.expect("moto's answer");
        (status, body.to_vec())
    }
}

/// The name of a call whose body is JSON.
fn target(head: &[(String, String)]) -> Option<String> {
    let (_, target) = head.iter().find(|(key, _)| key == "x-amz-target")?;
    target.rsplit('.').next().map(String::from)
}

fn form(body: &str) -> Vec<(String, String)> {
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: Vec<u8> = rest.by_ref().take(2).collect();
            let digits = String::from_utf8(digits).expect("hex");
            bytes.push(u8::from_str_radix(&digits, 16).expect("hex"));
        } else {
            bytes.push(if byte == b'+' { b' ' } else { byte });
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
