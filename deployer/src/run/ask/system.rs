//! How a node itself is: its system, its memory, its clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Exchange;
use super::sections::Sections;
use crate::facts::System;

impl Sections<'_> {
    pub(super) fn system(&self, os_release: &str, exchange: &Exchange) -> System {
        let os = |key: &str| {
            let value = os_release
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .unwrap_or_default();
            value.trim_matches(['"', '\'']).to_owned()
        };
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
        let memory = number(self.line("memory").split_whitespace().nth(1)).unwrap_or(0);
        let free_mib = |line: &str| {
            let (blocks, size) = line.split_once(' ')?;
            Some(number(Some(blocks))?.saturating_mul(number(Some(size))?) >> 20)
        };
        let mut software = self.lines("software");
        System {
            os: os("ID"),
            version: os("VERSION_ID"),
            codename: os("VERSION_CODENAME"),
            architecture: self.line("machine").to_owned(),
            libc: self
                .line("libc")
                .split(' ')
                .next_back()
                .unwrap_or_default()
                .to_owned(),
            filters: ["nft", "iptables", "ip6tables"].map(|name| self.text(name)),
            memory_mib: memory / 1024,
            foreign_init: self.line("foreign-init") == "yes",
            disk_free_mib: free_mib(self.line("disk")).unwrap_or(0),
            software_free_mib: software.next().and_then(free_mib),
            software_noexec: software
                .next()
                .is_some_and(|options| options.split(',').any(|option| option == "noexec")),
            unwritable: self.lines("unwritable").map(str::to_owned).collect(),
            closed: self
                .lines("closed")
                .filter_map(|line| line.split_once('\t'))
                .map(|(path, why)| (path.to_owned(), why.to_owned()))
                .collect(),
            clock_skew_ms: self.clock_skew_ms(exchange),
        }
    }

    /// The node read its clock just before its work. What the exchange took beyond that work was spent on the way, who knows
    /// how much of it before the clock was read: a slow way is no wrong clock.
    fn clock_skew_ms(&self, exchange: &Exchange) -> i64 {
        let Ok(nanoseconds) = self.line("clock").parse::<i128>() else {
            return 0;
        };
        let mut uptimes = self
            .line("uptime")
            .split(' ')
            .map(|word| word.parse::<f64>().unwrap_or(0.0));
        let (begin, end) = (uptimes.next().unwrap_or(0.0), uptimes.next().unwrap_or(0.0));
        // Told to hundredths, cut off.
        let work = Duration::try_from_secs_f64(end - begin - 0.01).unwrap_or_default();
        let here = |time: SystemTime| {
            let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
        };
        let earliest = here(exchange.asked_at);
        let latest = here(exchange.asked_at + exchange.took.saturating_sub(work));
        let apart = nanoseconds - nanoseconds.clamp(earliest, latest);
        i64::try_from(apart / 1_000_000).unwrap_or(i64::MAX)
    }
}
