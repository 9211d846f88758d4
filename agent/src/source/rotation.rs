//! Which names a file has after its rotation, as logrotate and the loggers' own rotations give them.

/// The most digits of a number that counts rotations; more are a date or a time.
const COUNT: usize = 3;
/// The fewest digits of a date: year and month.
const DATE: usize = 6;
/// The ends of compressed files.
const COMPRESSED: [&str; 6] = [".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z"];

/// What a name is to the name of a file that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kin {
    /// The file itself.
    Itself,
    /// The file after a rotation.
    Rotated,
    /// The same, compressed: its lines cannot be read any more.
    Compressed,
    /// Another file.
    Stranger,
}

/// Returns what `other` is to `name`: `app.log.1`, `app.log-20240101`, `app.log.2024-01-01`, `app.log.old` and, with the
/// name's own ending behind it, `app.1.log` and `app-20240101.log` are `app.log` after a rotation; `app.log.audit`,
/// `app-2.log` and `app.log2` are neighbours.
pub(super) fn kin(name: &str, other: &str) -> Kin {
    if other == name {
        return Kin::Itself;
    }
    let plain = COMPRESSED.iter().find_map(|end| other.strip_suffix(end));
    let bare = plain.unwrap_or(other);
    let behind = bare.strip_prefix(name);
    let between = name.rfind('.').filter(|dot| *dot > 0).and_then(|dot| {
        let (stem, ending) = name.split_at(dot);
        bare.strip_prefix(stem)?.strip_suffix(ending)
    });
    let is_rotated = behind.is_some_and(|rest| {
        // `app.log.gz` alone is what `gzip app.log` makes of the file itself.
        is_mark(rest) || rest == ".old" || rest.is_empty() && plain.is_some()
    }) || between.is_some_and(is_mark);
    match (is_rotated, plain) {
        (true, None) => Kin::Rotated,
        (true, Some(_)) => Kin::Compressed,
        (false, _) => Kin::Stranger,
    }
}

/// Returns whether this is a count behind a full stop, or a date or time, maybe with a count.
fn is_mark(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(['.', '-', '_']) else {
        return false;
    };
    let digits = rest.chars().filter(char::is_ascii_digit).count();
    if digits == rest.len() && digits <= COUNT {
        return digits > 0 && text.starts_with('.');
    }
    let is_part = |c: char| c.is_ascii_digit() || "-_.:T".contains(c);
    digits >= DATE && rest.starts_with(|c: char| c.is_ascii_digit()) && rest.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_are_told_from_neighbours() {
        let rotated = [
            "app.log.1",
            "app.log.0",
            "app.log.12",
            "app.log.20240101",
            "app.log-202401",
            "app.log-20240101-12",
            "app.log-20240101.1",
            "app.log.20240101",
            "app.log-202401",
            "app.log.20240101",
            "app.log-202401",
            "app.log.2024-01-01",
            "app.log-2024-01-01T10:00:00",
            "app.log-1700000000",
            "app.log.2024-01-01_10",
            "app.log.old",
            "app.1.log",
            "app-20240101.log",
            "app-2024-01-01.log",
            "app-2024-01-01-1.log",
            "app.2024-01-01.log",
        ];
        for other in rotated {
            assert_eq!(kin("app.log", other), Kin::Rotated, "{other}");
            let packed = format!("{other}.gz");
            assert_eq!(kin("app.log", &packed), Kin::Compressed, "{packed}");
        }
        for other in ["app.log.gz", "app.log.3.zst", "app-20240101.log.xz"] {
            assert_eq!(kin("app.log", other), Kin::Compressed, "{other}");
        }
        assert_eq!(kin("app.log", "app.log"), Kin::Itself);
        for other in [
            "app.log.audit",
            "app.log.errors",
            "app.log2",
            "app.log1",
            "app.log-1",
            "app.log-errors",
            "app.log.",
            "app.log.1.bak",
            "app.log.1a",
            "app.log.2024",
            "app.log~",
            "app.log.swp",
            "app.log.old.log",
            "app-2.log",
            "app-errors.log",
            "app2.log",
            "app.log.-20240101",
            "other.log.1",
            "app",
            "my-app.log.1",
        ] {
            assert_eq!(kin("app.log", other), Kin::Stranger, "{other}");
        }
        for (name, other, expected) in [
            ("app", "app.1", Kin::Rotated),
            ("app", "app-20240101", Kin::Rotated),
            ("app", "app-errors", Kin::Stranger),
            ("app", "app.log", Kin::Stranger),
            (".log", ".log.1", Kin::Rotated),
            (".log", ".1.log", Kin::Stranger),
            ("syslog", "syslog.1", Kin::Rotated),
            ("a.b.log", "a.b.log.1", Kin::Rotated),
            ("a.b.log", "a.b.1.log", Kin::Rotated),
            ("a.b.log", "a.c.log.1", Kin::Stranger),
        ] {
            assert_eq!(kin(name, other), expected, "{name} {other}");
        }
    }
}
