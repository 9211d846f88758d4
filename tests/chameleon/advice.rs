//! What is said of refusals: all that the services' own code can say to the calls that we make, with what to do. From data alone.
//!
//! Where the words are from: Blazar 17 and 18, `manager/exceptions.py`, `enforcement/exceptions.py`, `exceptions.py`; Chameleon's policy,
//! ChameleonCloud/portal `balance_service/enforcement/exceptions.py` and `usage_enforcement.py` (Blazar hands its answers on with
//! 400, older ones with 403); Nova's and Neutron's `exception.py`.

use deployer::cloud::chameleon::advice::{ADDRESS, FAULT, advice, waits_for_a_person};

use super::kept::SERVERS;

const BALANCE: &str = "chameleoncloud.org under Projects";

#[test]
fn each_refusal_that_is_documented_has_its_advice() {
    for (service, codes, words, advised) in [
        (
            "identity",
            &[401][..],
            "The request you have made requires authentication",
            "make a new one",
        ),
        (
            "identity",
            &[404],
            "Could not find Application Credential",
            "each site has its own",
        ),
        (
            "reservation",
            &[500, 400, 409],
            "Not enough hosts available",
            "a smaller `flavor`",
        ),
        (
            "reservation",
            &[400],
            "Not enough floating IPs available",
            "promised to somebody",
        ),
        (
            "reservation",
            &[400, 403],
            "Lease can only be extended within 172800 seconds of the leases current end time",
            "shortly before its end",
        ),
        (
            "reservation",
            &[400, 403],
            "Reservation for project CH-1 would spend 56.00 SUs, only 3.20 left",
            BALANCE,
        ),
        (
            "reservation",
            &[400, 403],
            "Reservation for user me would spend 56.00 SUs, only 3.20 left in user budget",
            BALANCE,
        ),
        (
            "reservation",
            &[400, 403],
            "Reservation update would spend 56.00 more SUs, only 3.20 left",
            BALANCE,
        ),
        (
            "reservation",
            &[400, 403],
            "Cannot create a lease beyond Chameleon project expiration date. Please ask your PI to request an allocation renewal",
            BALANCE,
        ),
        (
            "reservation",
            &[400, 403],
            "Wrong number of ongoing charges for reservation 1",
            BALANCE,
        ),
        (
            "reservation",
            &[400, 403],
            "Lease duration of 8640000 seconds must be less than or equal to the maximum lease duration of 604800 seconds",
            "a shorter `lease`",
        ),
        (
            "reservation",
            &[400],
            "Lease length of 9 seconds be less than",
            "a shorter",
        ),
        (
            "reservation",
            &[400],
            "End date must be later than current and start date",
            "this box's clock",
        ),
        (
            "reservation",
            &[409],
            "Updating leases for 'flavor:instance' type reservations is not yet supported",
            "long enough from the start",
        ),
        (
            "reservation",
            &[409],
            "Flavor-based reservation update not yet supported",
            "long enough from the start",
        ),
        (
            "reservation",
            &[409],
            "resource_type cannot be updated",
            "long enough from the start",
        ),
        (
            "reservation",
            &[400],
            "Floating IP reservation cannot be updated with requested parameters",
            "long enough from the start",
        ),
        (
            "reservation",
            &[500],
            "The flavor:instance resource type is not supported",
            "KVM@TACC",
        ),
        (
            "reservation",
            &[500],
            "Invalid lease status.",
            "busy with the lease",
        ),
        (
            "reservation",
            &[409],
            "The lease with name: x already exists",
            "another name",
        ),
        (
            "reservation",
            &[500],
            "A trust id is required",
            "`Unrestricted`",
        ),
        (
            "reservation",
            &[500],
            "Internal Server Error",
            "`Unrestricted`",
        ),
        (
            "reservation",
            &[403],
            "Policy doesn't allow blazar:leases to be performed",
            "lacks a role",
        ),
        (
            "reservation",
            &[403],
            "The allocation of the project has expired",
            BALANCE,
        ),
        (
            "compute",
            &[403],
            "Quota exceeded for cores, instances: Requested 1",
            "has no more",
        ),
        (
            "compute",
            &[403],
            "Maximum number of ports exceeded",
            "no more ports",
        ),
        ("compute", &[413], "Quota exceeded", "has no more"),
        (
            "network",
            &[409],
            "Quota exceeded for resources: ['security_group']",
            "has no more",
        ),
        (
            ADDRESS,
            &[409],
            "Quota exceeded for resources: ['floatingip']",
            "floating IPs",
        ),
        (
            ADDRESS,
            &[409],
            "No more IP addresses available on network 1",
            "without a lease",
        ),
        (
            ADDRESS,
            &[400],
            "Unable to find any IP address on external network 1",
            "without a lease",
        ),
        (
            FAULT,
            &[0],
            "No valid host was found. There are not enough hosts available.",
            "no room",
        ),
        (
            FAULT,
            &[0],
            "No fixed IP addresses available for network: 1",
            "`network: own`",
        ),
        (
            FAULT,
            &[0],
            "Build of instance 1 aborted: Failed to allocate the network(s), not rescheduling.",
            "`network: own`",
        ),
        (
            FAULT,
            &[0],
            "Exceeded maximum number of retries. Exhausted all hosts",
            "several hosts",
        ),
        ("compute", &[401], "Unauthorized", "make a new one"),
        (
            "image",
            &[403],
            "You are not authorized to complete this action",
            "lacks a role",
        ),
        (
            "compute",
            &[301, 302, 307],
            "Moved",
            "the credentials are not shown",
        ),
        ("network", &[429], "Too Many Requests", "fewer calls"),
    ] {
        for code in codes {
            let said = advice(service, *code, words).unwrap_or("nothing");
            assert!(said.contains(advised), "{service} {code} {words}: {said}");
        }
    }
    assert_eq!(
        advice("compute", 404, "Instance x could not be found"),
        None
    );
}

/// What only a person ends is not waited for; whatever else a site says is.
#[test]
fn a_server_that_waits_for_a_person_is_told_of() {
    let waiting = SERVERS.map(waits_for_a_person);
    let waiting = SERVERS
        .iter()
        .zip(waiting)
        .filter(|(_, said)| said.is_some());
    let names: Vec<&str> = waiting.map(|(status, _)| *status).collect();
    assert_eq!(
        names,
        [
            "PAUSED",
            "RESCUE",
            "SHELVED",
            "SHELVED_OFFLOADED",
            "SUSPENDED",
            "VERIFY_RESIZE"
        ]
    );
}
