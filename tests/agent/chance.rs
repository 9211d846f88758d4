//! Bytes by chance, from a fixed seed: what the fuzz targets do without end, in a second.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::any_bytes::{configuration, event};
use crate::configs::{CONSUMER, PRODUCER};

/// How many changed copies of each seed are tried.
const TRIES: usize = 2000;

/// Changes a few bytes: others, fewer, more, a piece again.
fn change(bytes: &mut Vec<u8>, chance: &mut StdRng) {
    for _ in 0..chance.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = chance.random_range(0..bytes.len());
        match chance.random_range(0..4) {
            0 => bytes[at] = chance.random(),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, chance.random_range(b' '..=b'}')),
            _ => {
                let end = chance.random_range(at..bytes.len().min(at + 20));
                bytes.extend_from_within(at..end);
            }
        }
    }
}

#[test]
fn an_event_of_any_bytes_is_a_document_or_a_dead_letter() {
    let own = r#"{"schema":1,"client":"c","run":"r","sequence":1"#;
    let seeds = [
        format!("{own}}}"),
        format!(r#"{own},"_x":[1e2,"\ud83d\ude00",null]}}"#),
        format!(
            r#"{own},"timestamp":"0000-01-01T00:00:00Z","big":123456789012345678901234567890}}"#
        ),
        format!(r#"{own},"timestamp":"9999-12-31T23:59:59Z","kafka":{{}},"event":1.50}}"#),
        r#"{"schema":2,"client":"c","run":"r","sequence":-1}"#.to_owned(),
        r#"{"_id":"x","_rev":"1-y","_deleted":true,"n":9007199254740993}"#.to_owned(),
        r#"["\ud800",1e400,{"\u005fid":0}]"#.to_owned(),
        "[".repeat(200) + &"]".repeat(200),
        String::new(),
    ];
    let mut chance = StdRng::seed_from_u64(6);
    let (mut documents, mut dead) = (0, 0);
    for seed in seeds {
        for _ in 0..TRIES {
            // A key of one byte, then the value.
            let mut bytes = [&[0, 1, b'k'], seed.as_bytes()].concat();
            change(&mut bytes, &mut chance);
            *(if event(&bytes) {
                &mut documents
            } else {
                &mut dead
            }) += 1;
        }
    }
    assert!(
        documents > TRIES / 2 && dead > TRIES,
        "{documents} documents, {dead} dead letters"
    );
}

#[test]
fn an_event_that_is_large_or_deep_is_a_document_or_a_dead_letter() {
    let value = |text: &str| [&[0, 0], text.as_bytes()].concat();
    let large = format!(r#"{{"large":"{}"}}"#, "x".repeat(9_000_000));
    assert!(
        event(&value(&large)),
        "whether it is too large is CouchDB's to say"
    );
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = open.repeat(10_000) + "0" + &close.repeat(10_000);
        assert!(!event(&value(&deep)));
    }
}

#[test]
fn a_configuration_of_any_bytes_is_taken_or_refused_in_one_line() {
    let mut chance = StdRng::seed_from_u64(6);
    let mut taken = 0;
    for seed in [PRODUCER, CONSUMER] {
        assert!(configuration(seed.as_bytes()));
        for _ in 0..TRIES {
            let mut bytes = seed.as_bytes().to_vec();
            change(&mut bytes, &mut chance);
            taken += usize::from(configuration(&bytes));
        }
    }
    assert!((1..2 * TRIES).contains(&taken), "{taken}");
}
