//! Habits of real sites that the OpenStack of these tests does not have, put on the proxy before it. Each says where it is documented.

use super::proxy::{Fault, Proxy};

/// Blazar up to 17.0.0 prolongs no lease of flavors: 409, and the running lease is in ERROR (`manager/service.py`,
/// `_handle_resource_type_exception`; `NotImplemented` is not among the `non_fatal_exceptions` of `update_lease`; `status.py`,
/// `lease_status`). `an_older_blazar_does_as_its_habit_says` sees it happen. ChameleonCloud/blazar had the like, in
/// `plugins/flavor/flavor_plugin.py`.
pub(crate) fn prolongs_no_machines(proxy: &Proxy, lease: &str) {
    let words = "Updating leases for 'flavor:instance' type reservations is not yet supported";
    let fault = Fault::RefuseAndMark(409, words, "ERROR");
    proxy.fault("PUT", format!("/leases/{lease}"), u32::MAX, fault);
}

/// A floating IP that is promised to somebody else from the old end on: 400, and the lease is in ERROR
/// (`plugins/floatingips/floatingip_plugin.py`, `_update_allocations`; `NotEnoughFloatingIPAvailable` is not among
/// `non_fatal_exceptions` itself). Chameleon's documentation, "Reservations", tells of it.
pub(crate) fn address_is_promised(proxy: &Proxy, lease: &str) {
    let words = "Not enough floating IPs available";
    let fault = Fault::RefuseAndMark(400, words, "ERROR");
    proxy.fault("PUT", format!("/leases/{lease}"), u32::MAX, fault);
}

/// A site that leases machines and, by its policy (403) or for want of them (409), no floating IPs.
pub(crate) fn leases_no_addresses(proxy: &Proxy, status: u16) {
    let fault = Fault::RefuseAbout(status, "no floating IP for you", "virtual:floatingip");
    proxy.fault("POST", "/leases", u32::MAX, fault);
}

/// Two leases that are asked for at once are promised the same floating IP, and the one that starts second fails: Blazar writes down
/// what it chose some time after it chose it (`manager/service.py`, `create_lease`). Seen on the OpenStack of these tests, whose
/// leases are made one at a time since (`openstack_blazar.py`).
pub(crate) fn promises_an_address_twice(proxy: &Proxy) {
    let fault = Fault::GiveAndMark("virtual:floatingip", "ERROR");
    proxy.fault("POST", "/leases", 1, fault);
}

/// A lease that is in ERROR once it should start. It was seen on the OpenStack of these tests, and why was not; what Blazar's source
/// has: two that start on one host at once make its provider at Placement twice, which refuses the second (409), and nobody tries
/// again (`utils/openstack/placement.py`, `create_reservation_provider`).
pub(crate) fn promises_machines_in_vain(proxy: &Proxy, times: u32) {
    let fault = Fault::GiveAndMark("flavor:instance", "ERROR");
    proxy.fault("POST", "/leases", times, fault);
}

/// And the end of the lease that failed takes the floating IP away from the other one (`plugins/floatingips/floatingip_plugin.py`,
/// `on_end`, which deletes it by its address).
pub(crate) fn takes_an_address_back(proxy: &Proxy) {
    let gone = Fault::Refuse(404, "Floating IP could not be found");
    proxy.fault("PUT", "/floatingips/", 1, gone);
}

/// A site's policy: only within two days of the end. The lease stays as it is (ChameleonCloud/portal,
/// `balance_service/enforcement/exceptions.py`, `MaxLeaseUpdateWindowException`; Blazar's `ExternalServiceFilterException` is 400
/// and not fatal; Chameleon's FAQ: "within 48 hours of its end time").
pub(crate) fn prolongs_only_near_the_end(proxy: &Proxy) {
    let words = "Lease can only be extended within 172800 seconds of the leases current end time.";
    proxy.fault("PUT", "/leases/", u32::MAX, Fault::Refuse(400, words));
}

/// The project's SUs are used up (ChameleonCloud/portal, `balance_service/enforcement/usage_enforcement.py`). Blazar hands the words
/// on with 400, and an older one with 403.
pub(crate) fn has_no_sus_left(proxy: &Proxy, status: u16) {
    let words = "Reservation for project CH-1 would spend 56.00 SUs, only 3.20 left";
    proxy.fault("POST", "/leases", u32::MAX, Fault::Refuse(status, words));
}

/// Somebody else has published a newer image of the same name (Chameleon's documentation, "Images": `openstack image set --public`).
pub(crate) fn has_a_namesake_of_the_image(proxy: &Proxy) {
    let image = "\"images\": [{\"id\": \"not-ours\", \"name\": \"CC-Ubuntu24.04\", \"owner\": \"somebody\", \
         \"status\": \"active\", \"created_at\": \"2099-01-01T00:00:00Z\"}, ";
    let fault = Fault::Replace(&["\"images\": ["], image);
    proxy.fault("GET", "/images", u32::MAX, fault);
}

/// `sharednet1` has no address left: Nova makes the server, which fails (`nova/exception.py`, `NoMoreFixedIps`; Chameleon's
/// documentation, "Networks", advises a network of one's own).
pub(crate) fn has_no_addresses_left(proxy: &Proxy) {
    let failed = "\"status\": \"ERROR\", \"fault\": {\"code\": 500, \"message\": \"No fixed IP addresses available for network: \
         sharednet1\"}";
    let fault = Fault::Replace(&["\"status\": \"ACTIVE\"", "\"status\": \"BUILD\""], failed);
    proxy.fault("GET", "/servers/", u32::MAX, fault);
}
