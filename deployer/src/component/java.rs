//! Java: the package and the command line that all components share which run by it.

use serde::Serialize;

use super::service::{self, Service};
use super::{Component, Context, place};
use crate::step::{Action, Content};
use crate::template::{TemplateError, render};
use crate::topology::Node;

/// The Debian package: 17 is what Debian 11 and 12 and Ubuntu have, 21 what Debian 13 has.
pub(super) const PACKAGE: &str = "openjdk-17-jre-headless | openjdk-21-jre-headless";

/// Where these packages put their program, by version and architecture.
const PROGRAMS: [&str; 4] = [
    "/usr/lib/jvm/java-17-openjdk-amd64/bin/java",
    "/usr/lib/jvm/java-17-openjdk-arm64/bin/java",
    "/usr/lib/jvm/java-21-openjdk-amd64/bin/java",
    "/usr/lib/jvm/java-21-openjdk-arm64/bin/java",
];

/// What the jars of the archive that they share take twice over, in MiB.
pub(super) const ARCHIVE_MIB: u64 = 150;

/// The name of the logging configuration in a role's directory.
pub(super) const LOGGING: &str = "log4j.properties";

/// The name of the file of passwords in a role's directory.
pub(super) const LOGIN: &str = "login.conf";

/// By what a quick start protects connections, the quickest first: its compiler knows none of the processor's instructions for
/// AES, and without them that takes four times as long as `ChaCha20`.
const QUICK_CIPHERS: &str = "-Djdk.tls.server.cipherSuites=TLS_CHACHA20_POLY1305_SHA256,TLS_AES_256_GCM_SHA384,\
                             TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,\
                             TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";

/// Between the words of a command in a unit file: a line each, so that a difference can be read.
const LINE_BREAK: &str = " \\\n    ";

/// What the units of both are rendered from.
#[derive(Serialize)]
pub(super) struct Process {
    pub(super) java: String,
    pub(super) software: String,
    pub(super) config: String,
}

/// Begins a service with all that such a one has: data, a directory of temporary files (given back), Java and its jars, an artifact
/// by its key, in their directory.
pub(super) fn service<'a>(
    node: &'a Node,
    context: &'a Context<'a>,
    component: &'static dyn Component,
    (jars, software): (&str, &str),
    template: &str,
) -> Result<(Service<'a>, String), TemplateError> {
    let mut service = Service::new(context, node, component);
    service.data_directory();
    let temporary = service.temporary_directory();
    service.add(link(context));
    service.add(service::unpack(
        context,
        node,
        jars,
        software.to_owned(),
        template,
    )?);
    Ok((service, temporary))
}

/// Makes the link by which our services start Java: another one of the host (`/usr/bin/java`, `JAVA_HOME`, one first in `PATH`) is
/// not theirs.
pub(super) fn link(context: &Context<'_>) -> Action {
    Action::LinkFile {
        path: place::java(context.topology),
        targets: PROGRAMS.map(str::to_owned).into(),
    }
}

/// The command up to the class path: heap, collector, temporary files and logging, and the file that says by which passwords
/// it knows others.
pub(super) fn command(
    node: &Node,
    context: &Context<'_>,
    heap_mib: u64,
    temporary: &str,
    logging: &str,
    login: Option<&str>,
) -> String {
    let mut words = vec![
        place::java(context.topology),
        format!("-Xms{heap_mib}m"),
        format!("-Xmx{heap_mib}m"),
    ];
    words.extend(tuning(node, context).iter().copied().map(str::to_owned));
    words.extend([
        "-XX:+ExitOnOutOfMemoryError".to_owned(),
        "-Djava.awt.headless=true".to_owned(),
        // Libraries of compression unpack themselves there.
        format!("-Djava.io.tmpdir={temporary}"),
        format!("-Dlog4j.configuration=file:{logging}"),
    ]);
    words.extend(login.map(|file| format!("-Djava.security.auth.login.config={file}")));
    words.join(LINE_BREAK)
}

/// Options of compiler and collector, and of what hangs on the compiler, for what is ready in two thirds of the time, and slower
/// in the long run. What the archive's checksum stands for is not verified anew.
pub(super) const QUICK: &[&str] = &[
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
    QUICK_CIPHERS,
];

/// The options of compiler and collector.
pub(super) fn tuning(node: &Node, context: &Context<'_>) -> &'static [&'static str] {
    let quick = context.topology.clouds.local.quick_start && node.cloud.is_of_this_box();
    if quick {
        QUICK
    } else {
        &[
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:InitiatingHeapOccupancyPercent=35",
        ]
    }
}

/// The logging configuration: warnings of all, and more of the classes that say what an operator wants to know.
pub(super) fn logging(informative: &[&str]) -> Result<Content, TemplateError> {
    #[derive(Serialize)]
    struct Logging<'a> {
        informative: &'a [&'a str],
    }
    Ok(Content::open(render(
        "java/log4j.properties",
        &Logging { informative },
    )?))
}
