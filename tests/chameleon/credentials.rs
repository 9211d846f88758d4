//! Credentials as users have them. Nobody is asked.

use std::path::Path;

use deployer::cloud::chameleon::Settings;
use deployer::cloud::chameleon::credentials::{Login, find};
use deployer::cloud::chameleon::places::Places;
use deployer::secret::Secret;
use deployer::topology::Site;

use super::tls;

const CLOUDS: &str = "\
clouds:
  one:
    auth_type: v3applicationcredential
    auth: { auth_url: 'https://a:5000', application_credential_id: i, application_credential_secret: s }
    region_name: regionOne
  two:
    auth: { auth_url: 'https://a:5000/v3', username: me, password: p, project_name: x, user_domain_name: Default, project_domain_id: d }
  three:
    auth: { auth_url: 'https://a:5000/v3', username: me, project_name: x }
";

fn places(directory: &Path, variables: &[(&str, &str)]) -> Places {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
    Places {
        directories: vec![directory.to_owned()],
        variables: variables.collect(),
        home: directory.to_owned(),
    }
}

fn login(places: &Places, settings: &Settings) -> Result<Login, String> {
    find(places, settings).map_err(|error| error.to_string())
}

#[test]
fn a_file_is_found_and_mended() {
    let home = tempfile::tempdir().expect("a directory");
    let with =
        |variables: &[(&str, &str)]| login(&places(home.path(), variables), &Settings::default());
    let nothing = with(&[]).expect_err("no file");
    for words in [
        "clouds.yaml",
        "Application Credentials",
        "`Unrestricted` checked",
    ] {
        assert!(nothing.contains(words), "{nothing}");
    }
    std::fs::write(home.path().join("clouds.yaml"), CLOUDS).expect("a file");
    let several = with(&[]).expect_err("several");
    for words in ["several clouds", "one", "three", "two"] {
        assert!(several.contains(words), "{several}");
    }
    let unknown = with(&[("OS_CLOUD", "four")]).expect_err("unknown");
    assert!(unknown.contains("there is no cloud `four`"), "{unknown}");
    let incomplete = with(&[("OS_CLOUD", "three")]).expect_err("no password");
    assert!(incomplete.contains("has no `password`"), "{incomplete}");

    let one = with(&[("OS_CLOUD", "one")]).expect("one");
    assert_eq!(one.auth_url, "https://a:5000/v3");
    assert_eq!(one.region.as_deref(), Some("regionOne"));
    assert!(one.application_credential);
    let request = |login: &Login| -> serde_json::Value {
        serde_json::from_str(login.request.expose()).expect("JSON")
    };
    assert_eq!(
        request(&one),
        serde_json::json!({"auth": {"identity": {"methods": ["application_credential"],
            "application_credential": {"id": "i", "secret": "s"}}}})
    );
    let two = with(&[("OS_CLOUD", "two")]).expect("two");
    assert_eq!(
        request(&two),
        serde_json::json!({"auth": {
            "identity": {"methods": ["password"], "password": {
                "user": {"name": "me", "domain": {"name": "Default"}, "password": "p"}}},
            "scope": {"project": {"name": "x", "domain": {"id": "d"}}}}})
    );
    assert!(format!("{two:?}").contains("request: <secret>"), "{two:?}");
}

#[test]
fn variables_and_the_site_will_do_without_a_file() {
    let home = tempfile::tempdir().expect("a directory");
    let variables = [
        ("OS_APPLICATION_CREDENTIAL_ID", "i"),
        ("OS_APPLICATION_CREDENTIAL_SECRET", "s"),
    ];
    let here = places(home.path(), &variables);
    let usual = login(&here, &Settings::default()).expect("a login");
    assert_eq!(usual.auth_url, Site::KvmTacc.auth_url());
    assert_eq!(usual.region, None);
    let settings = Settings {
        site: Some(Site::ChiUc),
        ..Settings::default()
    };
    let other = login(&here, &settings).expect("a login");
    assert_eq!(other.auth_url, Site::ChiUc.auth_url());
    assert_eq!(other.region.as_deref(), Some("CHI@UC"));
    let token = places(home.path(), &[("OS_TOKEN", "t"), ("OS_PROJECT_ID", "p")]);
    let token = login(&token, &Settings::default()).expect("a login");
    let request: serde_json::Value = serde_json::from_str(token.request.expose()).expect("JSON");
    assert_eq!(
        request,
        serde_json::json!({"auth": {"identity": {"methods": ["token"], "token": {"id": "t"}},
            "scope": {"project": {"id": "p"}}}})
    );
}

/// What Chameleon's own tools write (`cc-login`, the CLI password's RC file) is for another service that vouches for the user: nobody
/// is asked with it, and what to do instead is said.
#[test]
fn a_kind_of_authentication_that_is_not_known_is_named() {
    let home = tempfile::tempdir().expect("a directory");
    for (kind, known) in [
        ("v3oidcpassword", false),
        ("v3oidcaccesstoken", false),
        ("v3oidcdeviceauthz", false),
        ("v3oidcauthcode", false),
        ("v3oidcclientcredentials", false),
        ("v3samlpassword", false),
        ("v3adfspassword", false),
        ("v3kerberos", false),
        ("v3totp", false),
        ("v3multifactor", false),
        ("v3oauth1", false),
        ("v2password", false),
        ("http_basic", false),
        ("none", false),
        ("password", true),
        ("v3password", true),
    ] {
        let variables = [
            ("OS_AUTH_TYPE", kind),
            ("OS_USERNAME", "u"),
            ("OS_PASSWORD", "p"),
            ("OS_PROTOCOL", "openid"),
            ("OS_IDENTITY_PROVIDER", "chameleon"),
        ];
        let entry = format!(
            "clouds: {{ one: {{ auth_type: {kind}, auth: {{ auth_url: 'https://a', username: u, password: p }} }} }}"
        );
        std::fs::write(home.path().join("clouds.yaml"), entry).expect("a file");
        for variables in [&variables[..], &[]] {
            let found = login(&places(home.path(), variables), &Settings::default());
            assert_eq!(found.is_ok(), known, "{kind}: {found:?}");
            let said = found.err().unwrap_or_default();
            for words in [kind, "Application Credentials", "`Unrestricted` checked"] {
                assert!(known || said.contains(words), "{kind}: {said}");
            }
            assert_eq!(
                said.contains("vouches for you"),
                kind.starts_with("v3oidc")
                    || kind.starts_with("v3saml")
                    || kind.starts_with("v3adfs")
                    || kind.starts_with("v3kerb"),
                "{said}"
            );
        }
    }
}

#[test]
fn certificates_are_read_before_anything_is_asked() {
    let home = tempfile::tempdir().expect("a directory");
    let pem = tls::certificate().0;
    std::fs::write(home.path().join("site.pem"), &pem).expect("a file");
    std::fs::write(home.path().join("none.pem"), "not one").expect("a file");
    let with = |more: &str, variables: &[(&str, &str)]| {
        let entry = CLOUDS.split("  two:").next().expect("the first");
        std::fs::write(home.path().join("clouds.yaml"), format!("{entry}{more}")).expect("a file");
        login(&places(home.path(), variables), &Settings::default())
    };
    assert!(with("", &[]).expect("a login").trusted.is_none());
    let path = home.path().join("site.pem").display().to_string();
    for login in [
        with("    cacert: ~/site.pem\n", &[]),
        with(&format!("    cacert: {path}\n"), &[]),
        with("", &[("OS_CACERT", &path)]),
        // What is said for this run goes before what is written down.
        with("    cacert: /nowhere\n", &[("OS_CACERT", &path)]),
        with(
            "",
            &[
                ("OS_CACERT", "~/site.pem"),
                ("OS_APPLICATION_CREDENTIAL_ID", "i"),
                ("OS_APPLICATION_CREDENTIAL_SECRET", "s"),
            ],
        ),
    ] {
        let trusted = login.expect("a login").trusted.expect("certificates");
        assert_eq!(trusted.path.display().to_string(), path);
        assert_eq!(trusted.certificates.len(), 1);
    }
    for (more, variables, said) in [
        ("    cacert: ~/nowhere.pem\n", &[][..], "`cacert` of `one`"),
        (
            "    cacert: ~/none.pem\n",
            &[],
            "no certificate that can be read",
        ),
        ("", &[("OS_CACERT", "/nowhere")], "`OS_CACERT` of `one`"),
        ("    verify: false\n", &[], "`verify: false` would show"),
        ("    insecure: true\n", &[], "`insecure: true` would show"),
        ("", &[("OS_INSECURE", "True")], "OS_INSECURE would show"),
    ] {
        let error = with(more, variables).expect_err(said);
        assert!(error.contains(said), "{error}");
        assert!(!error.contains("secret: s"), "{error}");
    }
}
