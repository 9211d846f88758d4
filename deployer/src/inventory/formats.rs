//! The forms of texts in an inventory. The schema names them as `format`, so that each is checked where it stands.

use std::net::{IpAddr, Ipv4Addr};

use croner::parser::{CronParser, Seconds, Year};

use super::aws::Ttl;
use super::chameleon::LeaseTime;
use super::values::TimeSpan;

/// Says what is wrong with a text, in words that go after it: `` `text` is … ``.
pub type Check = fn(&str) -> Result<(), String>;

/// The name of a form in the schema, and what is held against it.
pub type Format = (&'static str, Check);

/// The formats of the schema by name, but for those of components.
pub(super) const FORMATS: [Format; 16] = [
    ("deployment-name", check_deployment_name),
    ("host-address", check_host_address),
    ("host-key", check_host_key),
    ("ip-address", check_ip_address),
    ("lease", check_lease),
    ("login", check_login),
    ("network", check_network),
    ("node-name", check_node_name),
    ("path", check_path),
    ("release", check_release),
    ("schedule", check_schedule),
    ("setting", check_setting),
    ("setting-name", check_setting_name),
    ("time-span", check_time_span),
    ("ttl", check_ttl),
    ("web-address", check_web_address),
];

/// Deployments name units, users, hosts and network interfaces, which are short.
const MAX_DEPLOYMENT_NAME: usize = 16;
/// Host labels may have 63 characters; half of that still fits lines, units and paths.
const MAX_NODE_NAME: usize = 32;

/// Checks a deployment's name. The error completes the sentence that begins with the name.
pub fn check_deployment_name(name: &str) -> Result<(), String> {
    check_label(name, MAX_DEPLOYMENT_NAME)?;
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err("must begin with a lower-case letter".to_owned());
    }
    Ok(())
}

fn check_lease(text: &str) -> Result<(), String> {
    LeaseTime::try_from(text.to_owned()).map(|_| ())
}

fn check_ttl(text: &str) -> Result<(), String> {
    Ttl::try_from(text.to_owned()).map(|_| ())
}

pub(crate) fn check_node_name(name: &str) -> Result<(), String> {
    check_label(name, MAX_NODE_NAME)?;
    if name == "localhost" {
        return Err("is what every machine calls itself".to_owned());
    }
    Ok(())
}

fn check_label(name: &str, longest: usize) -> Result<(), String> {
    if name.is_empty() {
        return Err("is empty".to_owned());
    }
    if let Some(bad) = name
        .chars()
        .find(|one| !(one.is_ascii_lowercase() || one.is_ascii_digit() || *one == '-'))
    {
        return Err(format!(
            "holds {bad:?}; it is part of host names: lower-case letters, digits and `-`"
        ));
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err("must not begin or end with `-`".to_owned());
    }
    if name.len() > longest {
        return Err(too_long(name, longest));
    }
    Ok(())
}

fn too_long(name: &str, longest: usize) -> String {
    format!("has {} characters; {longest} at most", name.len())
}

fn check_setting_name(name: &str) -> Result<(), String> {
    let good = |one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '_' | '-' | '/');
    if name.is_empty() || !name.chars().all(good) {
        return Err("is not the name of a setting: letters, digits, `.`, `_`, `-`".to_owned());
    }
    Ok(())
}

fn check_setting(value: &str) -> Result<(), String> {
    if value.chars().any(char::is_control) {
        return Err("must be one line".to_owned());
    }
    Ok(())
}

/// One syntax wherever a schedule stands: cron's five fields, as the agents read them.
fn check_schedule(text: &str) -> Result<(), String> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    let cron = parser.parse(text).map_err(|_| {
        "is not a schedule: minute, hour, day of the month, month and day of the week, such as `0,20,40 * * * *`"
            .to_owned()
    })?;
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let next = cron.find_next_occurrence(&now, false);
    next.map(|_| ())
        .map_err(|_| "names no day that ever comes".to_owned())
}

fn check_time_span(text: &str) -> Result<(), String> {
    TimeSpan::try_from(text.to_owned()).map(|_| ())
}

fn check_web_address(address: &str) -> Result<(), String> {
    let rest = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"));
    let Some(rest) = rest else {
        return Err("must begin with `https://` or `http://`".to_owned());
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err("must not hold a login: an inventory is no place for secrets".to_owned());
    }
    if host.is_empty() || !plain(rest) {
        return Err("is not an address".to_owned());
    }
    Ok(())
}

fn check_host_address(address: &str) -> Result<(), String> {
    let good =
        |one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '_' | '-' | ':' | '%');
    if address.is_empty() || address.starts_with('-') || !address.chars().all(good) {
        return Err(
            "is not an address, a host name, an alias of `~/.ssh/config`, or `self`".to_owned(),
        );
    }
    Ok(())
}

fn check_login(user: &str) -> Result<(), String> {
    if user.is_empty() || user.starts_with('-') || !plain(user) {
        return Err("is not a login name".to_owned());
    }
    Ok(())
}

fn check_host_key(key: &str) -> Result<(), String> {
    let mut words = key.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let data = words.next().unwrap_or_default();
    let known = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|start| kind.starts_with(start));
    let base64 = |one: char| one.is_ascii_alphanumeric() || matches!(one, '+' | '/' | '=');
    if !known || data.len() < 16 || !data.chars().all(base64) || key.chars().any(char::is_control) {
        return Err(
            "is not a host's public key; `ssh-keyscan HOST` prints it: `ssh-ed25519 AAAA…`".into(),
        );
    }
    Ok(())
}

fn check_ip_address(address: &str) -> Result<(), String> {
    match address.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err("is not an IP address".to_owned()),
    }
}

fn check_path(path: &str) -> Result<(), String> {
    if path.is_empty() || path.chars().any(|one| one.is_control() || one == '"') {
        return Err("is not a path".to_owned());
    }
    Ok(())
}

fn check_release(release: &str) -> Result<(), String> {
    if release.is_empty() || !release.chars().all(|one| one.is_ascii_lowercase()) {
        return Err("is not a release's code name, such as `bookworm` or `jammy`".to_owned());
    }
    Ok(())
}

fn check_network(network: &str) -> Result<(), String> {
    let parsed = network.split_once('/').and_then(|(address, bits)| {
        Some((address.parse::<Ipv4Addr>().ok()?, bits.parse::<u32>().ok()?))
    });
    let Some((address, bits)) = parsed.filter(|(_, bits)| *bits <= 32) else {
        return Err("is not a range of addresses, such as `10.213.0.0/16`".to_owned());
    };
    if bits > 24 {
        return Err(format!(
            "has room for {} addresses; each deployment takes a /24 of 256",
            1_u64 << (32 - bits)
        ));
    }
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    let first = Ipv4Addr::from_bits(address.to_bits() & mask);
    let last = Ipv4Addr::from_bits(address.to_bits() | !mask);
    // The private ranges lie far apart: when both ends are private, and the range is no larger than the largest of
    // them, so is all between.
    if bits < 8 || !first.is_private() || !last.is_private() {
        return Err("is not private; take one of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16".into());
    }
    if first != address {
        return Err(format!(
            "does not begin where a /{bits} begins; `{first}/{bits}` does"
        ));
    }
    Ok(())
}

/// Printable, without what breaks lines of configuration files apart.
fn plain(text: &str) -> bool {
    !text.chars().any(|one| {
        one.is_control() || one.is_whitespace() || matches!(one, '"' | '\'' | '\\' | '#')
    })
}

#[cfg(test)]
mod tests {
    use super::FORMATS;

    /// Format, good texts, bad texts.
    const CASES: [(&str, &[&str], &[&str]); 16] = [
        (
            "deployment-name",
            &["a", "utilization", "sixteen-letters1"],
            &[
                "",
                "1a",
                "-a",
                "a-",
                "A",
                "a b",
                "a_b",
                "a.b",
                "ä",
                "seventeen-letters",
            ],
        ),
        (
            "host-address",
            &[
                "self",
                "192.0.2.1",
                "2001:db8::1",
                "fe80::1%eth0",
                "vm_2.example.org",
            ],
            &["", "-v", "a b", "user@host", "a;b", "a\nb"],
        ),
        (
            "host-key",
            &[
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
                "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTI= me@here",
            ],
            &[
                "",
                "ssh-ed25519",
                "AAAAC3NzaC1lZDI1NTE5",
                "ssh-rsa not!base64!at!all!",
                "vm2 ssh-rsa AAAAC3NzaC1lZDI1NTE5",
            ],
        ),
        (
            "ip-address",
            &["192.0.2.1", "::1"],
            &["", "192.0.2", "host", "192.0.2.1/24"],
        ),
        (
            "lease",
            &["7d", "36h", "2m", "1w", "none"],
            &["", "1m", "d", "-7d", "never", "7"],
        ),
        (
            "login",
            &["root", "dom\u{e4}ne.user"],
            &["", "-l", "a b", "a\"b"],
        ),
        (
            "network",
            &[
                "10.0.0.0/8",
                "10.213.0.0/16",
                "172.16.0.0/12",
                "192.168.7.0/24",
            ],
            &[
                "",
                "10.0.0.0",
                "10.0.0.0/x",
                "10.0.0.0/33",
                "10.0.0.0/25",
                "10.0.0.1/24",
                "0.0.0.0/0",
                "172.0.0.0/8",
                "192.0.2.0/24",
                "::/24",
            ],
        ),
        (
            "node-name",
            &["vm2", "2", "a-b", "a-name-of-thirty-two-characters1"],
            &[
                "",
                "localhost",
                "vm_2",
                "Vm",
                "vm.2",
                "a-name-of-thirty-three-characters",
            ],
        ),
        ("path", &["~/.ssh/id", "a b"], &["", "a\nb", "a\"b"]),
        (
            "release",
            &["bookworm", "jammy"],
            &["", "12", "Bookworm", "book worm"],
        ),
        (
            "schedule",
            &["0,20,40 * * * *", "*/5 6-18 1 JAN MON-FRI"],
            &[
                "",
                "5m",
                "* * * *",
                "0 0 * * * *",
                "60 * * * *",
                "0 0 30 2 *",
            ],
        ),
        ("setting", &["", "a b", "#"], &["a\nb", "\u{1b}[0m"]),
        (
            "setting-name",
            &["log.dirs", "max_document_size", "a-b/c"],
            &["", "a b", "a=b", "[a]", "a\n"],
        ),
        (
            "time-span",
            &["0s", "500ms", "1s", "5m", "12h", "7d", "36500d"],
            &[
                "",
                "5",
                "s",
                "1 s",
                "-1s",
                "1.5s",
                "1w",
                "1S",
                "36501d",
                "99999999999999999999s",
                "18446744073709551615d",
            ],
        ),
        (
            "ttl",
            &["never", "30m", "12h", "1h 30m"],
            &["", "12", "h", "29m", "-12h", "Never"],
        ),
        (
            "web-address",
            &["https://a", "http://127.0.0.1:8080/kafka/"],
            &[
                "",
                "a",
                "ftp://a",
                "http://",
                "http:///a",
                "http://a b",
                "http://me:secret@a/",
                "file:///a",
            ],
        ),
    ];

    #[test]
    fn each_format_takes_the_good_and_refuses_the_bad() {
        assert_eq!(FORMATS.len(), CASES.len());
        for ((name, check), (case, good, bad)) in FORMATS.into_iter().zip(CASES) {
            assert_eq!(name, case);
            for text in good {
                assert_eq!(check(text), Ok(()), "{name}: {text:?}");
            }
            for text in bad {
                assert!(check(text).is_err(), "{name}: {text:?}");
            }
        }
    }
}
