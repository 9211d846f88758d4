//! What bad inventories are told. Each file of `tests/fixtures/bad` has a golden answer.

use std::path::Path;

use deployer::inventory::{self, CloudName, Problems};
use deployer::layout;
use deployer::topology::{Ids, Options, Topology};

/// What is wrong with a text, by itself or in how its parts fit together.
fn problems(bytes: &[u8], file: &str, options: &Options) -> Option<Problems> {
    match Topology::read(bytes, file, options) {
        Ok(inventory) => Topology::new(&inventory, options, &Ids::default()).err(),
        Err(problems) => Some(problems),
    }
}

fn told(bytes: &[u8]) -> String {
    problems(bytes, "test.yaml", &Options::default()).map_or_else(
        || "nothing is wrong".to_owned(),
        |problems| problems.to_string(),
    )
}

#[test]
fn bad_inventories_are_told_all_that_is_wrong_and_where() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/bad");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the fixtures") {
        let path = entry.expect("a fixture").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let bytes = std::fs::read(&path).expect("the fixture");
        let file = format!("inventory/{name}.yaml");
        let problems = problems(&bytes, &file, &Options::default())
            .unwrap_or_else(|| panic!("{name}: nothing is wrong"));
        for problem in &problems {
            let position = problem.position.expect("a position");
            let lines = String::from_utf8_lossy(&bytes).lines().count();
            assert!(position.line <= lines.max(1) + 1, "{name}: {problem}");
        }
        insta::with_settings!({
            description => String::from_utf8_lossy(&bytes),
            omit_expression => true,
            prepend_module_to_snapshot => false,
        }, {
            insta::assert_snapshot!(format!("bad_{name}"), problems);
        });
        seen += 1;
    }
    assert!(seen >= 40, "only {seen} fixtures");
    // An answer without its question would never be compared again.
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/deployer/snapshots");
    let answers = std::fs::read_dir(snapshots)
        .expect("the snapshots")
        .map(|entry| entry.expect("a snapshot").file_name())
        .filter(|name| name.to_string_lossy().starts_with("bad_"))
        .count();
    assert_eq!(answers, seen, "snapshots and fixtures");
}

#[test]
fn what_is_no_text_or_no_yaml_is_refused_first() {
    let cases: [(&[u8], &str); 8] = [
        (
            b"",
            "test.yaml:1:1: the file is empty: there is no inventory in it",
        ),
        (
            b"# only a comment\n",
            "test.yaml:1:1: the file is empty: there is no inventory in it",
        ),
        (
            b"name: a\nnodes: \xff\xfe\n",
            "test.yaml:2:8: the file is not UTF-8 from here on",
        ),
        (
            b"\xff\xfen\0a\0",
            "test.yaml:1:1: the file is not UTF-8 from here on",
        ),
        (
            b"name: a\0b\n",
            "test.yaml:1:8: control characters are not allowed",
        ),
        (
            b"name: \"a\n",
            "test.yaml:1:7: a text in quotes is not closed; the same kind of quote ends it; `''` is a quote inside single ones",
        ),
        (
            b"{name: a, nodes: {vm1: {}}, name: b}",
            "test.yaml:1:29: the key `name` is there twice; the first is in line 1",
        ),
        (&[b'['; 500], "test.yaml:1:256: nested too deeply"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(told(bytes), expected);
    }
    assert_eq!(
        told(&vec![b' '; 300 << 10]),
        "test.yaml:1:1: the file is larger than 256 KiB"
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let text = format!("\u{feff}{}", inventory::DEFAULT.replace('\n', "\r\n"));
    assert_eq!(told(text.as_bytes()), "nothing is wrong");
    assert_eq!(
        told(text.replace("kafka:\r\n", "kafkka:\r\n").as_bytes()),
        "test.yaml:12:1: kafkka: unknown key; did you mean `kafka`?"
    );
}

#[test]
fn options_are_checked_like_the_file() {
    let inventory = layout::parse(inventory::DEFAULT.as_bytes(), "x.yaml").expect("good");
    let options = Options {
        name: Some("No Good".into()),
        cloud: Some(CloudName::EXISTING),
    };
    let problems = Topology::new(&inventory, &options, &Ids::default()).expect_err("bad");
    insta::assert_snapshot!(problems);
}

#[test]
fn arbitrary_bytes_are_refused_without_panic() {
    // A generator of its own, so that every run tries the same.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let words: Vec<Vec<u8>> = [
        "name: ",
        "nodes:\n",
        "  vm1: ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "roles: ",
        "kafka",
        "&a ",
        "*a",
        "\n",
        "\n  ",
        "- ",
        "? ",
        ": ",
        "\t",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "!!str ",
        "!x ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "# ",
        "<<: *a",
        "null",
        "1e999",
        "-0",
        "0x1F",
        ".nan",
        "\u{feff}",
        "\u{85}",
        "é",
        "\u{1F600}",
        "clouds:\n",
        "existing: ",
        "count: 2",
        "18446744073709551616",
    ]
    .iter()
    .map(|word| word.as_bytes().to_vec())
    .chain([vec![0xff], vec![0], vec![0xc3]])
    .collect();
    let mut refused = 0;
    for round in 0..2000 {
        // Nonsense of words, and the good inventory with a few bytes or words changed.
        let mut bytes = Vec::new();
        if round % 2 == 0 {
            for _ in 0..random(40) {
                bytes.extend(&words[random(words.len())]);
            }
        } else {
            bytes.extend(inventory::DEFAULT.as_bytes());
            for _ in 0..=random(4) {
                let start = random(bytes.len());
                let end = (start + random(12)).min(bytes.len());
                let word = words[random(words.len())].clone();
                bytes.splice(start..end, word);
            }
        }
        if let Some(problems) = problems(&bytes, "x.yaml", &Options::default()) {
            assert!(problems.iter().next().is_some(), "{bytes:?}");
            assert!(!problems.to_string().is_empty(), "{bytes:?}");
            refused += 1;
        }
    }
    // Some changes are in comments and in values.
    assert!((1000..2000).contains(&refused), "{refused} of 2000 refused");
}

#[test]
fn deep_and_large_texts_are_refused_in_time() {
    let began = std::time::Instant::now();
    let deep_block = "- ".repeat(100_000);
    let deep_behind_a_duplicate = format!("a: 1\na: 1\nb:\n  {deep_block}");
    let many = (0..20_000).fold(String::from("nodes:\n"), |text, index| {
        text + &format!("  n{index}: \n")
    });
    for text in [
        deep_block,
        deep_behind_a_duplicate,
        "{".repeat(1 << 18),
        "? ".repeat(1 << 17),
        many,
    ] {
        assert_ne!(told(text.as_bytes()), "nothing is wrong");
    }
    assert!(began.elapsed().as_secs() < 60, "took {:?}", began.elapsed());
}
