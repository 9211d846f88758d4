//! A site with canned answers: what no small site has of itself, such as lists of several pages, and answers that lead elsewhere.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use deployer::cloud::chameleon::Settings;
use deployer::cloud::chameleon::catalog;
use deployer::cloud::chameleon::credentials::find;
use deployer::cloud::chameleon::images::image;
use deployer::cloud::chameleon::places::Places;
use deployer::cloud::chameleon::session::Session;
use deployer::secret::Secret;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A site on loopback, and the heads of all that it was asked.
struct Site {
    own: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// `answers`: path with its question → status and body, which is an address where the answer leads elsewhere.
    async fn start(answers: impl Fn(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("address").port();
        let own = format!("http://127.0.0.1:{port}");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (url, heads) = (own.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; 16384];
                let read = stream.read(&mut bytes).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&bytes[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                heads.lock().expect("heads").push(head);
                let (status, body) = if path.ends_with("/auth/tokens") {
                    (201, token(&url))
                } else {
                    answers(&path)
                };
                let more = if (300..400).contains(&status) {
                    format!("location: {body}\r\n")
                } else {
                    String::new()
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} -\r\nx-subject-token: secret\r\nconnection: close\r\n{more}content-length: {length}\r\n\r\n{body}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { own, asked }
    }

    fn session(&self) -> Session {
        let variables = [
            ("OS_AUTH_URL", self.own.as_str()),
            ("OS_APPLICATION_CREDENTIAL_ID", "i"),
            ("OS_APPLICATION_CREDENTIAL_SECRET", "s"),
        ];
        let places = Places {
            variables: variables
                .map(|(name, value)| (name.to_owned(), Secret::new(value)))
                .into(),
            ..Places::default()
        };
        let login = find(&places, &Settings::default()).expect("credentials");
        Session::new(login, Duration::from_millis(1)).expect("a session")
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("heads"))
    }
}

fn token(own: &str) -> String {
    let service = |kind: &str| {
        let endpoint =
            json!({"interface": "public", "url": format!("{own}/{kind}"), "region_id": "one"});
        json!({"type": kind, "endpoints": [endpoint]})
    };
    let catalog = ["compute", "network", "image"].map(service);
    json!({"token": {"project": {"id": "p", "name": "class"}, "catalog": catalog}}).to_string()
}

const OFFICIAL: &str = "https://github.com/ChameleonCloud/cc-images";

/// Glance gives 25 of a list unless asked for more; Nova 1000, and each reservation of everybody is a flavor.
fn pages(path: &str) -> (u16, String) {
    let images = |all: serde_json::Value, next: bool| {
        let mut answer = json!({"images": all});
        if next {
            answer["next"] = json!("/v2/images?marker=x");
        }
        (200, answer.to_string())
    };
    let own = |id: &str, created: &str| {
        json!({"id": id, "name": "CC-Ubuntu24.04", "owner": "chameleon", "build-repo": OFFICIAL,
            "created_at": created, "min_disk": 10})
    };
    let other =
        json!({"id": "x", "name": "CC-Ubuntu24.04", "owner": "somebody", "created_at": "2026-09"});
    match path {
        "/image/v2/images?status=active&name=CC-Ubuntu24.04" => images(json!([other]), true),
        "/image/v2/images?status=active&name=CC-Ubuntu24.04&marker=x" => {
            images(json!([own("old", "2026-01"), own("a", "2026-02")]), true)
        }
        "/image/v2/images?status=active&name=CC-Ubuntu24.04&marker=a" => {
            images(json!([own("new", "2026-03")]), false)
        }
        "/image/v2/images/11111111-2222-3333-4444-555555555555" => {
            (200, json!({"id": "by id", "owner": "me"}).to_string())
        }
        "/image/v2/images?status=active&name=my%20image%26more"
        | "/image/v2/images?status=active" => images(json!([]), false),
        "/compute/flavors/detail" => {
            let next = json!([{"rel": "next", "href": "http://else/flavors?marker=1"}]);
            let flavor =
                json!({"id": "1", "name": "reservation:1", "vcpus": 1, "ram": 1, "disk": 1});
            (
                200,
                json!({"flavors": [flavor], "flavors_links": next}).to_string(),
            )
        }
        "/compute/flavors/detail?marker=1" => {
            let flavor =
                json!({"id": "2", "name": "m1.small", "vcpus": 1, "ram": 2048, "disk": 20});
            (200, json!({"flavors": [flavor]}).to_string())
        }
        _ => (404, json!({"error": {"message": path}}).to_string()),
    }
}

#[tokio::test]
async fn lists_are_read_to_their_last_page() {
    let site = Site::start(pages).await;
    let session = site.session();
    let found = image(&session, "CC-Ubuntu24.04").await.expect("an image");
    assert_eq!((found.id.as_str(), found.needs.disk_gib), ("new", 10));
    assert!(found.words().contains("Chameleon's own"), "{found:?}");
    let uuid = "11111111-2222-3333-4444-555555555555";
    assert_eq!(image(&session, uuid).await.expect("by id").id, "by id");
    let error = image(&session, "my image&more").await.expect_err("none");
    assert!(
        error.to_string().contains("this project sees none"),
        "{error}"
    );
    let flavors = catalog::flavors(&session).await.expect("flavors");
    let names: Vec<&str> = flavors.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["m1.small"]);
}

#[tokio::test]
async fn the_token_goes_nowhere_else() {
    let elsewhere = Site::start(|_| (200, json!({"images": []}).to_string())).await;
    let place = format!("{}/v2/images", elsewhere.own);
    let site = Site::start(move |_| (302, place.clone())).await;
    let error = image(&site.session(), "x")
        .await
        .expect_err("sent elsewhere");
    let said = error.to_string();
    assert!(said.contains("the credentials are not shown"), "{said}");
    let heads = site.asked();
    assert!(
        heads
            .iter()
            .any(|head| head.contains("x-auth-token: secret")),
        "{heads:?}"
    );
    assert_eq!(elsewhere.asked(), Vec::<String>::new());
}
