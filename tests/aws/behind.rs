//! A box behind an HTTPS proxy: AWS is asked through it, by CONNECT; the box's own address is not, for SSH goes past it.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::account::telling;
use super::desk::{Desk, says};

/// A proxy that lets nothing through; what it was asked for.
async fn closed() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = [0; 1024];
            let length = stream.read(&mut question).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&question[..length]);
            let line = text.lines().next().unwrap_or_default();
            noted.lock().expect("questions").push(line.to_owned());
            let no = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
            // Whoever asked may be gone.
            let _ = stream.write_all(no).await;
        }
    });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_is_asked_through_the_proxy_and_the_address_is_not() {
    let (proxy, asked) = closed().await;
    let mut desk = Desk::new();
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        desk.set(name, &proxy);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        desk.set(name, "");
    }
    let inventory = |address: &str| {
        format!(
            "\
name: behind
cloud: aws
nodes: {{ vm1: {{ roles: [] }} }}
clouds:
  aws: {{ region: eu-central-1, address_url: '{address}' }}
"
        )
    };
    let service = telling(&Arc::new(Mutex::new("192.0.2.7"))).await;
    let file = desk.write("inventory.yaml", &inventory(&service));
    let said = desk.fails(&["plan", "--inventory", &file]);
    let questions = std::mem::take(&mut *asked.lock().expect("questions"));
    let aws = |line: &&String| line.starts_with("CONNECT ec2.eu-central-1.amazonaws.com:443");
    assert!(
        questions.iter().any(|line| aws(&line)),
        "{questions:?}: {said}"
    );
    assert!(questions.iter().all(|line| aws(&line)), "{questions:?}");

    // Where only the proxy leads out, nobody knows from where SSH comes.
    let file = desk.write("inventory.yaml", &inventory("http://127.0.0.1:1/"));
    let said = desk.fails(&["plan", "--inventory", &file]);
    says(
        &said,
        &[
            "was not asked, for SSH does not go through it",
            "set `ssh_from`",
        ],
    );
    assert!(asked.lock().expect("questions").is_empty());
}
