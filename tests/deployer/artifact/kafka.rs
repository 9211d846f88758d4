use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use deployer::artifact::ArtifactError;
use deployer::artifact::cache::Cache;
use deployer::artifact::download::Deadlines;
use deployer::artifact::jars::{Source, Sources, fetch, likely};
use deployer::artifact::maven;
use deployer::component::artifact::{Jars, Tarball};
use deployer::component::kafka::KafkaSection;
use deployer::component::kafka::jars::jars;
use sha2::{Digest, Sha512};
use tempfile::{TempDir, tempdir};

use super::support::{fetcher, listed, quiet, runs, tar_gz, words, write};
use crate::loopback::{Answer, Server, nobody};

const PATH: &str = "/kafka/0.0.1/kafka_2.13-0.0.1.tgz";

fn sha512(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha512::digest(bytes))
}

fn tarball() -> Vec<u8> {
    tar_gz(&[
        ("kafka_2.13-0.0.1/bin/kafka-server-start.sh", "no"),
        ("kafka_2.13-0.0.1/libs/zookeeper-3.jar", "zookeeper"),
        ("kafka_2.13-0.0.1/libs/kafka_2.13-0.0.1.jar", "kafka"),
        ("kafka_2.13-0.0.1/libs/connect-runtime-0.0.1.jar", "no"),
        ("kafka_2.13-0.0.1/libs/rocksdbjni-7.jar", "no"),
        ("kafka_2.13-0.0.1/libs/notes.txt", "no"),
        ("kafka_2.13-0.0.1/site-docs/libs/deep.jar", "no"),
    ])
}

/// The jars that a deployment gets.
fn pinned() -> Jars {
    jars(&KafkaSection::default())
}

/// A box with a cache, and a Maven client that gives one jar.
struct Bench {
    directory: TempDir,
    cache: Cache,
    sources: Sources,
}

impl Bench {
    fn new(mirror: Option<&str>, apache: &[&str]) -> Self {
        let directory = tempdir().unwrap();
        write(&directory.path().join("gives/libs/kafka.jar"), "by maven");
        let sources = Sources {
            jars: Jars {
                version: "0.0.1".into(),
                tarball: pinned().tarball.map(|pinned| Tarball {
                    name: "kafka_2.13-0.0.1".into(),
                    sha512: sha512(tarball()).to_uppercase(),
                    mirror: mirror.map(String::from),
                    ..pinned
                }),
                maven_list: format!("{}  kafka.jar\n", sha512("by maven")),
                ..pinned()
            },
            apache: apache.iter().copied().map(String::from).collect(),
            maven: fetcher(directory.path()),
            deadlines: Deadlines {
                connect: Duration::from_secs(3),
                stall: Duration::from_millis(300),
                total: Duration::from_secs(20),
            },
        };
        Self {
            cache: Cache::new(directory.path().join("cache")),
            directory,
            sources,
        }
    }

    async fn fetch(&self, recorded: Option<&str>) -> Result<Source, ArtifactError> {
        let (source, path) = fetch(&self.cache, &self.sources, recorded, &quiet).await?;
        let jars = listed(&path);
        let wanted: &[(&str, &str)] = match source {
            Source::Apache => &[
                ("libs", ""),
                ("libs/kafka_2.13-0.0.1.jar", "kafka"),
                ("libs/zookeeper-3.jar", "zookeeper"),
            ],
            Source::Maven => &[("libs", ""), ("libs/kafka.jar", "by maven")],
        };
        let jars: Vec<(&str, &str)> = jars.iter().map(|(path, text)| (&**path, &**text)).collect();
        assert_eq!(jars, wanted);
        Ok(source)
    }

    /// The files of the cache but its locks.
    fn cached(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.cache.directory()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| Path::new(name).extension().is_none_or(|end| end != "lock"))
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn the_mirror_is_asked_first_and_its_jars_are_packed_the_same_each_time() {
    let server = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let mut tars = Vec::new();
    for mirror in [server.base.clone(), format!("{}/", server.base)] {
        let bench = Bench::new(Some(&mirror), &["http://127.0.0.1:1"]);
        assert_eq!(bench.fetch(None).await.unwrap(), Source::Apache);
        let cached = bench.cached();
        assert_eq!(cached.len(), 2, "{cached:?}");
        tars.push(std::fs::read(bench.cache.directory().join(&cached[0])).unwrap());
        assert_eq!(runs(bench.directory.path()), 0);
    }
    assert_eq!(tars[0], tars[1]);
    assert_eq!(server.requests(), [PATH, PATH]);
}

#[tokio::test]
async fn a_mirror_with_another_content_is_an_error_and_leaves_nothing() {
    let wrong = Server::start([(PATH, Answer::Body(b"something else".to_vec()))]).await;
    let good = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let bench = Bench::new(Some(&wrong.base), &[&good.base]);
    let error = bench.fetch(None).await.unwrap_err();
    let text = words(&error);
    assert!(matches!(error, ArtifactError::Mirror { .. }), "{text}");
    assert!(text.contains(&sha512("something else")), "{text}");
    assert!(text.contains(&sha512(tarball())), "{text}");
    assert!(text.contains("sent 14 bytes"), "{text}");
    assert!(good.requests().is_empty());
    assert!(bench.cached().is_empty(), "{:?}", bench.cached());
}

#[tokio::test]
async fn a_source_that_fails_is_named_and_the_next_one_serves() {
    let half = Server::start([(PATH, Answer::Half(tarball()))]).await;
    let stalls = Server::start([(PATH, Answer::Stall(tarball()))]).await;
    let silent = Server::start([(PATH, Answer::Silence)]).await;
    let banned = Server::start([(PATH, Answer::Status("403 Forbidden"))]).await;
    let wrong = Server::start([(PATH, Answer::Body(b"a login page".to_vec()))]).await;
    let refused = nobody().await;
    let good = Server::start([(PATH, Answer::Body(tarball()))]).await;
    for (bad, why) in [
        (&half.base, "broke off after"),
        (&stalls.base, "sent nothing for"),
        (&silent.base, "sent nothing for"),
        (&banned.base, "answered 403 Forbidden"),
        (&wrong.base, "with SHA-512"),
        (&refused, "Connection refused"),
        (
            &"ftp://127.0.0.1".to_owned(),
            "is not an http or https address",
        ),
    ] {
        let bench = Bench::new(None, &[bad, &good.base]);
        let lines = Mutex::new(Vec::new());
        let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
        let (source, _) = fetch(&bench.cache, &bench.sources, None, &progress)
            .await
            .unwrap();
        assert_eq!(source, Source::Apache);
        let told = lines.into_inner().unwrap();
        let failure = told.iter().find(|line| line.starts_with("Apache: "));
        let failure = failure.unwrap_or_else(|| panic!("{bad}: {told:?}"));
        assert!(failure.contains(why), "{failure}");
        assert!(failure.contains(bad.as_str()), "{failure}");
        assert!(told.last().unwrap().contains("(100 %)"), "{told:?}");
        assert_eq!(bench.cached().len(), 2);
    }
    assert_eq!(good.requests().len(), 7);
}

#[tokio::test]
async fn a_mirror_that_does_not_answer_is_passed_over() {
    let good = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let bench = Bench::new(Some(&nobody().await), &[&good.base]);
    assert_eq!(bench.fetch(None).await.unwrap(), Source::Apache);
}

#[tokio::test]
async fn a_version_that_apaches_network_has_no_more_comes_from_the_archive_without_alarm() {
    let network = Server::start([]).await;
    let archive = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let bench = Bench::new(None, &[&network.base, &archive.base]);
    let lines = Mutex::new(Vec::new());
    let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let (source, _) = fetch(&bench.cache, &bench.sources, None, &progress)
        .await
        .unwrap();
    assert_eq!(source, Source::Apache);
    let told = lines.into_inner().unwrap().join("\n");
    assert!(!told.contains("404") && told.contains("(100 %)"), "{told}");
    assert_eq!((network.requests().len(), archive.requests().len()), (1, 1));
    // Where nobody has it, all is told.
    let bench = Bench::new(None, &[&network.base]);
    let error = bench.fetch(Some("apache")).await.unwrap_err();
    assert!(words(&error).contains("answered 404 Not Found"), "{error}");
}

#[tokio::test]
async fn what_comes_too_slowly_is_given_up_however_large_it_is() {
    let server = Server::start([(PATH, Answer::Trickle(tarball()))]).await;
    let bench = Bench::new(None, &[&server.base]);
    let error = bench.fetch(Some("apache")).await.unwrap_err();
    assert!(words(&error).contains("which is too slow"), "{error}");
}

#[tokio::test]
async fn maven_serves_where_no_server_answers() {
    let bench = Bench::new(None, &[&nobody().await]);
    assert_eq!(bench.fetch(None).await.unwrap(), Source::Maven);
    assert_eq!(bench.fetch(None).await.unwrap(), Source::Maven);
    assert_eq!(runs(bench.directory.path()), 1, "the second was cached");
}

#[tokio::test]
async fn jars_that_no_tarball_has_come_from_maven_alone() {
    let server = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let mut bench = Bench::new(None, &[&server.base]);
    bench.sources.jars.tarball = None;
    let likely = likely(&bench.cache, &bench.sources, None).unwrap();
    assert_eq!(likely, Source::Maven);
    assert_eq!(bench.sources.artifact(likely).download, None);
    assert_eq!(bench.fetch(None).await.unwrap(), Source::Maven);
    assert!(server.requests().is_empty());
    let mut cut_off = Bench::new(None, &[&server.base]);
    cut_off.sources.jars.tarball = None;
    write(&cut_off.directory.path().join("fails"), "no");
    let text = words(&cut_off.fetch(None).await.unwrap_err());
    assert!(
        text.contains("Maven: `") && !text.contains("mirror"),
        "{text}"
    );
}

#[tokio::test]
async fn when_nothing_serves_every_try_is_listed() {
    let bench = Bench::new(Some("http://user:secret@127.0.0.1:1"), &[&nobody().await]);
    let lines: Vec<String> = (1..=30).map(|line| format!("line {line}")).collect();
    write(&bench.directory.path().join("fails"), &lines.join("\n"));
    let error = bench.fetch(None).await.unwrap_err();
    let text = words(&error);
    assert!(text.starts_with("no source gave Kafka 0.0.1:\n"), "{text}");
    assert!(
        text.contains("\n  mirror: http://127.0.0.1:1/kafka/"),
        "{text}"
    );
    assert!(text.contains("\n  Apache: http://127.0.0.1:"), "{text}");
    assert!(text.contains("\n  Maven: `"), "{text}");
    assert!(text.contains("exit status: 1\n  line 11\n"), "{text}");
    assert!(
        text.contains("line 30") && text.contains("mirror:"),
        "{text}"
    );
    assert!(
        !text.contains("secret") && !text.contains("line 10\n"),
        "{text}"
    );
    assert!(bench.cached().is_empty());
}

#[tokio::test]
async fn a_recorded_source_is_the_only_one_used() {
    let server = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let bench = Bench::new(None, &[&server.base]);
    assert_eq!(bench.fetch(Some("maven")).await.unwrap(), Source::Maven);
    assert!(server.requests().is_empty());
    assert_eq!(bench.fetch(Some("apache")).await.unwrap(), Source::Apache);

    let cut_off = Bench::new(None, &[&nobody().await]);
    let error = cut_off.fetch(Some("apache")).await.unwrap_err();
    assert!(error.to_string().contains("the source `apache`"), "{error}");
    assert_eq!(runs(cut_off.directory.path()), 0);

    let error = cut_off.fetch(Some("floppy")).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Choice { .. }), "{error}");
}

#[tokio::test]
async fn what_is_cached_is_not_fetched_again_unless_damaged() {
    let server = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let bench = Bench::new(None, &[&server.base]);
    assert_eq!(
        likely(&bench.cache, &bench.sources, None).unwrap(),
        Source::Apache
    );
    bench.fetch(None).await.unwrap();
    bench.fetch(None).await.unwrap();
    assert_eq!(server.requests().len(), 1);

    let names = bench.cached();
    let [tar, record] = &names[..] else {
        panic!("{names:?}")
    };
    let tar = bench.cache.directory().join(tar);
    let record = bench.cache.directory().join(record);
    let whole = std::fs::read(&tar).unwrap();
    let mut flipped = whole.clone();
    flipped[600] ^= 1;
    for (requests, damaged) in [(2, &flipped[..]), (3, &whole[..whole.len() / 2]), (4, &[])] {
        std::fs::write(&tar, damaged).unwrap();
        bench.fetch(None).await.unwrap();
        assert_eq!(server.requests().len(), requests);
        assert_eq!(std::fs::read(&tar).unwrap(), whole);
    }
    std::fs::remove_file(&record).unwrap();
    bench.fetch(None).await.unwrap();
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_cached_set_of_maven_is_preferred_to_asking_servers() {
    let server = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let bench = Bench::new(None, &[&server.base]);
    bench.fetch(Some("maven")).await.unwrap();
    assert_eq!(
        likely(&bench.cache, &bench.sources, None).unwrap(),
        Source::Maven
    );
    assert_eq!(bench.fetch(None).await.unwrap(), Source::Maven);
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn two_at_once_fetch_once() {
    let server = Server::start([(PATH, Answer::Body(tarball()))]).await;
    let bench = Bench::new(None, &[&server.base]);
    let (one, two) = tokio::join!(bench.fetch(None), bench.fetch(None));
    assert_eq!(
        (one.unwrap(), two.unwrap()),
        (Source::Apache, Source::Apache)
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_a_killed_fetch_left_is_cleared_away() {
    let bench = Bench::new(None, &[]);
    let work = bench.cache.directory().join("kafka-0.0.1.work");
    write(&work.join("libs/stale.jar"), "half a jar");
    assert_eq!(bench.fetch(None).await.unwrap(), Source::Maven);
    assert!(!work.exists());
}

#[test]
fn a_set_of_jars_must_be_exactly_the_pinned_one() {
    let directory = tempdir().unwrap();
    let list = format!("{}  one.jar\n{}  two.jar\n", sha512("1"), sha512("2"));
    write(&directory.path().join("one.jar"), "1");
    write(&directory.path().join("two.jar"), "2");
    maven::verify(directory.path(), &list, "the set").unwrap();

    write(&directory.path().join("three.jar"), "3");
    write(&directory.path().join("two.jar"), "22");
    std::fs::remove_file(directory.path().join("one.jar")).unwrap();
    let error = maven::verify(directory.path(), &list, "the set").unwrap_err();
    let ArtifactError::NotPinned { differences, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        differences,
        [
            "three.jar: unexpected".to_owned(),
            format!(
                "two.jar: SHA-512 {}, but {} is pinned",
                sha512("22"),
                sha512("2")
            ),
            "one.jar: missing".to_owned(),
        ]
    );
}

#[tokio::test]
async fn other_jars_from_maven_are_an_error() {
    let bench = Bench::new(None, &[]);
    write(
        &bench.directory.path().join("gives/libs/extra.jar"),
        "extra",
    );
    let error = bench.fetch(None).await.unwrap_err();
    assert!(matches!(error, ArtifactError::NotPinned { .. }), "{error}");
    assert!(bench.cached().is_empty());
}

#[test]
fn the_known_release_is_pinned() {
    let hex = |sum: &str| sum.len() == 128 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    let jars = pinned();
    assert!(hex(&jars.tarball.as_ref().unwrap().sha512));
    let names: Vec<&str> = jars
        .maven_list
        .lines()
        .map(|line| {
            let (sum, name) = line.split_once("  ").unwrap();
            assert!(hex(sum), "{line}");
            name
        })
        .collect();
    assert!(names.is_sorted() && names.len() > 50);
    let version = jars.version.clone();
    assert!(names.contains(&format!("kafka_2.13-{version}.jar").as_str()));
    for (source, word) in [(Source::Apache, "apache"), (Source::Maven, "maven")] {
        let identity = Sources::of(jars.clone()).artifact(source).identity;
        let begin = format!("kafka {version} {word} sha512:");
        assert!(identity.starts_with(&begin), "{identity}");
    }
}

#[tokio::test]
#[ignore = "asks a Maven repository; the tests on machines do, too"]
async fn maven_brings_the_pinned_jars_of_a_known_release() {
    let directory = tempdir().unwrap();
    let cache = Cache::new(directory.path());
    let sources = Sources::of(pinned());
    let (source, path) = fetch(&cache, &sources, Some("maven"), &quiet)
        .await
        .unwrap();
    assert_eq!(source, Source::Maven);
    let jars = listed_names(&path);
    assert_eq!(jars.len(), sources.jars.maven_list.lines().count() + 1);
}

fn listed_names(tar: &Path) -> Vec<String> {
    let mut archive = tar::Archive::new(std::fs::File::open(tar).unwrap());
    let entries = archive.entries().unwrap();
    entries
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect()
}
