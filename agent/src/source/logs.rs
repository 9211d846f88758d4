//! Lines of a log: mostly harmless, some warnings, an error now and then.

use std::time::Duration;

use jiff::Timestamp;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::generator::Generator;
use crate::event::Payload;

/// Milliseconds between two lines.
const PAUSES: std::ops::RangeInclusive<u64> = 100..=1000;
/// How often a line has a word of the pattern in its middle.
const PATTERN: f64 = 0.07;

/// Makes lines. Their levels are those of the program that this stands for, which draws them as Java does: with its seed,
/// 192837465, two of the first hundred lines are errors.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Logs {
    levels: JavaRandom,
}

impl Generator for Logs {
    const NAME: &'static str = "Logs";

    fn new(seed: u64) -> Self {
        Self {
            levels: JavaRandom::new(seed),
        }
    }

    fn make(&mut self, chance: &mut ChaCha8Rng, at: Timestamp) -> Option<Payload> {
        let time = at.strftime("%Y-%m-%d %H:%M:%S%.3f");
        let level = level(self.levels.next_float());
        let text = text(chance);
        let line = format!("{time} [main] {level:<5} HelperUtils.Parameters$ - {text}");
        Some(Payload::Line { line })
    }

    fn pause(chance: &mut ChaCha8Rng) -> Duration {
        Duration::from_millis(chance.random_range(PAUSES))
    }
}

fn level(chance: f32) -> &'static str {
    match chance {
        ..0.01 => "ERROR",
        0.01..0.2 => "WARN",
        0.2..0.3 => "DEBUG",
        _ => "INFO",
    }
}

/// 12 to 60 printable characters, none of them a blank; in the middle of some a word of the pattern.
fn text(chance: &mut ChaCha8Rng) -> String {
    let half = chance.random_range(10..60) / 2 + 1;
    let printable = |chance: &mut ChaCha8Rng| char::from(chance.random_range(b'!'..=b'~'));
    let mut text: String = (0..half).map(|_| printable(chance)).collect();
    if chance.random_bool(PATTERN) {
        for _ in 0..chance.random_range(5..=15) {
            text.extend(syllable(chance));
        }
    }
    text.extend((0..half).map(|_| printable(chance)));
    text
}

/// `[a-c][e-g][0-3]|[A-Z][5-9][f-w]`
fn syllable(chance: &mut ChaCha8Rng) -> [char; 3] {
    let ranges = if chance.random_bool(0.5) {
        [b'a'..=b'c', b'e'..=b'g', b'0'..=b'3']
    } else {
        [b'A'..=b'Z', b'5'..=b'9', b'f'..=b'w']
    };
    ranges.map(|range| char::from(chance.random_range(range)))
}

/// The chance of `java.util.Random`.
#[derive(Debug, Serialize, Deserialize)]
struct JavaRandom(u64);

impl JavaRandom {
    const FACTOR: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: u64) -> Self {
        Self((seed ^ Self::FACTOR) & Self::MASK)
    }

    /// `nextFloat`: 24 bits, from 0 to 1.
    fn next_float(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(Self::FACTOR).wrapping_add(0xb) & Self::MASK;
        #[expect(clippy::cast_precision_loss, reason = "a float has 24 bits")]
        let bits = (self.0 >> 24) as f32;
        bits / 16_777_216.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::generator::tests::make;
    use super::*;

    /// The first letters of the levels that the authors' program gives with its seed, computed with Java 17.
    const LEVELS: &str = include_str!("testdata/levels.txt");
    const SEED: u64 = 192_837_465;

    fn lines(seed: u64, count: usize, restart: usize) -> Vec<String> {
        let events = make::<Logs>(seed, count, restart).into_iter();
        let line = |event: serde_json::Value| event["line"].as_str().map(str::to_owned);
        events.filter_map(line).collect()
    }

    #[test]
    fn the_authors_seed_gives_the_levels_of_the_authors() {
        let lines = lines(SEED, 100, 7);
        let letters: String = lines.iter().map(|line| &line[31..32]).collect();
        assert_eq!(letters, LEVELS.trim_end());
        let mut counts = BTreeMap::<&str, usize>::new();
        for line in &lines {
            *counts.entry(line[31..36].trim_end()).or_default() += 1;
        }
        let expected = [("DEBUG", 7), ("ERROR", 2), ("INFO", 64), ("WARN", 27)];
        assert_eq!(counts, BTreeMap::from(expected));
    }

    #[test]
    fn the_same_seed_gives_the_same_lines_also_over_restarts() {
        let all = lines(7, 1000, usize::MAX);
        assert_eq!(lines(7, 1000, 13), all);
        assert_ne!(lines(8, 1000, 13), all);
        assert_eq!(
            all[..2],
            [
                "1970-01-01 00:00:00.000 [main] INFO  HelperUtils.Parameters$ - 0:c$e'YmB7pBCO~K3fET",
                "1970-01-01 00:00:00.000 [main] INFO  HelperUtils.Parameters$ - !{dKR`&JQeaV}YeS",
            ]
        );
    }

    #[test]
    fn texts_are_as_long_as_the_authors_and_some_have_the_pattern() {
        let all = lines(1, 20_000, usize::MAX);
        let texts: Vec<&str> = all
            .iter()
            .map(|line| line.split_once(" - ").expect("a text").1)
            .collect();
        let is_good = |text: &str| text.bytes().all(|byte| (33..=126).contains(&byte));
        assert!(texts.iter().all(|text| is_good(text)));
        let lengths = || texts.iter().map(|text| text.len());
        assert_eq!(lengths().min(), Some(12));
        assert!(lengths().max().is_some_and(|most| most > 60 && most <= 105));
        let long = lengths().filter(|length| *length > 60).count();
        assert!((300..1000).contains(&long), "{long}");
    }
}
