//! Who listens on a node's ports.

use std::collections::BTreeMap;

use super::sections::Sections;

impl<'a> Sections<'a> {
    /// Port → who listens, as far as the node says: nothing where it does not.
    pub(super) fn ports(&self) -> BTreeMap<u16, String> {
        let mut ports: BTreeMap<u16, String> = BTreeMap::new();
        let mut known = |port: u16, owner: &str| {
            let known = ports.entry(port).or_default();
            if known.is_empty() {
                owner.clone_into(known);
            }
        };
        let users = self.users_of_units();
        for line in self.lines("ports") {
            let local = line.split_whitespace().nth(3);
            let port = local.and_then(|local| local.rsplit(':').next()?.parse().ok());
            if let Some(port) = port {
                known(port, self.owner(line, &users));
            }
        }
        // Without `ss`: the kernel's own table, `local_address` in hexadecimal, state 0A is LISTEN.
        for line in self.lines("sockets") {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, "0A", _, _, _, user, ..] = words[..] else {
                continue;
            };
            let port = local.rsplit(':').next();
            let port = port.and_then(|port| u16::from_str_radix(port, 16).ok());
            if let Some(port) = port {
                known(port, users.get(user).copied().unwrap_or_default());
            }
        }
        ports
    }

    /// The user, as a number, that each unit of ours runs as → the unit. Each of them has a user of its own; root's and those that
    /// do not run say none.
    fn users_of_units(&self) -> BTreeMap<&'a str, &'a str> {
        let lines: Vec<&str> = self.lines("units").collect();
        let blocks = lines.split(|line| line.is_empty());
        let users = blocks.filter_map(|block| {
            let value = |key: &str| {
                let mut lines = block.iter();
                lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            };
            let user = value("UID").filter(|user| user.parse::<u32>().is_ok_and(|user| user > 0));
            Some((user?, value("Names")?.split(' ').next()?))
        });
        users.collect()
    }

    /// The unit of the process that listens: by its control group, or by its user where root may not see the process; else the
    /// process's name.
    fn owner(&self, line: &'a str, users: &BTreeMap<&'a str, &'a str>) -> &'a str {
        let after = |mark: &str| {
            let rest = line.split_once(mark)?.1;
            rest.split([',', ' ', ')']).next()
        };
        let service = |group: &'a str| {
            let mut parts = group.rsplit('/');
            parts.find(|part| part.ends_with(".service"))
        };
        let by_process = || {
            let pid = after("pid=")?;
            let groups = self.lines("groups");
            let mut groups = groups.filter_map(|line| line.strip_prefix(pid)?.strip_prefix(' '));
            groups.find_map(service)
        };
        let by_user = || users.get(after("uid:")?).copied();
        by_process()
            .or_else(by_user)
            .or_else(|| service(after("cgroup:")?))
            .or_else(|| line.split('"').nth(1))
            .unwrap_or_default()
    }
}
