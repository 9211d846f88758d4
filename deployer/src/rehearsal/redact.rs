//! What must not stand in a report that is sent to strangers: secrets, whose account it is, and where its operator sits. What is
//! known is taken out by its text; what only looks like it, by its form: rather too much than too little.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::secret::Secret;

/// Texts shorter than this are words of the language: they cannot be taken out, and are no secrets.
const SHORTEST: usize = 4;
/// How AWS's access keys and other unique ids begin (IAM's guide, "Understanding unique ID prefixes").
const KEYS: [&str; 12] = [
    "ABIA", "ACCA", "AGPA", "AIDA", "AIPA", "AKIA", "ANPA", "ANVA", "APKA", "AROA", "ASCA", "ASIA",
];

/// Takes them out.
#[derive(Debug, Default)]
pub struct Redactor {
    /// What is known, longest first, with what stands there instead.
    known: Vec<(Secret, &'static str)>,
}

impl Redactor {
    /// Takes this out from now on.
    pub fn hide(&mut self, text: Secret, instead: &'static str) {
        if text.expose().len() >= SHORTEST {
            self.known.push((text, instead));
            self.known
                .sort_by_key(|(text, _)| std::cmp::Reverse(text.expose().len()));
        }
    }

    /// A line without them.
    pub fn line(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (text, instead) in &self.known {
            line = line.replace(text.expose(), instead);
        }
        let of_arn = |c: char| !c.is_whitespace() && !"`'\"(),;<>[]{}".contains(c);
        let line = each(&line, of_arn, |word| {
            word.contains("arn:aws").then_some("<arn>")
        });
        let line = each(&line, |c| c.is_ascii_digit() || c == '.', address);
        let line = each(&line, |c| c.is_ascii_hexdigit() || c == ':', address_6);
        let of_key = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
        let line = each(&line, of_key, secret);
        each(&line, |c| c.is_ascii_alphanumeric(), id)
    }
}

/// Each longest run of such letters, judged as it is, and without the full stop or colon behind it.
fn each(
    line: &str,
    belongs: impl Fn(char) -> bool,
    judge: impl Fn(&str) -> Option<&'static str>,
) -> String {
    let mut all = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let run = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let (word, others) = rest.split_at(run);
        // A sentence may end with it.
        let bare = word.trim_end_matches(['.', ':']);
        match judge(word).or_else(|| judge(bare)) {
            Some(instead) => {
                all.push_str(instead);
                all.push_str(word.strip_prefix(bare).unwrap_or_default());
            }
            None => all.push_str(word),
        }
        let next = others.find(&belongs).unwrap_or(others.len());
        let (between, others) = others.split_at(next);
        all.push_str(between);
        rest = others;
    }
    all
}

/// Public addresses: of the operator, or of machines that are gone when somebody reads it.
fn address(word: &str) -> Option<&'static str> {
    let address: Ipv4Addr = word.parse().ok()?;
    let ours = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified();
    (!ours).then_some("<address>")
}

fn address_6(word: &str) -> Option<&'static str> {
    let address: Ipv6Addr = word.parse().ok()?;
    (address.segments()[0] & 0xe000 == 0x2000).then_some("<address>")
}

/// Tokens and secret keys: long, and of letters of all kinds. Times (`20261128T221400Z`) have few large ones.
fn secret(word: &str) -> Option<&'static str> {
    let count = |kind: fn(&u8) -> bool| word.bytes().filter(kind).count();
    let mixed = count(u8::is_ascii_lowercase) >= 3
        && count(u8::is_ascii_uppercase) >= 3
        && count(u8::is_ascii_digit) >= 1;
    (word.len() >= 32 && mixed).then_some("<secret>")
}

/// Account numbers, access keys, ids of projects and users.
fn id(word: &str) -> Option<&'static str> {
    let all = |kind: fn(&u8) -> bool| word.bytes().all(|byte| kind(&byte));
    if word.len() == 12 && all(u8::is_ascii_digit) {
        return Some("<account>");
    }
    if word.len() >= 16 && KEYS.iter().any(|key| word.starts_with(key)) {
        return Some("<access key>");
    }
    (word.len() >= 32 && all(u8::is_ascii_hexdigit)).then_some("<id>")
}

#[cfg(test)]
mod tests {
    use super::Redactor;
    use crate::secret::Secret;

    #[test]
    fn nothing_of_the_account_or_its_operator_stays() {
        let mut redactor = Redactor::default();
        for (text, instead) in [
            ("s3cr3t-of-mine", "<secret>"),
            ("CH-816532", "<project>"),
            ("/home/alice", "~"),
            ("alice@box", "<operator>"),
        ] {
            redactor.hide(Secret::new(text), instead);
        }
        for (line, shown) in [
            (
                "account 123456789012, region eu-central-1",
                "account <account>, region eu-central-1",
            ),
            (
                "User: arn:aws:sts::123456789012:assumed-role/Admin/a@example.org is not authorized",
                "User: <arn> is not authorized",
            ),
            (
                "AKIAIOSFODNN7EXAMPLE and ASIAY34FZKBOKMUTVV7A",
                "<access key> and <access key>",
            ),
            (
                "key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY.",
                "key <secret>.",
            ),
            ("token=gAAAAABmV0x-Zk3_q9aBcDeFgHiJkLmNoPqRsTuV", "<secret>"),
            (
                "Encoded authorization failure message: 4Hk9tYv8dQ2wXzLmNpRsTuVwXyZ0123456789abc",
                "Encoded authorization failure message: <secret>",
            ),
            (
                "project 0123456789abcdef0123456789abcdef is full",
                "project <id> is full",
            ),
            (
                "bob in the project CH-816532",
                "bob in the project <project>",
            ),
            ("s3cr3t-of-mine!", "<secret>!"),
            (
                "let in tcp 22 from 198.51.100.7/32, members 10.77.0.4.",
                "let in tcp 22 from <address>/32, members 10.77.0.4.",
            ),
            (
                "seen as 203.0.113.9. Or 2001:db8::17, ::1 here at 22:10:11",
                "seen as <address>. Or <address>, ::1 here at 22:10:11",
            ),
            (
                "2001:db8::/32 and 2001:db8:1::",
                "<address>::/32 and <address>::",
            ),
            ("alice@box /home/alice/.cache", "<operator> ~/.cache"),
        ] {
            assert_eq!(redactor.line(line), shown);
        }
    }

    #[test]
    fn what_a_reader_needs_stays() {
        let redactor = Redactor::default();
        for line in [
            "vm1: i-0123456789abcdef0 in vpc-0123456789abcdef0 of t3.small",
            "server 8c2f5a1e-93f4-4c1b-a6a5-0f3f1f6a2b7d, lease 2026-11-28 22:14",
            "UnauthorizedOperation (RequestID: 59dbff89-35bd-4eac-99ed-be5870123456)",
            "kafka 3.9.1, 2048 MiB, 12 of 16 vCPUs, 0.0208 USD/h ✓",
            "id 0a1b2c3d4e5f is gone (12.3 s)",
            "document:  utilizations1/vm1-20261128T225603Z-00000005  2026-11-28T22:56:03.609Z",
            "",
        ] {
            assert_eq!(redactor.line(line), line);
        }
    }
}
