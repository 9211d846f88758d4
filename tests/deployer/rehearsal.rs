//! What a rehearsal tries, as data: seen whole, so that a change of it is seen, too.

use std::collections::BTreeSet;

use deployer::rehearsal::{self, Act, Expected, Rehearsal, Vital, Wish};
use deployer::topology::CloudName;

fn wish(cloud: CloudName) -> Wish {
    Wish {
        cloud,
        power_off: true,
        vpc: None,
        arm: false,
        region: None,
    }
}

fn plan(wish: &Wish) -> Rehearsal {
    rehearsal::plan(wish).expect("a rehearsal is written for the cloud")
}

/// A rehearsal as a reader sees it.
fn text(rehearsal: &Rehearsal) -> String {
    let mut lines: Vec<String> = Vec::new();
    for variant in &rehearsal.variants {
        let changes = variant.changes.iter().map(|change| {
            let value = serde_json::to_string(&change.value).expect("JSON");
            format!("{}={value}", change.key)
        });
        let changes: Vec<String> = changes.collect();
        lines.push(format!(
            "{} ({}): {}",
            variant.name,
            variant.purpose,
            changes.join(" ")
        ));
    }
    for step in &rehearsal.steps {
        let act = match &step.act {
            Act::Verb(words) => words.join(" "),
            Act::Killed(words, moment) => format!("{}, killed at `{moment}`", words.join(" ")),
            Act::AwaitPowerOff => "-".into(),
        };
        let minutes = step.within.as_secs() / 60;
        let vital = match step.vital {
            Vital::No => "",
            Vital::ForVariant => ", vital",
            Vital::ForAll => ", vital for all",
        };
        let unless = step
            .unless_said
            .map(|word| format!(", unless {word} was said"));
        lines.push(format!(
            "{}: {}: {act} => {:?} within {minutes} min{vital}{}",
            step.variant,
            step.words,
            step.expected,
            unless.unwrap_or_default()
        ));
    }
    lines.join("\n")
}

#[test]
fn the_plan_is_what_it_was() {
    insta::assert_snapshot!("rehearsal_aws", text(&plan(&wish(CloudName::AWS))));
    insta::assert_snapshot!(
        "rehearsal_chameleon",
        text(&plan(&wish(CloudName::CHAMELEON)))
    );
    let all = Wish {
        power_off: false,
        vpc: Some("vpc-1".into()),
        arm: true,
        region: Some("eu-south-1".into()),
        ..wish(CloudName::AWS)
    };
    insta::assert_snapshot!(
        "rehearsal_aws_with_all_that_is_asked_for",
        text(&plan(&all))
    );
}

/// Whatever is asked for: what is made is taken away, before the next deployment begins, and the cloud is asked.
#[test]
fn each_deployment_is_taken_away_before_the_next_begins() {
    for bits in 0..16 {
        let bit = |n: u32| bits & (1 << n) != 0;
        let wish = Wish {
            power_off: bit(0),
            vpc: bit(1).then(|| "vpc-1".into()),
            arm: bit(2),
            region: bit(3).then(|| "eu-south-1".into()),
            ..wish(CloudName::AWS)
        };
        let rehearsal = plan(&wish);
        let names: BTreeSet<&str> = rehearsal.variants.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), rehearsal.variants.len());
        // What can be known without making anything comes first, for all of them.
        let (checks, steps) = rehearsal.steps.split_at(names.len());
        let checked: BTreeSet<&str> = checks.iter().map(|step| step.variant).collect();
        assert_eq!(checked, names);
        for step in checks {
            assert_eq!((step.verb(), step.vital), (Some("check"), Vital::ForAll));
        }
        let groups = || steps.chunk_by(|one, next| one.variant == next.variant);
        for steps in groups() {
            let makes = steps.iter().rposition(|step| step.verb() == Some("up"));
            let away = steps.iter().rposition(|step| {
                step.act == Act::Verb(vec!["teardown", "--yes"])
                    && step.expected == Expected::Code(0)
            });
            assert!(makes < away, "{}", steps[0].variant);
            assert_eq!(
                steps.last().map(|step| step.expected),
                Some(Expected::Code(64))
            );
        }
        assert_eq!(groups().count(), names.len(), "one after another");
    }
}
