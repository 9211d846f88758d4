//! Asking and acting for real, on this machine, with what can be undone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use deployer::component::Component as _;
use deployer::component::kafka::Kafka;
use deployer::facts::Query;
use deployer::figures::Figures;
use deployer::host::here::HereHost;
use deployer::host::{Host, HostError};
use deployer::run::apply::HostExecutor;
use deployer::run::{Executor, StepError};
use deployer::step::{Access, Action, Content, sha256};

/// One that acts on this machine, as root or with sudo; `None`, after one line, where neither is given.
pub(crate) async fn executor() -> Option<HostExecutor> {
    let hosts: BTreeMap<String, Box<dyn Host>> = [(
        "here".to_owned(),
        Box::new(HereHost::new("here")) as Box<dyn Host>,
    )]
    .into();
    let executor = HostExecutor::new(hosts);
    match executor.ask("here", &Query::default()).await {
        Err(HostError::Sudo { detail, .. }) => {
            crate::skip::skip(&format!(
                "needs root, or sudo without a password ({detail})"
            ));
            None
        }
        Err(error) => panic!("{error}"),
        Ok(_) => Some(executor),
    }
}

#[tokio::test]
async fn asks_this_machine() {
    let Some(executor) = executor().await else {
        return;
    };
    let directory = tempfile::tempdir().expect("directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let odd = "no line break at the end, \u{fffd} ü\n@texts\n@pipeline\n{}";
    std::fs::write(path("shown"), odd).expect("written");
    std::fs::write(path("hidden"), "secret").expect("written");
    std::fs::write(path("binary"), [0xff, 0x00]).expect("written");
    std::fs::write(path("empty"), "").expect("written");
    std::fs::write(path("long"), "x".repeat(70_000)).expect("written");
    let query = Query {
        addresses: true,
        figures: BTreeSet::new(),
        files: [
            (path("shown"), true),
            (path("hidden"), false),
            (path("binary"), true),
            (path("empty"), true),
            (path("long"), true),
            (path("missing"), true),
            (directory.path().display().to_string(), true),
            ("/with\nline break".into(), true),
        ]
        .into(),
        system: true,
        units: ["deployer-test-nowhere.service".to_owned()].into(),
        packages: [
            "dpkg".into(),
            "no-such-package".into(),
            "no-such-package | dpkg".into(),
        ]
        .into(),
        users: ["root".into(), "no-such-user".into()].into(),
        tables: ["no-such-table".to_owned()].into(),
        deployment: "no-such-deployment".into(),
        disks: ["/no/such/directory".to_owned()].into(),
        ..Query::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let facts = executor.ask("here", &query).await.expect("answer");

    let shown = &facts.files[&path("shown")];
    assert_eq!(shown.text.as_deref(), Some(odd));
    assert_eq!(
        (shown.sha256.as_str(), shown.mode, shown.directory),
        (&*sha256(odd.as_bytes()), 0o644, false)
    );
    let hidden = &facts.files[&path("hidden")];
    assert_eq!(
        (hidden.text.as_deref(), &hidden.sha256),
        (None, &sha256(b"secret"))
    );
    assert_eq!(facts.files[&path("binary")].text, None);
    assert_eq!(facts.files[&path("empty")].text.as_deref(), Some(""));
    let long = &facts.files[&path("long")];
    assert_eq!(
        (long.text.as_deref(), &long.sha256),
        (None, &sha256("x".repeat(70_000).as_bytes()))
    );
    assert!(facts.files[&directory.path().display().to_string()].directory);
    assert_eq!(
        facts.files.len(),
        6,
        "what is not there is not mentioned: {:?}",
        facts.files.keys()
    );

    assert_eq!(
        facts.packages,
        BTreeSet::from(["dpkg".to_owned(), "no-such-package | dpkg".into()])
    );
    assert_eq!(facts.users, BTreeSet::from(["root".to_owned()]));
    assert!(facts.tables.is_empty() && facts.hosts_block.is_none() && facts.manifest.is_none());
    assert!(
        facts
            .ports
            .contains_key(&listener.local_addr().expect("address").port()),
        "{:?}",
        facts.ports
    );
    assert!(
        facts
            .units
            .get("deployer-test-nowhere.service")
            .is_none_or(|unit| !unit.loaded && !unit.runs())
    );
    let system = &facts.system;
    assert!(
        ["debian", "ubuntu"].contains(&system.os.as_str()) && system.libc.starts_with("2."),
        "{system:?}"
    );
    assert!(
        system.memory_mib > 100 && !system.architecture.is_empty() && system.disk_free_mib > 0,
        "{system:?}"
    );
    assert_eq!(system.clock_skew_ms, 0, "{system:?}");
}

#[tokio::test]
async fn asks_the_pipeline_in_the_same_breath() {
    let Some(executor) = executor().await else {
        return;
    };
    let directory = tempfile::tempdir().expect("directory");
    let program = directory.path().join("consumer");
    std::fs::write(
        &program,
        "#!/bin/sh\nsleep 0.3\nprintf '{\"arguments\":\"%s\"}' \"$*\"\n",
    )
    .expect("written");
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("set");
    let tool = deployer::step::Tool {
        program: program.display().to_string(),
        config: "/c".into(),
        login: None,
    };
    let query = Query {
        pipeline: Some(tool),
        system: true,
        ..Query::default()
    };
    let facts = executor.ask("here", &query).await.expect("answer");
    assert_eq!(
        facts.pipeline,
        Some(serde_json::json!({"arguments": "--config /c inspect --timeout 10"}))
    );
    assert!(
        facts.system.clock_skew_ms.abs() < 250,
        "the pipeline's time counts as the way: {:?}",
        facts.system
    );
}

async fn does(executor: &HostExecutor, action: Action) {
    executor
        .apply("here", &action, &|_| {})
        .await
        .unwrap_or_else(|error| panic!("{action:?}: {error}"));
}

/// Each action twice: doing it twice is doing it once.
async fn does_twice(executor: &HostExecutor, action: Action) {
    does(executor, action.clone()).await;
    does(executor, action).await;
}

#[tokio::test]
async fn files_come_and_go() {
    let Some(mut executor) = executor().await else {
        return;
    };
    let directory = tempfile::tempdir().expect("directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let access = Access::root("root", 0o640);
    let mode = |name: &str| {
        std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(path(name)).expect("there").permissions(),
        ) & 0o7777
    };

    let content = Content::secret("it's\n\0\u{fc}");
    does_twice(
        &executor,
        Action::WriteFile {
            path: path("a/b"),
            content: content.clone(),
            access: access.clone(),
            judge: None,
        },
    )
    .await;
    assert_eq!(
        (
            std::fs::read_to_string(path("a/b")).expect("file"),
            mode("a/b")
        ),
        (content.text, 0o640)
    );
    assert_eq!(
        std::fs::read_dir(path("a")).expect("directory").count(),
        1,
        "a temporary file stays"
    );

    does(
        &executor,
        Action::SeedFile {
            path: path("seed"),
            content: Content::open("first"),
            access: access.clone(),
        },
    )
    .await;
    does(
        &executor,
        Action::SeedFile {
            path: path("seed"),
            content: Content::open("second"),
            access: access.clone(),
        },
    )
    .await;
    assert_eq!(
        std::fs::read_to_string(path("seed")).expect("file"),
        "first"
    );

    std::fs::write(path("local"), "artifact").expect("written");
    executor.set_artifacts([("tool".to_owned(), PathBuf::from(path("local")))].into());
    let upload = |sha256: String| Action::UploadFile {
        artifact: "tool".into(),
        sha256,
        path: path("sent"),
        access: Access::root("root", 0o755),
    };
    does_twice(&executor, upload(sha256(b"artifact"))).await;
    assert_eq!(
        (
            std::fs::read_to_string(path("sent")).expect("file"),
            mode("sent")
        ),
        ("artifact".into(), 0o755)
    );
    let error = executor
        .apply("here", &upload(sha256(b"another")), &|_| {})
        .await
        .expect_err("another checksum");
    assert!(error.to_string().contains("not what was sent"), "{error}");
    assert_eq!(
        std::fs::read_to_string(path("sent")).expect("file"),
        "artifact",
        "what was there stays"
    );

    does_twice(
        &executor,
        Action::CreateDirectory {
            path: path("d/e"),
            access: Access::root("root", 0o711),
            data: false,
        },
    )
    .await;
    assert_eq!(mode("d/e"), 0o711);
    does_twice(&executor, Action::RemoveFile { path: path("a/b") }).await;
    does_twice(&executor, Action::RemoveEmptyDirectory { path: path("d") }).await;
    assert!(std::fs::exists(path("d/e")).expect("known"));
    does_twice(
        &executor,
        Action::RemoveDirectory {
            path: path("d/e"),
            data: false,
        },
    )
    .await;
    does_twice(&executor, Action::RemoveEmptyDirectory { path: path("d") }).await;
    assert!(
        !std::fs::exists(path("d")).expect("known")
            && !std::fs::exists(path("a/b")).expect("known")
    );
}

#[tokio::test]
async fn archives_are_whole_or_not_there() {
    let Some(mut executor) = executor().await else {
        return;
    };
    let directory = tempfile::tempdir().expect("directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let mut archive = tar::Builder::new(Vec::new());
    let body = vec![7; 3_000_000];
    let mut header = tar::Header::new_gnu();
    header.set_size(body.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, "libs/big.jar", body.as_slice())
        .expect("entry");
    let bytes = archive.into_inner().expect("archive");
    std::fs::write(path("whole.tar"), &bytes).expect("written");
    std::fs::write(path("cut.tar"), &bytes[..1_000_000]).expect("written");
    let artifacts = [
        ("whole".to_owned(), path("whole.tar").into()),
        ("cut".to_owned(), path("cut.tar").into()),
    ];
    executor.set_artifacts(artifacts.into());
    let unpack = |artifact: &str, identity: &str| Action::UnpackArchive {
        artifact: artifact.into(),
        identity: identity.into(),
        path: path("opt/kafka"),
        access: Access::root("root", 0o755),
        download: None,
        programs: Vec::new(),
    };

    let failed = executor
        .apply("here", &unpack("cut", "kafka 1"), &|_| {})
        .await;
    assert!(matches!(failed, Err(StepError::Failed { .. })));
    assert!(!std::fs::exists(path("opt/kafka")).expect("known"));

    does_twice(&executor, unpack("whole", "kafka 1")).await;
    assert_eq!(
        std::fs::metadata(path("opt/kafka/libs/big.jar"))
            .expect("file")
            .len(),
        3_000_000
    );
    let marker = path("opt/kafka/.deployer-artifact");
    assert_eq!(
        std::fs::read_to_string(&marker).expect("marker"),
        "kafka 1\n"
    );
    std::fs::write(path("opt/kafka/old"), "").expect("written");
    does(&executor, unpack("whole", "kafka 2")).await;
    assert!(
        !std::fs::exists(path("opt/kafka/old")).expect("known"),
        "another identity is another directory"
    );
    assert_eq!(
        std::fs::read_dir(path("opt")).expect("directory").count(),
        1,
        "something lies beside it"
    );
}

#[tokio::test]
async fn a_failure_says_what_and_why() {
    let Some(executor) = executor().await else {
        return;
    };
    let missing = deployer::step::Tool {
        program: "/nowhere/consumer".into(),
        config: "/c".into(),
        login: None,
    };
    let wait = Kafka.in_sync(missing, 2).expect("brokers have a wait");
    let error = executor
        .apply("here", &wait, &|_| {})
        .await
        .expect_err("fails");
    let StepError::Failed {
        command,
        status,
        output,
    } = &error
    else {
        panic!("{error}")
    };
    assert!(
        command.starts_with("/nowhere/consumer --config /c wait-in-sync"),
        "{command}"
    );
    assert_eq!((*status, output.is_empty()), (127, false));

    let directory = tempfile::tempdir().expect("directory");
    let program = directory.path().join("consumer");
    std::fs::write(&program, "#!/bin/sh\nread request\nfor i in $(seq 30); do echo \"line $i\" >&2; done\necho \"$request\"; exit 7\n").expect("written");
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("set");
    let prepare = Action::CallTool {
        component: "consumer".into(),
        words: "prepare all".into(),
        arguments: vec!["prepare".into()],
        seconds: 60,
        waits: false,
        wanted: serde_json::Value::Null,
        tool: deployer::step::Tool {
            program: program.display().to_string(),
            config: "/c".into(),
            login: None,
        },
        input: Content::secret("ready\n"),
        reads: BTreeMap::new(),
    };
    let lines = Mutex::new(Vec::new());
    let tell = |line: &str| lines.lock().expect("lock").push(line.to_owned());
    let error = executor
        .apply("here", &prepare, &tell)
        .await
        .expect_err("fails");
    let StepError::Failed {
        status: 7, output, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((output.len(), output[19].as_str()), (20, "line 30"));
    assert_eq!(
        lines.into_inner().expect("lock").len(),
        30,
        "lines were told as they came"
    );

    let port = crate::sshd::free_port();
    let wait = Action::WaitForPort {
        port,
        unit: "deployer-test-nowhere.service".into(),
        seconds: 1,
    };
    let began = Instant::now();
    let error = executor
        .apply("here", &wait, &|_| {})
        .await
        .expect_err("nobody listens");
    assert!(
        error.to_string().contains(&port.to_string()) || matches!(error, StepError::Failed { .. }),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let port = listener.local_addr().expect("address").port();
    does(
        &executor,
        Action::WaitForPort {
            port,
            unit: "deployer-test-nowhere.service".into(),
            seconds: 5,
        },
    )
    .await;
}

#[tokio::test]
async fn agents_are_asked_at_their_ports_and_silence_costs_a_second() {
    let Some(executor) = executor().await else {
        return;
    };
    let listen = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let port = listener.local_addr().expect("address").port();
        (listener, port)
    };
    let (agent, port) = listen();
    let (_takes_and_says_nothing, silent) = listen();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = agent.accept().expect("a question");
        let mut question = [0; 100];
        let length = stream.read(&mut question).expect("a question");
        assert!(question[..length].starts_with(b"GET /figures "));
        let answer =
            r#"{"wrong":["spool: is full"],"spool":{"events":3,"bytes":4,"limit_bytes":5}}"#;
        write!(stream, "HTTP/1.1 200 OK\r\n\r\n{answer}\n").expect("an answer");
    });
    let query = Query {
        figures: [port, silent].into(),
        ..Query::default()
    };
    let started = Instant::now();
    let facts = executor.ask("here", &query).await.expect("answer");
    let took = started.elapsed();
    answering.join().expect("it was asked");
    let figures = Figures::read(&facts.figures[&port]).expect("figures");
    assert_eq!(figures.spool_events, Some(3));
    assert_eq!(figures.wrong, ["spool: is full"]);
    assert!(!facts.figures.contains_key(&silent));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_producers_file_is_tried_as_somebody_who_owns_nothing() {
    let Some(executor) = executor().await else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    let mode = |path: &Path, mode: u32| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("is set");
    };
    mode(directory.path(), 0o755);
    for name in ["open", "closed"] {
        std::fs::write(at(name), "line\n").expect("is written");
    }
    mode(&at("open"), 0o644);
    mode(&at("closed"), 0o600);
    for (name, bits) in [("unlisted", 0o711), ("shut", 0o700)] {
        std::fs::create_dir(at(name)).expect("is made");
        mode(&at(name), bits);
    }
    let expected = [
        ("open", None),
        ("not there yet", None),
        ("closed", Some("it is closed (-rw-------")),
        ("unlisted", Some("it is a directory")),
        ("unlisted/log", Some("/unlisted/ is closed (drwx--x--x")),
        ("shut/log", Some("/shut/ is closed (drwx------")),
        ("gone/log", Some("there is no directory ")),
    ];
    let path = |name: &str| at(name).display().to_string();
    let sources = expected
        .iter()
        .map(|(name, _)| (path(name), "adm".to_owned()));
    let mut query = Query {
        system: true,
        sources: sources.collect(),
        ..Query::default()
    };
    let facts = executor.ask("here", &query).await.expect("answer");
    for (name, why) in expected {
        let said = facts.system.closed.get(&path(name));
        match why {
            Some(why) => assert!(
                said.is_some_and(|said| said.contains(why)),
                "{name}: {said:?}"
            ),
            None => assert_eq!(said, None, "{name}"),
        }
    }
    query.sources = [(path("open"), "no-such-group".to_owned())].into();
    let facts = executor.ask("here", &query).await.expect("answer");
    let said = &facts.system.closed[&path("open")];
    assert_eq!(said, "there is no group no-such-group");
}
