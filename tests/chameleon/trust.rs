//! Whom the credentials are shown to.

use deployer::cloud::Cloud as _;
use deployer::cloud::chameleon::Chameleon;
use deployer::cloud::chameleon::credentials::find;
use deployer::secret::Secret;

use super::bench::Deployment;
use super::faults::{nothing_is_left, says};
use super::openstack::{OpenStack, pace, settings};
use super::proxy::Proxy;
use super::tls;

#[tokio::test]
async fn a_site_whose_certificate_only_its_users_know() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let certificate = tls::certificate();
    let proxy = Proxy::speaking(Some(tls::acceptor(&certificate))).await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("site.pem");
    std::fs::write(&path, &certificate.0).expect("a file");
    let cloud = |trusted: bool| {
        let mut places = openstack.places("alice");
        let path = Secret::new(path.display().to_string());
        if trusted {
            places.variables.insert("OS_CACERT".into(), path);
        }
        let mut login = find(&places, &settings()).expect("credentials");
        login.auth_url = proxy.before(&login.auth_url);
        Chameleon::new(login, settings(), pace()).expect("a client")
    };
    let error = cloud(false).deployments().await.expect_err("a stranger");
    says(&error, &["certificate", "`cacert`", "OS_CACERT"]);
    // Every service is asked by way of it.
    let demo = Deployment::new("c00000000006", &["vm1"]);
    demo.up(&cloud(true)).await.expect("up");
    nothing_is_left(&demo, &cloud(true)).await;
    let calls = proxy.take_calls();
    for service in [
        "/auth/tokens",
        "/leases",
        "/servers",
        "/security-groups",
        "/images",
        "/flavors",
    ] {
        assert!(calls.iter().any(|call| call.contains(service)), "{calls:?}");
    }
}
