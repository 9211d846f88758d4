//! Where Debian packages come from: the box's own apt sources and settings, read for use in a base image. Pure.

/// An apt source: one place and one suite of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Base address.
    pub(super) uri: String,
    /// Suite, such as `bookworm-security`.
    pub(super) suite: String,
    /// Components, such as `main`.
    pub(super) components: Vec<String>,
}

/// The distributions' own components; others belong to somebody else's repository.
const COMPONENTS: [&str; 7] = [
    "main",
    "contrib",
    "non-free",
    "non-free-firmware",
    "universe",
    "restricted",
    "multiverse",
];

impl Source {
    /// In apt's one-line form.
    pub(super) fn line(&self) -> String {
        format!(
            "deb {} {} {}",
            self.uri,
            self.suite,
            self.components.join(" ")
        )
    }

    /// Whether this is Debian's or Ubuntu's own, of a release. A suite alone does not tell: others name theirs alike.
    fn belongs_to(&self, release: &str) -> bool {
        let rest = self.suite.strip_prefix(release);
        let suite =
            rest.is_some_and(|rest| matches!(rest, "" | "-updates" | "-security" | "/updates"));
        let last = self.uri.trim_end_matches('/').rsplit('/').next();
        let place = last.is_some_and(|l| l.starts_with("debian") || l.starts_with("ubuntu"));
        let reachable = self.uri.starts_with("http://") || self.uri.starts_with("https://");
        suite
            && place
            && reachable
            && !self.components.is_empty()
            && self.components.iter().all(|c| COMPONENTS.contains(&&**c))
    }
}

/// The sources of a release out of apt's files (name and text each); those of the base suite first. `follow` reads the
/// list that a `mirror+file:` address names.
pub(super) fn own_sources(
    files: &[(String, String)],
    release: &str,
    follow: &dyn Fn(&str) -> Option<String>,
) -> Vec<Source> {
    let mut all = Vec::new();
    for (name, text) in files {
        let found = if name.ends_with(".sources") {
            stanzas(text)
        } else {
            text.lines().filter_map(one_line).collect()
        };
        for mut source in found {
            if let Some(list) = source.uri.strip_prefix("mirror+file:") {
                let first = follow(list).and_then(|text| first_address(&text));
                source.uri = first.unwrap_or_default();
            }
            if source.belongs_to(release) && !all.contains(&source) {
                all.push(source);
            }
        }
    }
    all.sort_by_key(|source| source.suite != release);
    all
}

/// The same sources for another release.
pub(super) fn for_release(sources: &[Source], own: &str, release: &str) -> Vec<Source> {
    let other = |source: &Source| Source {
        suite: source.suite.replacen(own, release, 1),
        ..source.clone()
    };
    sources.iter().map(other).collect()
}

/// `deb [options] URI SUITE COMPONENT…`
fn one_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let mut rest = line.strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    rest = rest.trim_start();
    if let Some(options) = rest.strip_prefix('[') {
        rest = options.split_once(']')?.1;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        uri: words.next()?,
        suite: words.next()?,
        components: words.collect(),
    })
}

/// deb822: stanzas of `Field: words`, continued by indented lines.
fn stanzas(text: &str) -> Vec<Source> {
    let mut all = Vec::new();
    let plain = text.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<&str> = plain.collect();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let words = |field: &str| field_words(stanza, field);
        let off = words("Enabled").iter().any(|word| word == "no");
        if off || !words("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        for uri in words("URIs") {
            for suite in words("Suites") {
                all.push(Source {
                    uri: uri.clone(),
                    suite,
                    components: words("Components"),
                });
            }
        }
    }
    all
}

fn field_words(stanza: &[&str], field: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut inside = false;
    for line in stanza {
        let value = if line.starts_with([' ', '\t']) {
            *line
        } else {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            inside = name.trim().eq_ignore_ascii_case(field);
            value
        };
        if inside {
            words.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn first_address(text: &str) -> Option<String> {
    let mut words = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_whitespace().next());
    words.next().map(str::to_owned)
}

/// The lines of `apt-config dump` that a machine of this box needs too: proxies, and what makes a snapshot mirror usable.
pub(super) fn settings(dump: &str) -> String {
    let wanted = |line: &str| {
        let name = line.split_whitespace().next().unwrap_or_default();
        name.starts_with("Acquire::") && name.contains("::Proxy") && !name.contains("Detect")
            || matches!(
                name,
                "Acquire::Check-Valid-Until" | "Acquire::Check-Date" | "Acquire::Retries"
            )
    };
    dump.split_inclusive('\n')
        .filter(|line| !line.trim_end().ends_with("\"\";") && wanted(line))
        .collect()
}

/// The proxy for one kind of address (`http`, `https`), for programs that are not apt.
pub(super) fn proxy<'a>(settings: &'a str, kind: &str) -> Option<&'a str> {
    let name = format!("Acquire::{kind}::Proxy ");
    let line = settings.lines().find_map(|line| line.strip_prefix(&name))?;
    Some(line.trim_matches(['"', ';', ' '])).filter(|proxy| *proxy != "DIRECT")
}

#[cfg(test)]
mod tests {
    use super::{for_release, own_sources, proxy, settings};

    fn lines(name: &str, text: &str, release: &str) -> Vec<String> {
        let follow = |path: &str| {
            (path == "/etc/apt/mirrors/debian.list")
                .then(|| "# ours\nhttps://mirror.example/debian\thint\n".to_owned())
        };
        own_sources(&[(name.into(), text.into())], release, &follow)
            .iter()
            .map(super::Source::line)
            .collect()
    }

    #[test]
    fn takes_the_distributions_own_one_line_entries() {
        let text = "\
# deb http://mirror.example/debian bookworm main
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/x.gpg] http://mirror.example/debian-security bookworm-security main contrib
deb http://ftp.example.org/debian/ bookworm main # ours
deb https://apt.releases.example.com bookworm main
deb https://download.example.com/linux/debian bookworm stable
deb http://mirror.example/debian bullseye main
deb cdrom:[Debian]/debian bookworm main
deb";
        let expected = [
            "deb http://ftp.example.org/debian/ bookworm main",
            "deb http://mirror.example/debian-security bookworm-security main contrib",
        ];
        assert_eq!(lines("sources.list", text, "bookworm"), expected);
    }

    #[test]
    fn takes_the_distributions_own_stanzas() {
        let text = "\
Types: deb deb-src
# a comment
URIs: mirror+file:/etc/apt/mirrors/debian.list
Suites: bookworm
  bookworm-updates
Components: main

Enabled: no
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm-security
Components: main

Types: deb
URIs: https://deb.example.com/node_20.x
Suites: nodistro
Components: main
";
        let expected = [
            "deb https://mirror.example/debian bookworm main",
            "deb https://mirror.example/debian bookworm-updates main",
        ];
        assert_eq!(lines("debian.sources", text, "bookworm"), expected);
    }

    #[test]
    fn another_release_has_its_own_suites() {
        let text = "deb http://a/debian-security bookworm-security main";
        let own = own_sources(&[("a.list".into(), text.into())], "bookworm", &|_| None);
        let other = for_release(&own, "bookworm", "trixie");
        assert_eq!(other[0].suite, "trixie-security");
    }

    #[test]
    fn copies_proxies_and_nothing_personal() {
        let dump = "\
APT::Architecture \"amd64\";
Acquire::http::Proxy \"http://proxy:3128\";
Acquire::http::Proxy::mirror.example \"DIRECT\";
Acquire::https::Proxy \"DIRECT\";
Acquire::http::Proxy-Auto-Detect \"/usr/bin/x\";
Acquire::Check-Valid-Until \"false\";
Acquire::ftp::Proxy \"\";
";
        let settings = settings(dump);
        assert_eq!(settings.lines().count(), 4, "{settings}");
        assert_eq!(proxy(&settings, "http"), Some("http://proxy:3128"));
        assert_eq!(proxy(&settings, "https"), None);
    }
}
