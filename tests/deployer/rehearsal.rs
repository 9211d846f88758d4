//! What a rehearsal tries, as data: seen whole, so that a change of it is seen, too.

use std::collections::BTreeSet;

use deployer::rehearsal::{self, Act, Expected, NoRehearsal, Rehearsal, Vital, Wishes, aws};
use deployer::topology::CloudName;

fn plan(cloud: CloudName, wishes: aws::Wishes) -> Rehearsal {
    rehearsal::plan(Some(cloud), &Wishes { aws: wishes })
        .expect("a rehearsal is written for the cloud")
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
    let none = aws::Wishes::default;
    insta::assert_snapshot!("rehearsal_aws", text(&plan(CloudName::AWS, none())));
    insta::assert_snapshot!(
        "rehearsal_chameleon",
        text(&plan(CloudName::CHAMELEON, none()))
    );
    let all = aws::Wishes {
        least_policy: false,
        no_power_off: true,
        vpc: Some("vpc-1".into()),
        arm64: true,
        second_region: Some("eu-south-1".into()),
    };
    insta::assert_snapshot!(
        "rehearsal_aws_with_all_that_is_asked_for",
        text(&plan(CloudName::AWS, all))
    );
}

#[test]
fn a_cloud_refuses_what_another_one_has() {
    let aws = aws::Wishes {
        least_policy: true,
        vpc: Some("vpc-1".into()),
        ..aws::Wishes::default()
    };
    let wishes = Wishes { aws };
    let refused = rehearsal::plan(Some(CloudName::CHAMELEON), &wishes);
    let (option, cloud) = ("--least-policy", CloudName::AWS);
    assert_eq!(refused, Err(NoRehearsal::OfAnother { option, cloud }));
    let remarks = rehearsal::plan(Some(cloud), &wishes).map(|plan| plan.remarks.len());
    assert_eq!(remarks, Ok(1));
    for cloud in [None, Some(CloudName::LOCAL)] {
        assert_eq!(rehearsal::plan(cloud, &wishes), Err(NoRehearsal::NoCloud));
    }
}

/// Whatever is asked for: what is made is taken away, before the next deployment begins, and the cloud is asked.
#[test]
fn each_deployment_is_taken_away_before_the_next_begins() {
    for bits in 0..16 {
        let bit = |n: u32| bits & (1 << n) != 0;
        let wishes = aws::Wishes {
            least_policy: false,
            no_power_off: !bit(0),
            vpc: bit(1).then(|| "vpc-1".into()),
            arm64: bit(2),
            second_region: bit(3).then(|| "eu-south-1".into()),
        };
        let rehearsal = plan(CloudName::AWS, wishes);
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
