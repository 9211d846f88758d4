//! Alerts by a real relay of mail: what is due is sent, whoever is away and whatever is killed, once each.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::certificates::{Authority, Issued};
use crate::cluster::free;
use crate::lab::{Agent, Lab, get, json as call, record, secret, wait_until};
use crate::skip::skip;
use crate::smtp::{Relay, mails};

/// A consumer with one alert, and its relay.
struct Desk {
    lab: Lab,
    listen: SocketAddr,
    issued: Issued,
    authority: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let lab = Lab::new(&["counts"]);
        let authority = Authority::new(lab.directory.path(), "authority");
        secret(lab.directory.path(), "mail-password", "sesame\n");
        Self {
            issued: authority.issue("relay"),
            authority: authority.file(),
            listen: free(),
            lab,
        }
    }

    fn mails(&self) -> Vec<Value> {
        mails(&self.lab.path("mails"))
    }

    /// A relay; `None`: it cannot be had, and that is said.
    fn relay(&self, port: u16) -> Option<Relay> {
        let pair = [&*self.issued.certificate, &*self.issued.key];
        let relay = Relay::start(&self.lab.path("mails"), port, None, &pair);
        relay.map_err(|why| skip(&why)).ok()
    }

    /// A configuration whose mails go there, to these.
    fn config(&self, port: u16, authority: &Path, to: &[&str]) -> PathBuf {
        let directory = self.lab.path("alert");
        let password = self.lab.path("mail-password");
        let text = format!(
            r#"group = "g"
            metrics = {{ listen = "{}" }}
            kafka = {{ bootstrap = "{}" }}
            topics = [{{ name = "counts", epoch = "e1" }}]
            [sinks.errors]
            kind = "alert"
            from = ["counts"]
            title = "errors of lab"
            directory = "{}"
            mark = "1"
            when = [["level", "=", "ERROR"], ["n", ">", 1]]
            window = "window"
            grace_ms = 500
            cooldown_ms = 0
            to = {to:?}
            subject = "ALERT | Messages with ERROR noticed"
            mail.relay = "127.0.0.1"
            mail.port = {port}
            mail.tls = "starttls"
            mail.from = "logs@example.org"
            mail.ca_file = "{}"
            mail.user = "logs"
            mail.password_file = "{}"
            "#,
            self.listen,
            self.lab.kafka.bootstrap_servers(),
            directory.display(),
            authority.display(),
            password.display(),
        );
        let path = self.lab.path("consumer.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Sends a row of a minute.
    fn send(&self, minute: u8, level: &str, n: u64) {
        let time = |minute: u8| format!("2026-11-30T07:{minute:02}:00.000Z");
        let window = json!({ "start": time(minute), "end": time(minute + 1) });
        // In the order of a stream's columns.
        let value = format!(r#"{{"window":{window},"level":"{level}","n":{n}}}"#);
        let key = format!("{minute} {level}");
        let row = record("counts", value.as_bytes()).key(&key);
        self.lab.send_records([row]);
    }

    /// What the consumer tells of the alert.
    fn told(&self) -> Value {
        let answer = get(self.listen, "/figures");
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        let figures: Value = serde_json::from_str(body).unwrap_or_default();
        figures["sinks"][0]["told"].clone()
    }

    fn await_mails(&self, count: usize) -> Vec<Value> {
        wait_until("the mails", || self.mails().len() >= count);
        self.mails()
    }
}

#[test]
fn a_mail_comes_once_though_the_relay_is_away_and_the_consumer_killed() {
    let desk = Desk::new();
    let Some(relay) = desk.relay(0) else { return };
    let port = relay.port();
    let config = desk.config(port, &desk.authority, &["Ops <ops@example.org>"]);
    let mut consumer = Agent::consumer(&config);
    let trial = desk.await_mails(1).remove(0);
    assert_eq!(
        trial["subject"],
        "TEST | ALERT | Messages with ERROR noticed"
    );
    assert_eq!(trial["receivers"], json!(["ops@example.org"]));
    assert_eq!(
        (&trial["sender"], &trial["encrypted"]),
        (&json!("logs@example.org"), &json!(true))
    );
    drop(relay);
    for (level, n) in [
        ("WARN", 81),
        ("ERROR", 2),
        ("DEBUG", 21),
        ("INFO", 192),
        ("ERROR", 6),
    ] {
        desk.send(0, level, n);
    }
    desk.send(1, "INFO", 1);
    wait_until("it says that the relay is away", || {
        let told = desk.told();
        told["unsent"] == true && told["last_error"].is_string()
    });
    let ill = get(desk.listen, "/healthz");
    let alarm = "mail of alert errors of lab: Ops <ops@example.org>: ";
    assert!(ill.contains(alarm), "{ill}");
    consumer.kill();
    let _relay = desk.relay(port).expect("it was there before");
    let mut consumer = Agent::consumer(&config);
    let alert = desk.await_mails(2).remove(1);
    assert_eq!(alert["subject"], "ALERT | Messages with ERROR noticed");
    let text = "errors of lab: level = ERROR, n > 1\n\n2026-11-30T07:00:00Z to 2026-11-30T07:01:00Z\n\
                (DEBUG,21)\n(ERROR,6)\n(INFO,192)\n(WARN,81)\n";
    let said = alert["text"].as_str().unwrap().replace("\r\n", "\n");
    assert_eq!(said.trim_end(), text.trim_end());
    assert!(
        alert["id"].as_str().unwrap().ends_with("@example.org>"),
        "{alert}"
    );
    wait_until("all is well again", || {
        get(desk.listen, "/healthz").contains(" 200 ")
    });
    desk.send(0, "ERROR", 7);
    let second = desk.await_mails(3).remove(2);
    let subject = "ALERT | Messages with ERROR noticed (changed by late rows)";
    assert_eq!(second["subject"], subject);
    assert!(
        second["text"].as_str().unwrap().contains("(ERROR,7)"),
        "{second}"
    );
    wait_until("nothing is due", || {
        let told = desk.told();
        told["unsent"] == false && told["due"] == 0 && told["last_error"].is_null()
    });
    consumer.terminate();
    assert_eq!(desk.mails().len(), 3);
    let state = std::fs::read_to_string(desk.lab.path("alert/state.json")).unwrap();
    for secret in [state, consumer.log(), get(desk.listen, "/figures")] {
        assert!(!secret.contains("sesame"), "{secret}");
    }
}

#[test]
fn who_is_refused_keeps_a_mail_from_nobody_else_and_what_is_no_row_is_a_dead_letter() {
    let desk = Desk::new();
    let Some(relay) = desk.relay(0) else { return };
    let to = ["refused@example.org", "ops@example.org"];
    let config = desk.config(relay.port(), &desk.authority, &to);
    let _consumer = Agent::consumer(&config);
    desk.await_mails(1);
    desk.lab.send("counts", &[br#"{"level":"ERROR","n":2}"#]);
    desk.send(0, "ERROR", 2);
    desk.send(1, "INFO", 1);
    let alert = desk.await_mails(2).remove(1);
    assert_eq!(alert["receivers"], json!(["ops@example.org"]));
    assert_eq!(alert["to"], "refused@example.org, ops@example.org");
    wait_until("it says who is refused", || {
        let told = desk.told();
        let error = told["last_error"].as_str().unwrap_or_default();
        error.contains("refused@example.org: permanent error (550)") && told["unsent"] == false
    });
    assert!(get(desk.listen, "/healthz").contains("refused@example.org"));
    let letters = call("consumer", &config, &["dead-letters"], "");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["reason"], "the row has no `window`");
}

#[test]
fn nothing_is_handed_to_a_relay_with_a_strange_certificate() {
    let desk = Desk::new();
    let Some(relay) = desk.relay(0) else { return };
    let other = Authority::new(desk.lab.directory.path(), "other").file();
    let config = desk.config(relay.port(), &other, &["ops@example.org"]);
    let _consumer = Agent::consumer(&config);
    desk.send(0, "ERROR", 2);
    wait_until("it says that the certificate is not trusted", || {
        let told = desk.told();
        let error = told["last_error"].as_str().unwrap_or_default().to_owned();
        error.contains("certificate verify failed")
    });
    assert_eq!(desk.mails(), [] as [Value; 0]);
}
