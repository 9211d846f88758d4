//! Hosts: by SSH against a real sshd on loopback, and this machine itself.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deployer::host::here::HereHost;
use deployer::host::{Command, Host, HostError, Input, UNTIL_ENDED};
use deployer::machine::SshAccess;

use crate::sshd::{self, Sshd};

fn shell(script: &str) -> Command {
    Command {
        program: "sh".into(),
        arguments: vec!["-c".into(), script.into()],
        input: Input::Nothing,
        timeout: Duration::from_secs(20),
        root: false,
    }
}

async fn says(host: &dyn Host, script: &str) -> String {
    let output = host.run(&shell(script)).await.expect("run");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

/// What holds for any host.
async fn behaves(host: &dyn Host) {
    let output = host
        .run(&shell("echo out; echo err >&2; exit 3"))
        .await
        .expect("run");
    assert_eq!(
        (output.status, &*output.stdout, &*output.stderr),
        (3, &b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(host.run(&shell("exit 255")).await.expect("run").status, 255);
    assert_eq!(host.run(&shell("exit 127")).await.expect("run").status, 127);
    assert_eq!(
        host.run(&shell("kill -9 $$")).await.expect("run").status,
        137
    );
    assert_eq!(says(host, "echo $LC_ALL").await, "C.UTF-8");

    let odd = "it's $HOME; \"two  words\" \\ \n* ü";
    let echo = Command {
        program: "printf".into(),
        arguments: vec!["%s".into(), odd.into()],
        ..shell("")
    };
    assert_eq!(host.run(&echo).await.expect("run").stdout, odd.as_bytes());

    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let cat = Command {
        input: Input::Bytes(bytes.clone()),
        ..shell("cat")
    };
    assert_eq!(host.run(&cat).await.expect("run").stdout, bytes);
    let deaf = Command {
        input: Input::Bytes(bytes),
        ..shell("exit 5")
    };
    assert_eq!(
        host.run(&deaf).await.expect("run").status,
        5,
        "input that nobody reads is no failure"
    );

    let lines = Mutex::new(Vec::new());
    let tell = |line: &str| lines.lock().expect("lock").push(line.to_owned());
    host.run_telling(
        &shell("echo one >&2; echo two >&2; printf three >&2"),
        &tell,
    )
    .await
    .expect("run");
    assert_eq!(lines.into_inner().expect("lock"), ["one", "two", "three"]);

    let heard = Mutex::new(Vec::new());
    let hear = |bytes: &[u8]| heard.lock().expect("lock").extend_from_slice(bytes);
    let held = Command {
        input: Input::Held(b"x".to_vec()),
        ..shell("head -c 1; timeout 0.3 cat; echo $? >&2; exit 3")
    };
    let output = host.run_live(&held, &hear, &|_| {}).await.expect("run");
    // What it reads has not ended: `timeout` ends what waits for that.
    assert_eq!(
        (output.status, &*output.stdout, &*output.stderr),
        (3, &b""[..], &b"124\n"[..])
    );
    assert_eq!(heard.into_inner().expect("lock"), b"x");

    let gone = Command {
        input: Input::File("/nowhere".into()),
        ..shell("cat")
    };
    assert!(matches!(
        host.run(&gone).await,
        Err(HostError::Local { .. })
    ));
}

/// A command that nobody waits for any more knows it by the end of what it reads.
async fn tells_that_nobody_waits(host: &dyn Host, directory: &Path) {
    let file = directory.join("ended");
    let waiting = Command {
        input: Input::Held(Vec::new()),
        timeout: UNTIL_ENDED,
        ..shell(&format!("echo begun; cat; touch {}", file.display()))
    };
    let begun = tokio::sync::Notify::new();
    // Here it is waited for still: below it may have known the end already.
    let heard = |_: &[u8]| {
        assert!(!file.exists());
        begun.notify_one();
    };
    tokio::select! {
        ended = host.run_live(&waiting, &heard, &|_| {}) => panic!("{ended:?}"),
        () = begun.notified() => {}
    }
    let since = Instant::now();
    while !file.exists() {
        assert!(since.elapsed() < Duration::from_secs(20), "it waits still");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A command whose time is over must not go on.
async fn ends_what_takes_too_long(host: &dyn Host, directory: &Path) {
    let file = directory.join("process");
    let slow = Command {
        timeout: Duration::from_millis(700),
        ..shell(&format!("echo $$ >{}; exec sleep 60", file.display()))
    };
    let started = Instant::now();
    let error = host.run(&slow).await.expect_err("too slow");
    assert!(matches!(error, HostError::CommandTimeout { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
    let process = fs::read_to_string(file).expect("process id");
    assert!(
        !Path::new("/proc").join(process.trim()).exists(),
        "the command still runs"
    );
}

#[tokio::test]
async fn this_machine() {
    let host = HereHost::new("node");
    behaves(&host).await;
    let directory = tempfile::tempdir().expect("directory");
    tells_that_nobody_waits(&host, directory.path()).await;
    ends_what_takes_too_long(&host, directory.path()).await;
}

#[tokio::test]
async fn by_ssh() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect(&sshd.access()).await.expect("connected");
    behaves(&*host).await;
    tells_that_nobody_waits(&*host, sshd.directory.path()).await;
    ends_what_takes_too_long(&*host, sshd.directory.path()).await;
    host.close(false).await.expect("closed");
}

#[tokio::test]
async fn uploads_50_mib_whole() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect(&sshd.access()).await.expect("connected");
    let file = sshd.directory.path().join("big");
    let bytes: Vec<u8> = (0..50 << 20)
        .map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    fs::write(&file, &bytes).expect("written");
    let sum = deployer::step::sha256(&bytes);
    let upload = Command {
        input: Input::File(file),
        ..shell("sha256sum")
    };
    let started = Instant::now();
    let output = host.run(&upload).await.expect("run");
    println!("50 MiB in {:.2} s", started.elapsed().as_secs_f64());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(&sum));
    host.close(false).await.expect("closed");
}

#[tokio::test]
async fn keeps_below_the_channel_limit() {
    // One more than our own limit would be refused.
    let Some(sshd) = Sshd::start("MaxSessions 8") else {
        return;
    };
    let host = sshd.connect(&sshd.access()).await.expect("connected");
    let directory = sshd.directory.path().join("running");
    fs::create_dir(&directory).expect("made");
    let here = directory.display();
    let script = format!("touch {here}/$$; ls {here} | wc -l; sleep 0.5; rm {here}/$$");
    let all = (0..24).map(|_| says(&*host, &script));
    let most = futures_util::future::join_all(all)
        .await
        .iter()
        .map(|count| count.parse().expect("count"))
        .max();
    assert!(matches!(most, Some(2..=8)), "{most:?} at a time");
    host.close(false).await.expect("closed");
}

/// Hardened hosts allow fewer: what is sent goes beside one small step at most, so two are enough, and where there is one only, ssh
/// makes a connection of its own for the other.
#[tokio::test]
async fn a_host_may_allow_one_session_only() {
    let Some(sshd) = Sshd::start("MaxSessions 1") else {
        return;
    };
    let host = sshd.connect(&sshd.access()).await.expect("connected");
    let (one, other) = futures_util::join!(
        says(&*host, "sleep 1; echo one"),
        says(&*host, "sleep 1; echo other")
    );
    assert_eq!((one.as_str(), other.as_str()), ("one", "other"));
    host.close(false).await.expect("closed");
}

#[tokio::test]
async fn takes_up_a_kept_connection() {
    let Some(mut sshd) = Sshd::start("") else {
        return;
    };
    let access = sshd.access();
    sshd.connect(&access)
        .await
        .expect("connected")
        .close(true)
        .await
        .expect("kept");
    let host = sshd.connect(&access).await.expect("connected");
    assert_eq!(says(&*host, "echo again").await, "again");
    assert_eq!(sshd.logins(), 1, "the second command line logged in anew");

    // A master that is gone by the time of the next command: opened anew.
    let control = sshd.control_sockets().pop().expect("a control socket");
    let exit = sshd::command(Path::new("ssh"))
        .arg("-S")
        .arg(&control)
        .args(["-O", "exit", "node"])
        .output();
    assert!(exit.expect("ssh").status.success());
    assert_eq!(says(&*host, "echo anew").await, "anew");
    assert_eq!(sshd.logins(), 2);

    // Another way to the node is another connection.
    let renamed = SshAccess {
        address: "localhost".into(),
        ..access.clone()
    };
    let other = sshd.connect(&renamed).await.expect("connected");
    assert_eq!(sshd.logins(), 3);
    other.close(false).await.expect("closed");
    host.close(false).await.expect("closed");
    assert!(
        sshd.control_sockets().is_empty(),
        "a closed connection leaves something"
    );

    sshd.stop();
    let refused = sshd.connect(&access).await;
    assert!(
        matches!(refused, Err(HostError::Refused { .. })),
        "nothing is left to take up"
    );
}

async fn refusal(sshd: &Sshd, access: &SshAccess) -> HostError {
    match sshd.connect(access).await {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn tells_failures_apart() {
    let Some(sshd) = Sshd::start("") else { return };
    let right = sshd.access();

    let error = refusal(
        &sshd,
        &SshAccess {
            port: Some(sshd::free_port()),
            ..right.clone()
        },
    )
    .await;
    assert!(matches!(error, HostError::Refused { .. }), "{error}");

    let error = refusal(
        &sshd,
        &SshAccess {
            host_key: Some(sshd.other_host_key()),
            ..right.clone()
        },
    )
    .await;
    assert!(
        matches!(&error, HostError::HostKey { detail, .. } if detail.contains("CHANGED")),
        "{error}"
    );

    // Without a key from us the user's known_hosts decides, and it has never seen this port.
    let error = refusal(
        &sshd,
        &SshAccess {
            host_key: None,
            ..right.clone()
        },
    )
    .await;
    assert!(
        matches!(&error, HostError::UnknownHostKey { detail, .. } if detail.contains("key is known")),
        "{error}"
    );

    let wrong = sshd
        .directory
        .path()
        .join("keys/host-other")
        .display()
        .to_string();
    let error = refusal(
        &sshd,
        &SshAccess {
            key: Some(wrong),
            ..right.clone()
        },
    )
    .await;
    assert!(matches!(error, HostError::Login { .. }), "{error}");

    let error = refusal(
        &sshd,
        &SshAccess {
            user: Some("nobody-here".into()),
            ..right.clone()
        },
    )
    .await;
    assert!(matches!(error, HostError::Login { .. }), "{error}");

    let open = sshd.directory.path().join("open");
    fs::copy(right.key.as_deref().expect("key"), &open).expect("copied");
    fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("set");
    let error = refusal(
        &sshd,
        &SshAccess {
            key: Some(open.display().to_string()),
            ..right.clone()
        },
    )
    .await;
    assert!(
        matches!(&error, HostError::Login { detail, .. } if detail.contains("UNPROTECTED")),
        "{error}"
    );

    let error = refusal(
        &sshd,
        &SshAccess {
            address: "nowhere.invalid".into(),
            ..right.clone()
        },
    )
    .await;
    assert!(
        matches!(&error, HostError::Name { detail, .. } if detail.contains("resolve")),
        "{error}"
    );

    let silent = TcpListener::bind("127.0.0.1:0").expect("listens");
    let port = silent.local_addr().expect("address").port();
    let started = Instant::now();
    let error = refusal(
        &sshd,
        &SshAccess {
            port: Some(port),
            ..right.clone()
        },
    )
    .await;
    assert!(matches!(error, HostError::Timeout { .. }), "{error}");
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn waits_for_a_machine_that_boots() {
    let Some(mut sshd) = Sshd::prepare("") else {
        return;
    };
    let nodes: BTreeMap<String, SshAccess> = [("node".to_owned(), sshd.access())].into();
    let attempts = Mutex::new(0);
    let progress = |_: &str| *attempts.lock().expect("lock") += 1;
    let patience = Duration::from_secs(3);
    let error = sshd
        .connect_as(&nodes, "node", patience, &progress)
        .await
        .err()
        .expect("nobody listens");
    assert!(matches!(error, HostError::Refused { .. }), "{error}");

    sshd.run();
    let host = sshd
        .connect_as(&nodes, "node", patience, &progress)
        .await
        .expect("connected");
    assert_eq!(says(&*host, "echo up").await, "up");
    host.close(false).await.expect("closed");
}

/// A machine that takes connections, and is too busy with its start to answer on them, is not one that is away.
#[tokio::test]
async fn waits_longer_for_a_machine_that_is_there_and_busy() {
    let Some(sshd) = Sshd::start("") else { return };
    let (server, mut access) = (("127.0.0.1", sshd.port), sshd.access());
    let busy = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let busy = busy.expect("listens");
    access.port = Some(busy.local_addr().expect("an address").port());
    let nodes = [("node".to_owned(), access)].into();
    let attempts = AtomicUsize::new(0);
    let progress = |_: &str| _ = attempts.fetch_add(1, Ordering::SeqCst);
    let machine = async {
        let mut kept = Vec::new();
        loop {
            let (mut client, _) = busy.accept().await.expect("a connection");
            if attempts.load(Ordering::SeqCst) < 2 {
                kept.push(client);
                continue;
            }
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(server).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    };
    // Two attempts of two seconds and more end in silence: more than the patience for a machine that is away.
    let connecting = sshd.connect_as(&nodes, "node", Duration::from_secs(1), &progress);
    let host = tokio::select! {
        host = connecting => host.expect("connected"),
        () = machine => unreachable!("it takes connections for ever"),
    };
    assert_eq!(says(&*host, "echo up").await, "up");
    host.close(false).await.expect("closed");
}

#[tokio::test]
async fn newcomers_that_were_dropped_come_again() {
    let Some(sshd) = Sshd::start("MaxStartups 1:100:1") else {
        return;
    };
    let nodes: BTreeMap<String, SshAccess> = (0..5)
        .map(|number| (format!("vm{number}"), sshd.access()))
        .collect();
    let attempts = Mutex::new(Vec::new());
    let progress = |line: &str| attempts.lock().expect("lock").push(line.to_owned());
    let all = nodes
        .keys()
        .map(|node| sshd.connect_as(&nodes, node, Duration::from_secs(30), &progress));
    for host in futures_util::future::join_all(all).await {
        host.expect("connected").close(false).await.expect("closed");
    }
    println!(
        "{} attempts were dropped",
        attempts.into_inner().expect("lock").len()
    );
}

#[tokio::test]
async fn jumps_through_another_node() {
    let Some(sshd) = Sshd::start("") else { return };
    // The second node is only reached from the first; both happen to be this server, by two names.
    let inner = SshAccess {
        address: "localhost".into(),
        jump: Some("gate".into()),
        ..sshd.access()
    };
    let nodes = [
        ("gate".to_owned(), sshd.access()),
        ("inner".to_owned(), inner),
    ]
    .into();
    let host = sshd
        .connect_as(&nodes, "inner", Duration::ZERO, &|_| {})
        .await
        .expect("connected");
    assert_eq!(says(&*host, "echo inside").await, "inside");
    assert_eq!(sshd.logins(), 2);
    host.close(false).await.expect("closed");
}

/// A connection that was kept, and taken up again.
async fn taken_up(sshd: &Sshd) -> Box<dyn Host> {
    let access = sshd.access();
    let first = sshd.connect(&access).await.expect("connected");
    // The client is let in before the server has made all its processes.
    assert_eq!(says(&*first, "echo up").await, "up");
    first.close(true).await.expect("kept");
    sshd.connect(&access).await.expect("taken up")
}

/// A machine that died silently: no packet comes back, and no connection breaks.
#[tokio::test]
async fn a_kept_connection_to_a_dead_machine_is_given_up() {
    let Some(mut sshd) = Sshd::start("") else {
        return;
    };
    let host = taken_up(&sshd).await;
    let frozen = sshd.freeze();
    sshd.stop();
    let error = host.run(&shell("true")).await.expect_err("nobody answers");
    assert!(matches!(error, HostError::Refused { .. }), "{error}");
    sshd::thaw(&frozen);
    sshd.run();
    let again = sshd.connect(&sshd.access()).await.expect("connected anew");
    assert_eq!(says(&*again, "echo alive").await, "alive");
    again.close(false).await.expect("closed");
}

/// One that is busy says as little, for a while: it is not dead.
#[tokio::test]
async fn a_kept_connection_to_a_busy_machine_is_opened_anew() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = taken_up(&sshd).await;
    let frozen = sshd.freeze();
    let goes_on = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        sshd::thaw(&frozen);
    };
    let (said, ()) = tokio::join!(says(&*host, "echo alive"), goes_on);
    assert_eq!(said, "alive");
    assert_eq!(sshd.logins(), 2);
    host.close(false).await.expect("closed");
}
