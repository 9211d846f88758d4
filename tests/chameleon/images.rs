//! Which image is taken: whose it is, before how new it is. From data alone.

use deployer::cloud::chameleon::images::{Image, choose};

fn image(id: &str, owner: &str, official: bool, created: &str) -> Image {
    Image {
        id: id.into(),
        owner: owner.into(),
        official,
        created: created.into(),
        ..Image::default()
    }
}

/// Anybody of a Chameleon site may publish an image of any name, and it gets our keys.
#[test]
fn whose_it_is_comes_before_how_new_it_is() {
    let own = |id: &str, created: &str| image(id, "chameleon", true, created);
    let other = |id: &str, owner: &str, created: &str| image(id, owner, false, created);
    for (all, taken) in [
        (
            vec![
                own("a", "2026-01"),
                own("b", "2026-03"),
                own("c", "2026-02"),
            ],
            Some("b"),
        ),
        (
            vec![own("a", "2026-01"), other("b", "somebody", "2026-03")],
            Some("a"),
        ),
        (
            vec![other("a", "mine", "2026-01"), other("b", "mine", "2026-03")],
            Some("b"),
        ),
        // Nobody's word decides between two.
        (
            vec![
                other("a", "mine", "2026-01"),
                other("b", "somebody", "2026-03"),
            ],
            None,
        ),
        (
            vec![own("a", "2026-01"), image("b", "somebody", true, "2026-03")],
            None,
        ),
    ] {
        let chosen = choose("CC-Ubuntu24.04", &all);
        match (chosen, taken) {
            (Ok(image), Some(id)) => assert_eq!(image.id, id, "{all:?}"),
            (Err(error), None) => {
                let said = error.to_string();
                for words in [
                    "several projects",
                    "a (",
                    "b (",
                    "the project somebody",
                    "by its id",
                ] {
                    assert!(said.contains(words), "{said}");
                }
            }
            (chosen, _) => panic!("{all:?}: {chosen:?}"),
        }
    }
}
