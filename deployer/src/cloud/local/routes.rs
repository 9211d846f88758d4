//! The box's routes, as the kernel has them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::reading::unreadable;
use crate::cloud::CloudError;

/// The box's IPv4 routes: interface and destination, without the default route.
pub(super) fn routes() -> Result<Vec<(String, Ipv4Net)>, CloudError> {
    let mut routes = all_routes()?;
    routes.retain(|(_, net)| net.prefix_len() > 0);
    Ok(routes)
}

/// The interfaces by which the box reaches the rest of the world.
pub(super) fn uplinks() -> Result<BTreeSet<String>, CloudError> {
    let routes = all_routes()?.into_iter();
    let out = routes.filter(|(_, net)| net.prefix_len() == 0);
    Ok(out.map(|(interface, _)| interface).collect())
}

fn all_routes() -> Result<Vec<(String, Ipv4Net)>, CloudError> {
    let path = "/proc/net/route";
    let text = std::fs::read_to_string(path).map_err(unreadable(path))?;
    Ok(parse_routes(&text))
}

fn parse_routes(text: &str) -> Vec<(String, Ipv4Net)> {
    let mut routes = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Addresses stand there as the machine keeps them in memory: the first byte of the address is the lowest.
        let address = |field: usize| {
            let number = u32::from_str_radix(fields.get(field)?, 16).ok()?;
            Some(Ipv4Addr::from(number.to_ne_bytes()))
        };
        let route = address(1).zip(address(7));
        let net = route.and_then(|(to, mask)| Ipv4Net::with_netmask(to, mask).ok());
        if let Some(net) = net {
            routes.push((fields[0].to_owned(), net));
        }
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::parse_routes;

    #[test]
    fn reads_the_kernels_routes() {
        let text = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
";
        // As a little-endian box writes it.
        #[cfg(target_endian = "little")]
        let expected = ["0.0.0.0/0", "192.0.2.0/24"]
            .map(|net| ("eth0".to_owned(), net.parse().expect("a network")));
        #[cfg(target_endian = "little")]
        assert_eq!(parse_routes(text), expected);
    }
}
