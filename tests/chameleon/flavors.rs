//! Which flavor a machine gets, and sites that have none for it. From data alone.

use deployer::cloud::chameleon::Settings;
use deployer::cloud::chameleon::catalog::{Offer, flavor, require_time, require_virtual_machines};
use deployer::cloud::chameleon::costs::words;
use deployer::cloud::chameleon::images::Image;
use deployer::cloud::chameleon::observed::Size;
use deployer::topology::Site;
use jiff::SignedDuration;

use super::bench::machine;

/// Chameleon's, as its documentation lists them, and a host's.
fn offers() -> Vec<Offer> {
    [
        ("m1.tiny", 1, 512, 1),
        ("m1.small", 1, 2048, 20),
        ("baremetal", 1, 2048, 20),
        ("m1.medium", 2, 4096, 40),
        ("m1.large", 4, 8192, 40),
    ]
    .map(|(name, processors, memory_mib, disk_gib)| Offer {
        id: name.into(),
        name: name.into(),
        size: Size {
            processors,
            memory_mib,
            disk_gib,
        },
    })
    .into()
}

fn chosen(offers: &[Offer], memory_mib: u64, kafka: bool) -> Result<String, String> {
    let mut machine = machine("vm1", memory_mib);
    machine.open = kafka;
    let chosen = flavor(offers, &Settings::default(), &machine, &Image::default());
    chosen
        .map(|offer| offer.name)
        .map_err(|error| error.to_string())
}

#[test]
fn kafka_gets_two_processors_where_there_are_such() {
    let all = offers();
    for (memory_mib, kafka, name) in [
        (2048, false, "m1.small"),
        (2048, true, "m1.medium"),
        (6000, true, "m1.large"),
    ] {
        assert_eq!(chosen(&all, memory_mib, kafka).as_deref(), Ok(name));
    }
    // Better one than none.
    assert_eq!(chosen(&all[..2], 2048, true).as_deref(), Ok("m1.small"));
    // Who names a flavor has decided.
    let settings = Settings {
        flavor: Some("m1.small".into()),
        ..Settings::default()
    };
    let mut broker = machine("vm1", 2048);
    broker.open = true;
    let named = flavor(&all, &settings, &broker, &Image::default());
    assert_eq!(named.expect("it fits").name, "m1.small");
}

/// At CHI@TACC and CHI@UC whatever `flavor` says cannot work: it is refused before anything is made.
#[test]
fn a_site_without_virtual_machines_is_refused() {
    for site in [Site::ChiTacc, Site::ChiUc] {
        let named = Settings {
            site: Some(site),
            ..Settings::default()
        };
        let by_url = Settings::default();
        for (settings, url) in [(&named, "https://else/v3"), (&by_url, site.auth_url())] {
            let error = require_virtual_machines(settings, url).expect_err("bare metal");
            let said = error.to_string();
            for words in [site.name(), "bare metal only", "KVM@TACC"] {
                assert!(said.contains(words), "{said}");
            }
        }
    }
    let kvm = Site::KvmTacc.auth_url();
    for url in [kvm, "https://some.other:5000/v3"] {
        require_virtual_machines(&Settings::default(), url).expect("virtual machines");
    }
    // Sites of others that are built like these.
    let all = offers();
    for (offers, words) in [
        (&all[2..3], "no flavors m1.*; it has baremetal"),
        (&all[..0], "no flavors, so no virtual machines"),
        (&all[..2], "has 4096 MiB"),
    ] {
        let said = chosen(offers, 4096, false).expect_err("no flavor");
        assert!(said.contains(words), "{said}");
    }
}

/// At Chameleon a lease that ends before its machines are filled is refused before anything is made; other sites may be quicker.
#[test]
fn a_lease_that_is_shorter_than_the_boot_is_refused() {
    let lease = |text: &str| Settings {
        lease: text.to_owned().try_into().expect("a lease"),
        ..Settings::default()
    };
    let kvm = Site::KvmTacc.auth_url();
    let error = require_time(&lease("20m"), kvm).expect_err("too short");
    let said = error.to_string();
    assert!(
        said.starts_with("`lease`: 20m is over before") && said.contains("30m is the least"),
        "{said}"
    );
    for (text, url) in [
        ("30m", kvm),
        ("none", kvm),
        ("2m", "https://some.other:5000/v3"),
    ] {
        require_time(&lease(text), url).expect("long enough");
    }
}

/// The rates that are documented; whatever has none is said to be not known.
#[test]
fn a_lease_says_what_it_costs() {
    let all = offers();
    let cost = |site, flavors: &[(usize, u64)], hours| {
        let flavors = flavors.iter().map(|(place, count)| (&all[*place], *count));
        words(site, flavors, SignedDuration::from_hours(hours))
    };
    let kvm = Some(Site::KvmTacc);
    // 2 × 1/24 and 2 × 2/24 of a host.
    let said = cost(kvm, &[(1, 2), (3, 2)], 7 * 24);
    assert!(
        said.contains("about 0.252 SUs an hour, 43 in all"),
        "{said}"
    );
    for (site, flavors) in [
        (kvm, &[(1, 1), (2, 1)][..]),
        (None, &[(1, 1)]),
        (Some(Site::ChiUc), &[(1, 1)]),
    ] {
        let said = cost(site, flavors, 1);
        assert!(said.contains("is not known here"), "{said}");
        assert!(said.contains("chameleoncloud.org under Projects"), "{said}");
    }
}
