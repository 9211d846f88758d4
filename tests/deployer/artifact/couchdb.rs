use std::path::{Path, PathBuf};

use deployer::artifact::ArtifactError;
use deployer::artifact::cache::Cache;
use deployer::artifact::folder::{self, Read};
use deployer::artifact::npm;
use deployer::artifact::program::Program;
use deployer::artifact::repository::repository_answers;
use deployer::component::artifact::Folder;
use deployer::component::couchdb::stand_in::{PACKAGE, PROGRAM};
use deployer::component::couchdb::{Couchdb, CouchdbSection, Distribution, ENGINE, NAME, archive};
use deployer::component::distributions::{ChoiceError, Distributions as _};
use deployer::layout;
use deployer::step::sha256;
use deployer::topology::{Ids, Options, Topology};
use tempfile::tempdir;

use super::support::{fetcher, listed, quiet, runs, tar_gz, words, write};
use crate::loopback::{Answer, Server, nobody};

fn decide(
    distribution: Distribution,
    on_this_box: bool,
    chosen: Option<&str>,
    has_packages: bool,
) -> Result<&'static str, ChoiceError> {
    let text = "name: x\nnodes: { vm1: { roles: [couchdb] } }\n";
    let inventory = layout::parse(text.as_bytes(), "x.yaml").expect("an inventory");
    let topology = Topology::new(&inventory, &Options::default(), &Ids::default());
    let mut topology = topology.expect("a topology").0;
    topology.sections.get_mut::<CouchdbSection>().distribution = distribution;
    let asked = Couchdb.asked(&topology).is_some();
    assert_eq!(asked, distribution == Distribution::Auto);
    let choice = Couchdb.choose(&topology, on_this_box, chosen, has_packages)?;
    // The stand-in is said to take Apache's place where nobody asked for it.
    let unasked = asked && chosen.is_none() && choice.name == "pouchdb";
    assert_eq!(choice.instead.is_some(), unasked);
    Ok(choice.name)
}

#[test]
fn auto_takes_apache_if_it_answers_and_the_stand_in_on_local_only() {
    for (on_this_box, has_packages, wanted) in [
        (true, true, Some("apache")),
        (true, false, Some("pouchdb")),
        (false, true, Some("apache")),
        (false, false, None),
    ] {
        match (
            decide(Distribution::Auto, on_this_box, None, has_packages),
            wanted,
        ) {
            (Ok(choice), Some(wanted)) => assert_eq!(choice, wanted),
            (Err(error @ ChoiceError::NoPackages(_)), None) => {
                assert!(error.to_string().contains("archive: FILE"), "{error}");
            }
            (choice, wanted) => panic!("{choice:?} instead of {wanted:?}"),
        }
    }
}

#[test]
fn what_is_written_or_recorded_is_taken() {
    for (distribution, wanted) in [
        (Distribution::Apache, "apache"),
        (Distribution::Archive, "archive"),
        (Distribution::Pouchdb, "pouchdb"),
    ] {
        assert_eq!(decide(distribution, true, None, false), Ok(wanted));
        for has_packages in [true, false] {
            let choice = decide(Distribution::Auto, true, Some(wanted), has_packages);
            assert_eq!(choice, Ok(wanted));
        }
    }
    let error = decide(Distribution::Auto, false, Some("pouchdb"), true).unwrap_err();
    assert!(matches!(error, ChoiceError::InTheClear { .. }), "{error}");
    let error = decide(Distribution::Apache, true, Some("pouchdb"), true).unwrap_err();
    assert!(matches!(error, ChoiceError::Flipped { .. }), "{error}");
    let error = decide(Distribution::Auto, true, Some("mysql"), true).unwrap_err();
    assert!(matches!(error, ChoiceError::Unknown { .. }), "{error}");
}

/// The head of a signed Release, as `InRelease` has it.
fn release(suite: &str, architectures: &str) -> Answer {
    let text = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: Artifactory\nSuite: {suite}\nCodename: {suite}\n\
         Architectures: {architectures}\nComponents: main\n"
    );
    Answer::Body(text.into_bytes())
}

#[tokio::test]
async fn only_a_signed_release_of_the_nodes_own_suite_is_an_answer() {
    let html = Answer::Body(b"<!doctype html><title>Reactivate your server</title>".to_vec());
    let unsigned = Answer::Body(b"Origin: Artifactory\nSuite: bookworm\n".to_vec());
    let server = Server::start([
        (
            "/good/dists/bookworm/InRelease",
            release("bookworm", "amd64 arm64"),
        ),
        ("/good/dists/noble/InRelease", release("noble", "amd64")),
        ("/html/dists/bookworm/InRelease", html),
        ("/unsigned/dists/bookworm/InRelease", unsigned),
        ("/wrong/dists/bookworm/InRelease", release("jammy", "amd64")),
        ("/cut/dists/bookworm/InRelease", Answer::Body(Vec::new())),
        // As Artifactory answered in its outages: to another place, where all is well.
        (
            "/moved/dists/bookworm/InRelease",
            Answer::Moved("/html/dists/bookworm/InRelease"),
        ),
    ])
    .await;
    let silent = nobody().await;
    for (place, suite, architecture, why) in [
        ("good", "bookworm", "amd64", ""),
        ("good/", "bookworm", "arm64", ""),
        ("good", "noble", "amd64", ""),
        ("good", "noble", "arm64", "without packages for arm64"),
        (
            "good",
            "focal",
            "amd64",
            "/good/dists/focal/InRelease answered 404",
        ),
        ("html", "bookworm", "amd64", "no signed Release"),
        ("moved", "bookworm", "amd64", "no signed Release"),
        ("unsigned", "bookworm", "amd64", "no signed Release"),
        ("cut", "bookworm", "amd64", "no signed Release"),
        (
            "wrong",
            "bookworm",
            "amd64",
            "the Release of jammy, not of bookworm",
        ),
    ] {
        let repository = format!("{}/{place}", server.base);
        let answered = repository_answers(&repository, suite, architecture).await;
        let said = answered
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(
            said.contains(why) && said.is_empty() == why.is_empty(),
            "{place} {suite}: {said}"
        );
    }
    repository_answers(&silent, "bookworm", "amd64")
        .await
        .unwrap_err();
}

fn file(directory: &Path, bytes: &[u8]) -> PathBuf {
    let path = directory.join("couchdb.tar.gz");
    std::fs::write(&path, bytes).unwrap();
    path
}

async fn read(file: PathBuf) -> Result<Read, ArtifactError> {
    let folder = Folder {
        name: NAME,
        file: file.display().to_string(),
        key: "couchdb.archive",
        wanted: "a CouchDB release folder as tar.gz",
        look: archive::look,
    };
    let cache = Cache::new(Path::new(&folder.file).with_file_name("cache"));
    folder::read(folder, &cache).await
}

#[tokio::test]
async fn an_archive_is_known_by_its_checksum() {
    let directory = tempdir().unwrap();
    for top in ["couchdb", "./couchdb"] {
        let bytes = tar_gz(&[
            (&format!("{top}/bin/couchdb"), "#!/bin/sh"),
            (&format!("{top}/etc/default.ini"), "[couchdb]"),
        ]);
        let artifact = read(file(directory.path(), &bytes)).await.unwrap();
        assert_eq!(
            artifact.artifact.identity,
            format!("couchdb archive sha256:{}", sha256(&bytes))
        );
    }
}

#[test]
fn the_engine_that_needs_no_library_is_chosen_where_an_archive_has_it() {
    let look = |paths: &[&str]| archive::look(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
    let without = ["bin/couchdb", "lib/couch-3.5.0/ebin/couch.app"];
    assert_eq!(look(&without), Ok([(ENGINE, None)].into()));
    let with = ["bin/couchdb", "lib/couch_quickjs-3.5.0/priv/couchjs_mainjs"];
    assert_eq!(look(&with), Ok([(ENGINE, Some("quickjs"))].into()));
}

#[tokio::test]
async fn an_archive_that_is_no_release_folder_is_refused_with_the_reason() {
    let good = tar_gz(&[
        ("couchdb/bin/couchdb", "#!/bin/sh"),
        ("couchdb/LICENSE", "Apache"),
    ]);
    let program = ("couchdb/bin/couchdb", "x");
    let directory = tempdir().unwrap();
    for (bytes, why) in [
        (&good[..good.len() - 4], "it cannot be read"),
        (&good[..good.len() / 2], "it cannot be read"),
        (&b"not an archive at all"[..], "it cannot be read"),
        (&b""[..], "it cannot be read"),
        (&tar_gz(&[("couchdb/bin/other", "x")]), "no bin/couchdb"),
        (&tar_gz(&[("bin/couchdb", "x")]), "no bin/couchdb"),
        (
            &tar_gz(&[program, ("other/file", "x")]),
            "more than one top folder",
        ),
        (
            &tar_gz(&[program, ("couchdb/lib/couch-3.3.3/ebin/couch.app", "x")]),
            "it is CouchDB 3.3.3",
        ),
        (
            &tar_gz(&[program, ("couchdb/../../etc/passwd", "x")]),
            "leads out of it",
        ),
        (&tar_gz(&[program, ("/etc/passwd", "x")]), "leads out of it"),
    ] {
        let error = read(file(directory.path(), bytes)).await.unwrap_err();
        let text = words(&error);
        assert!(matches!(error, ArtifactError::NotUsable { .. }), "{text}");
        assert!(
            text.contains(why) && text.contains("couchdb.tar.gz"),
            "{text}"
        );
    }
    let error = read(directory.path().join("absent")).await.unwrap_err();
    assert!(matches!(error, ArtifactError::File { .. }), "{error}");
}

#[tokio::test]
async fn the_stand_in_is_fetched_once_and_slimmed() {
    let directory = tempdir().unwrap();
    let gives = directory.path().join("gives/node_modules");
    let kept = [
        "leveldown/LICENSE.md",
        "leveldown/leveldown.js",
        "leveldown/prebuilds/linux-arm64/node.napi.armv8.node",
        "leveldown/prebuilds/linux-x64/node.napi.glibc.node",
        "pouchdb-server/bin/pouchdb-server",
        "@scope/package/lib/test/needed.js",
    ];
    let dropped = [
        ".bin/pouchdb-server",
        ".package-lock.json",
        "leveldown/README.md",
        "leveldown/deps/leveldb.cc",
        "leveldown/prebuilds/win32-x64/node.napi.node",
        "leveldown/test/all.js",
        "@scope/package/test/all.js",
        "sqlite3/deps/sqlite.tar.gz",
    ];
    for path in kept.iter().chain(&dropped) {
        write(&gives.join(path), "text");
    }
    let program = fetcher(directory.path());
    let cache = Cache::new(directory.path().join("cache"));
    let first = npm::fetch(&cache, &program, &PACKAGE, &quiet)
        .await
        .unwrap();
    let second = npm::fetch(&cache, &program, &PACKAGE, &quiet)
        .await
        .unwrap();
    assert_eq!((&first, runs(directory.path())), (&second, 1));
    let mut files: Vec<String> = listed(&first)
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(path, _)| path.trim_start_matches("node_modules/").to_owned())
        .collect();
    files.sort();
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    assert_eq!(files, kept);

    write(&directory.path().join("fails"), "npm error code E404");
    let other = Cache::new(directory.path().join("other"));
    let error = npm::fetch(&other, &program, &PACKAGE, &quiet)
        .await
        .unwrap_err();
    assert!(words(&error).contains("npm error code E404"), "{error}");
}

#[test]
fn the_lock_pins_every_package_and_names_no_registry() {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/component/couchdb/data/stand-in/"
    );
    let lock = std::fs::read_to_string(format!("{directory}package-lock.json")).unwrap();
    assert!(!lock.contains("://") && !lock.contains("resolved"));
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let packages = lock["packages"].as_object().unwrap();
    assert!(packages.len() > 300);
    for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
        let integrity = package["integrity"].as_str().unwrap_or_default();
        assert!(
            integrity.starts_with("sha512-") || integrity.starts_with("sha1-"),
            "{name}"
        );
    }
    let version = packages["node_modules/pouchdb-server"]["version"]
        .as_str()
        .unwrap();
    assert_eq!(version, PACKAGE.version);
    let identity = npm::artifact(&PACKAGE).identity;
    assert!(identity.starts_with(&format!("pouchdb-server {version} npm lock-sha256:")));
}

#[tokio::test]
#[ignore = "asks an npm registry; the tests on machines do, too"]
async fn npm_brings_the_stand_in() {
    let directory = tempdir().unwrap();
    let cache = Cache::new(directory.path());
    let tar = npm::fetch(&cache, &Program::npm(), &PACKAGE, &quiet)
        .await
        .unwrap();
    let mut archive = tar::Archive::new(std::fs::File::open(tar).unwrap());
    let mut entries = archive.entries().unwrap();
    assert!(entries.any(|entry| entry.unwrap().path().unwrap() == Path::new(PROGRAM)));
}
