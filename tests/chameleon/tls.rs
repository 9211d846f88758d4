//! A certificate of our own for a service on loopback.

use tokio_native_tls::TlsAcceptor;
use tokio_native_tls::native_tls;

use super::watcher::command;

/// A certificate for 127.0.0.1 that nobody vouches for, and its key: both in PEM.
pub(crate) fn certificate() -> (String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (key, pem) = (path("key"), path("pem"));
    #[rustfmt::skip]
    let words = [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=site", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", &key, "-out", &pem,
    ];
    let made = command("openssl", &words).output().expect("openssl");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    let read = |path: &str| std::fs::read_to_string(path).expect("what openssl made");
    (read(&pem), read(&key))
}

/// What answers with it.
pub(crate) fn acceptor((certificate, key): &(String, String)) -> TlsAcceptor {
    let identity = native_tls::Identity::from_pkcs8(certificate.as_bytes(), key.as_bytes());
    let acceptor = native_tls::TlsAcceptor::new(identity.expect("an identity"));
    acceptor.expect("an acceptor").into()
}
