//! What to do about a refusal: the site's own words are kept, and advice is added where the words are known. Pure.
//!
//! The words are from the services' own code: Blazar's `manager/exceptions.py` and `enforcement/exceptions.py`, the policy that
//! Chameleon asks before each lease (ChameleonCloud/portal, `balance_service/enforcement`, whose answers Blazar hands on with 400),
//! Nova's and Neutron's `exception.py`.

/// The service that reports why a server failed: Nova, in the server itself.
pub const FAULT: &str = "fault";
/// Neutron where it is about floating IPs: other addresses than those of networks.
pub const ADDRESS: &str = "floating IP";

/// One kind of refusal.
struct Row {
    /// The service; `""`: any.
    service: &'static str,
    /// HTTP status; none: any.
    codes: &'static [u16],
    /// Any of these words is in the message; none: whatever it says.
    words: &'static [&'static str],
    /// What to do.
    advice: &'static str,
}

const UNRESTRICTED: &str =
    "most often the credential is not unrestricted: make one with `Unrestricted` checked";
const QUOTA: &str = "the project has no more: delete what is not needed, take a smaller `flavor`, or ask the site for more";
const BALANCE: &str = "the project's balance and the end of its allocation stand on chameleoncloud.org under Projects, where its PI asks for more; a \
     shorter `lease`, fewer nodes or a smaller `flavor` spend less";

/// The first row that fits is right.
const TABLE: &[Row] = &[
    row(
        "identity",
        &[401],
        &[],
        "the credential's secret is wrong, or it has expired: make a new one",
    ),
    row(
        "identity",
        &[404],
        &[],
        "there is no such credential at this site: each site has its own, see that auth_url is the site's",
    ),
    row(
        "reservation",
        &[],
        &["Not enough hosts"],
        "the site has too few free machines of this flavor for that time: try a smaller `flavor`, fewer nodes, or later",
    ),
    row(
        "reservation",
        &[],
        &["Not enough floating IPs"],
        "all floating IPs for leases are promised to somebody for that time: later, or for a shorter time",
    ),
    row(
        "reservation",
        &[],
        &["extended within"],
        "the site prolongs a lease only shortly before its end: ask again then",
    ),
    row(
        "reservation",
        &[],
        &["would spend", "expiration date", "charges for reservation"],
        BALANCE,
    ),
    row(
        "reservation",
        &[400, 403],
        &["duration", "ease length"],
        "the site wants a shorter time: set a shorter `lease`, or prolong it by less",
    ),
    row(
        "reservation",
        &[400],
        &[
            "date must be later",
            "at most one hour",
            "Invalid values for start",
        ],
        "this box's clock differs from the site's: compare `date -u`, or set a longer `lease`",
    ),
    row(
        "reservation",
        &[],
        &[
            "not yet supported",
            "cannot be updated",
            "reservation cannot be",
        ],
        "leases of this kind cannot be changed at this site: ask for one that is long enough from the start (`lease`)",
    ),
    row(
        "reservation",
        &[],
        &["resource type is not supported"],
        "the site leases no such thing: virtual machines by their flavor are leased at KVM@TACC (`site`)",
    ),
    row(
        "reservation",
        &[],
        &["Invalid lease status"],
        "the site is busy with the lease: once more in a minute",
    ),
    row(
        "reservation",
        &[],
        &["already exists"],
        "run the same command again: it takes another name",
    ),
    row("reservation", &[], &["trust"], UNRESTRICTED),
    row("reservation", &[500], &["Internal"], UNRESTRICTED),
    row(
        ADDRESS,
        &[403, 409],
        &["uota"],
        "the project may have no more floating IPs: give back those that nobody uses, or ask the site for more",
    ),
    row(
        ADDRESS,
        &[],
        &[
            "Unable to find any IP address on external network",
            "No more IP addresses available on network",
        ],
        "the site has no floating IP left to take without a lease: later, or ask its help desk",
    ),
    // Neutron says it by 409.
    row("", &[403, 409, 413], &["uota"], QUOTA),
    row(
        "",
        &[403],
        &["Maximum number of ports", "PortLimitExceeded"],
        "the project may have no more ports in networks: delete machines that are not needed, or ask the site for more",
    ),
    row(
        FAULT,
        &[],
        &["No valid host"],
        "the site has no room for it now: `up` again later, or take another `flavor`. Sites that want a lease say the same without \
         one (`lease`)",
    ),
    row(FAULT, &[], &["uota"], QUOTA),
    row(
        "",
        &[],
        &[
            "No fixed IP addresses available",
            "No more IP addresses available on network",
            "Failed to allocate the network",
            "No more fixed IPs",
        ],
        "the network has no address left for another machine: `network: own` makes one for this deployment alone",
    ),
    row(
        FAULT,
        &[],
        &["Exceeded maximum number of retries", "Build of instance"],
        "the site tried several hosts: `up` again; if it stays so, tell the site's help desk the machine's id",
    ),
    row(
        "",
        &[401],
        &[],
        "the credential was taken back or has expired: make a new one",
    ),
    row(
        "",
        &[403],
        &[
            "Policy doesn't allow",
            "policy",
            "not authorized to perform",
            "disallowed by policy",
        ],
        ROLE,
    ),
    // Whatever else the outside policy says: its words are free.
    row(
        "reservation",
        &[400, 403],
        &["SUs", "allocation", "budget", "expired"],
        BALANCE,
    ),
    row("", &[403], &[], ROLE),
    row(
        "",
        &[300, 301, 302, 303, 307, 308],
        &[],
        "the service sends elsewhere, where the credentials are not shown: see that `auth_url` is the site's",
    ),
    row(
        "",
        &[429],
        &[],
        "the site wants fewer calls: once more in a minute",
    ),
];

const ROLE: &str = "the credential lacks a role: make one with the roles `reader` and `member`, and `Unrestricted` checked";

const fn row(
    service: &'static str,
    codes: &'static [u16],
    words: &'static [&'static str],
    advice: &'static str,
) -> Row {
    Row {
        service,
        codes,
        words,
        advice,
    }
}

/// What to do about a refusal of a service with this HTTP status (0: it has none) and these words.
pub fn advice(service: &str, status: u16, message: &str) -> Option<&'static str> {
    let fits = |row: &&Row| {
        (row.service.is_empty() || row.service == service)
            && (row.codes.is_empty() || row.codes.contains(&status))
            && (row.words.is_empty() || row.words.iter().any(|words| message.contains(words)))
    };
    TABLE.iter().find(fits).map(|row| row.advice)
}

/// What to do about a server that waits for a person, by its status (Nova's guide, `server_concepts`): nobody else ends that.
pub fn waits_for_a_person(status: &str) -> Option<&'static str> {
    Some(match status {
        "PAUSED" => "somebody paused it: `openstack server unpause`",
        "SUSPENDED" => "somebody suspended it: `openstack server resume`",
        "SHELVED" | "SHELVED_OFFLOADED" => "somebody shelved it: `openstack server unshelve`",
        "RESCUE" => "somebody booted it to rescue it: `openstack server unrescue`",
        "VERIFY_RESIZE" => "somebody resized it: `openstack server resize confirm`, or `revert`",
        _ => return None,
    })
}
