//! Logins of a web site: who, when, by which browser and from where.

use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::generator::Generator;
use crate::event::{Login, Payload, format_microseconds};

/// How many users there are.
const USERS: u32 = 500;
/// The first and the last moment of a login, in seconds: 2022-01-01 and 2022-12-31.
const SECONDS: [i64; 2] = [1_640_995_200, 1_672_444_800];
const BROWSERS: [&str; 4] = ["safari", "chrome", "firefox", "edge"];
const COUNTRIES: [&str; 6] = ["Finland", "US", "South Korea", "India", "Spain", "Sweden"];

/// Makes logins; none depends on another.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Logins {}

impl Generator for Logins {
    const NAME: &'static str = "Logins";

    fn new(_: u64) -> Self {
        Self {}
    }

    fn make(&mut self, chance: &mut ChaCha8Rng, _: Timestamp) -> Option<Payload> {
        let [first, last] = SECONDS.map(|seconds| seconds * 1_000_000);
        let at = Timestamp::from_microsecond(chance.random_range(first..=last)).ok()?;
        let login = Login {
            user_id: format!("user{}", chance.random_range(1..=USERS)),
            timestamp: format_microseconds(at),
            browser_info: BROWSERS.choose(chance)?,
            country: COUNTRIES.choose(chance)?,
        };
        Some(Payload::Login { login })
    }

    fn pause(_: &mut ChaCha8Rng) -> Duration {
        Duration::from_millis(100)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::generator::tests::make;
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_logins_also_over_restarts() {
        let logins = make::<Logins>(7, 1999, usize::MAX);
        assert_eq!(make::<Logins>(7, 1999, 13), logins);
        assert_ne!(make::<Logins>(8, 1999, 13), logins);
        assert_eq!(
            logins[..2],
            [
                json!({"kind": "login", "login": {
                    "user_id": "user92",
                    "timestamp": "2022-02-27T10:30:24.132859Z",
                    "browser_info": "safari",
                    "country": "US",
                }}),
                json!({"kind": "login", "login": {
                    "user_id": "user54",
                    "timestamp": "2022-12-28T03:03:44.137269Z",
                    "browser_info": "safari",
                    "country": "Sweden",
                }}),
            ]
        );
    }

    #[test]
    fn they_are_spread_over_the_year_the_users_the_browsers_and_the_countries() {
        let mut counts = BTreeMap::<String, usize>::new();
        for event in make::<Logins>(1, 12_000, usize::MAX) {
            let login = &event["login"];
            let text = |name: &str| login[name].as_str().expect("a text").to_owned();
            let month = text("timestamp")[..7].to_owned();
            for value in [
                text("user_id"),
                text("browser_info"),
                text("country"),
                month,
            ] {
                *counts.entry(value).or_default() += 1;
            }
        }
        let users = counts.keys().filter(|key| key.starts_with("user")).count();
        assert_eq!((users, counts.len()), (500, 500 + 4 + 6 + 12));
        assert!((2800..3200).contains(&counts["edge"]), "{counts:?}");
        assert!((1850..2150).contains(&counts["Spain"]), "{counts:?}");
        assert!((900..1150).contains(&counts["2022-07"]), "{counts:?}");
    }
}
