//! Downloads from a place that cannot be trusted, served from loopback.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};

use crate::deployer_command::{Deployer, subtest};
use crate::support::may_run;

/// Serves the same bytes under every path, as long as the test runs. Gives its port.
fn serve_garbage() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _read = stream.read(&mut request);
            let _written = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\ngarbage",
            );
        }
    });
    port
}

#[test]
fn a_mirror_with_wrong_checksums_is_refused() {
    if !may_run("a_mirror_with_wrong_checksums_is_refused") {
        return;
    }
    let inventory = format!(
        "\
nodes: {{ vm1: {{ roles: [zookeeper, kafka] }} }}
kafka: {{ replication: 1, mirror: \"http://127.0.0.1:{}\" }}
",
        serve_garbage()
    );
    let cache = tempfile::tempdir().expect("a directory");
    let deployer = Deployer::new(&inventory).with(
        "XDG_CACHE_HOME",
        cache.path().to_str().expect("a plain path"),
    );
    subtest(
        "a wrong checksum is refused before anything is installed",
        || {
            deployer
                .run(&["up"])
                .code(1)
                .says(&["SHA-512", "127.0.0.1"])
                .never_says(&["unpack", "write /etc"]);
            let installed = deployer
                .place()
                .join("machines/vm1/disk/upper/opt/deployer");
            assert!(!installed.exists(), "{} is there", installed.display());
            let cached = std::fs::read_dir(cache.path().join("deployer")).map_or(0, |entries| {
                let names = entries.flatten().map(|entry| entry.file_name());
                names
                    .filter(|name| name.to_string_lossy().contains(".t"))
                    .count()
            });
            assert_eq!(cached, 0, "garbage was kept");
        },
    );
    deployer.teardown();
}
