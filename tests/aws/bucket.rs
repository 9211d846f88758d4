//! Buckets that producers will read, looked at before anything is made: by the keys that the inventory names, or as a stranger where
//! a role will read them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::census::{census, client};
use super::desk::{Desk, says};
use super::iam::Iam;
use super::moto::Moto;

const REGION: &str = "eu-south-2";

/// Bucket → what a store says of it: status, headers, and text.
const ANSWERS: [(&str, u16, &str, &str); 5] = [
    ("gone", 404, "", "<Code>NoSuchBucket</Code>"),
    ("theirs", 403, "", "<Code>AccessDenied</Code>"),
    ("stale", 403, "", "<Code>InvalidAccessKeyId</Code>"),
    (
        "elsewhere",
        301,
        "x-amz-bucket-region: eu-north-1\r\n",
        "<Code>PermanentRedirect</Code>",
    ),
    ("breaks", 500, "", "<Code>InternalError</Code>"),
];

/// A store on loopback, until this process ends; its address.
fn store() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a caller");
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            lines.find(String::is_empty);
            let answer = ANSWERS
                .iter()
                .find(|(bucket, ..)| first.contains(&format!("/my-{bucket}/?")));
            let (_, status, head, text) = answer.expect("a bucket that is known");
            let length = text.len();
            let answer = format!(
                "HTTP/1.1 {status} x\r\n{head}content-length: {length}\r\nconnection: close\r\n\r\n{text}"
            );
            stream.write_all(answer.as_bytes()).expect("answered");
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_read_is_refused_with_its_line_before_anything_is_made() {
    let Some(moto) = Moto::shared() else {
        return;
    };
    Iam::new(moto.port).profile("reader-d").await;
    let ec2 = client(&moto.url(), REGION);
    let there = census(&ec2).await;
    let store = store();
    let desk = Desk::new();
    let keys = desk.write(
        "keys",
        "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = geheim\n",
    );
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&keys, mode).expect("mode");
    let plan = |bucket: &str, code: i32, opened_by: &str| {
        let inventory = format!(
            "\
name: bucket
cloud: aws
nodes:
  vm1:
    roles: [zookeeper, kafka, producer]
    producer:
      source: bucket
      count: 0
      topic: logs
      bucket:
        name: my-{bucket}
        endpoint: {store}
        region: {REGION}
        {opened_by}
kafka: {{ replication: 1 }}
clouds:
  aws: {{ region: {REGION}, endpoint_url: '{}', ssh_from: [192.0.2.1] }}
",
            moto.url()
        );
        let file = desk.write("bucket.yaml", &inventory);
        let said = desk.run(code, &["plan", "--inventory", &file]);
        for secret in ["geheim", "X-Amz-Signature"] {
            assert!(!said.contains(secret), "{said}");
        }
        said
    };
    let by_keys = format!("credentials_file: {keys}");
    let by_role = "instance_profile: reader-d";
    for (bucket, opened_by, line, words) in [
        (
            "gone",
            &*by_keys,
            11,
            "bucket.name: there is no bucket my-gone",
        ),
        (
            "gone",
            by_role,
            11,
            "bucket.name: there is no bucket my-gone",
        ),
        (
            "theirs",
            &by_keys,
            11,
            "bucket.name: the store does not let these keys in: either the bucket my-theirs is somebody else's",
        ),
        (
            "stale",
            &by_keys,
            14,
            "bucket.credentials_file: the store does not take these keys (InvalidAccessKeyId)",
        ),
        (
            "elsewhere",
            &by_keys,
            13,
            "bucket.region: the bucket my-elsewhere is in eu-north-1; write `region: eu-north-1`",
        ),
        (
            "elsewhere",
            by_role,
            13,
            "bucket.region: the bucket my-elsewhere is in eu-north-1; write `region: eu-north-1`",
        ),
    ] {
        let said = plan(bucket, 64, opened_by);
        says(&said, &[&format!("bucket.yaml:{line}:"), words]);
    }
    // What is not known is no reason to refuse (2: there is something to do); whom a role lets in, only its machine can tell.
    let said = plan("breaks", 2, &by_keys);
    says(
        &said,
        &["vm1: whether the bucket my-breaks can be read is not known: 500 InternalError"],
    );
    let said = plan("theirs", 2, by_role);
    says(&said, &["and the instance profile reader-d (RunInstances)"]);
    assert_eq!(census(&ec2).await, there);
}
