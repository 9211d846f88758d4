//! The box's own packet filters. Docker and some firewalls drop what the box forwards; a deployment's bridge is let through there
//! by rules that carry its mark, looked for at each `up` and taken away by its teardown. Nobody else's rule is touched.

use std::collections::BTreeSet;

use futures_util::future::try_join;

use super::super::CloudError;
use super::super::elevate::Elevate;
use super::super::needs::program;
use super::super::program::Program;
use super::names::{self, Names};
use crate::packet_filter::{Filters, Packet, marked};

/// The chain in which Docker leaves room for others.
const DOCKER_USER: &str = "DOCKER-USER";

/// The packet filters as they are.
#[derive(Debug)]
pub(super) struct Seen {
    filters: Filters,
    /// nft said what there is.
    told: bool,
    iptables: String,
    /// Where packets to and from the rest of the world pass; empty: not known.
    uplinks: BTreeSet<String>,
}

impl Seen {
    /// Whether a deployment's own table is loaded; `None`: that is not known.
    pub(super) fn has_table(&self, names: &Names) -> Option<bool> {
        let table = names.network();
        let mut chains = self.filters.chains.iter();
        self.told
            .then(|| chains.any(|chain| chain.family == "ip" && chain.table == table))
    }

    /// Whether a deployment's own table keeps what comes from outside the box from its machines; `None`: that is not known.
    pub(super) fn guards(&self, names: &Names) -> Option<bool> {
        let bridge = names.network();
        // No interface is called so.
        let packet = way(Some("elsewhere"), Some(&bridge), true);
        let chains = self.filters.dropping("forward", packet);
        let mut own = chains.iter();
        self.told.then(|| own.any(|chain| chain.table == bridge))
    }

    /// The chains that let through, once they have rules for it, what others may drop of what a deployment's machines send or get, in
    /// words.
    pub(super) fn closed(&self, names: &Names) -> Vec<String> {
        let chains = self.doubtful(&names.network()).into_iter();
        let doors = chains.map(|(family, [table, chain], words)| {
            if self.by_iptables(&family, &table) {
                format!("table {family} {table}, chain {}", self.door(&chain))
            } else {
                words
            }
        });
        doors.collect()
    }

    /// Whether a chain of this table is led by iptables.
    fn by_iptables(&self, family: &str, table: &str) -> bool {
        table == "filter" && family == "ip" && !self.iptables.is_empty()
    }

    /// The chain of iptables that gets the rules for another one: Docker's, which leaves it to others, where there is one.
    fn door<'a>(&self, chain: &'a str) -> &'a str {
        let docker = format!("-N {DOCKER_USER}");
        if self.iptables.lines().any(|line| line == docker) {
            DOCKER_USER
        } else {
            chain
        }
    }

    /// The chains that hold rules of a deployment, in words.
    pub(super) fn marked(&self, names: &Names) -> Vec<String> {
        let chains = self.filters.chains.iter();
        let ours = chains.filter(|chain| chain.has(&names.mark()));
        ours.map(crate::packet_filter::Chain::words).collect()
    }

    /// Family, table and name of each chain that may drop what a bridge's machines send to the rest of the world, or its
    /// answers. What others' bridges may not do is not ours to ask; and deployments' own tables drop what they should.
    fn doubtful(&self, bridge: &str) -> BTreeSet<(String, [String; 2], String)> {
        let uplinks = self.uplinks.iter().map(|uplink| Some(uplink.as_str()));
        let uplinks = uplinks.chain(self.uplinks.is_empty().then_some(None));
        let ways = uplinks.flat_map(|uplink| {
            [
                way(Some(bridge), uplink, true),
                way(uplink, Some(bridge), false),
            ]
        });
        let chains = ways.flat_map(|packet| self.filters.doubtful("forward", packet));
        chains
            .filter(|chain| !names::is_network(&chain.table))
            .map(|chain| {
                let place = [chain.table.clone(), chain.name.clone()];
                (chain.family.clone(), place, chain.words())
            })
            .collect()
    }
}

/// Any packet that goes this way; `new`: it opens a connection.
fn way<'a>(input: Option<&'a str>, output: Option<&'a str>, new: bool) -> Packet<'a> {
    Packet {
        port: None,
        from: None,
        input,
        output,
        new,
    }
}

/// Looks; `None`: only root may know, and root is not to be had silently.
pub(super) async fn look(elevate: &Elevate) -> Result<Option<Seen>, CloudError> {
    if !elevate.silent().await {
        return Ok(None);
    }
    let (nft, iptables) = try_join(
        listed("nft", &["-j", "list", "ruleset"], elevate),
        listed("iptables", &["-w", "5", "-S"], elevate),
    )
    .await?;
    Ok(Some(Seen {
        filters: Filters::read(&nft, &iptables, ""),
        told: !nft.is_empty(),
        iptables,
        uplinks: super::routes::uplinks()?,
    }))
}

/// What a program lists; nothing where it is not installed, and then nobody loaded anything by it.
async fn listed(name: &str, arguments: &[&str], elevate: &Elevate) -> Result<String, CloudError> {
    if !program(name) {
        return Ok(String::new());
    }
    let list = Program::new("look at the packet filter", name, arguments.iter().copied());
    let ended = elevate.attempt(&list, &|_| ()).await?;
    Ok(if ended.status == 0 {
        ended.stdout
    } else {
        String::new()
    })
}

/// Lets a deployment's bridge through wherever it may be dropped. Gives the chains in which that was done, in words.
pub(super) async fn make(names: &Names, elevate: &Elevate) -> Result<Vec<String>, CloudError> {
    let Some(mut seen) = look(elevate).await? else {
        return Ok(Vec::new());
    };
    if seen.closed(names).is_empty() {
        return Ok(Vec::new());
    }
    // What is half there is made anew.
    remove(names, elevate).await?;
    let mut done = Vec::new();
    // Docker's chain may not be asked any more: then the one that asked it.
    for _ in 0..2 {
        for (family, [table, chain], words) in seen.doubtful(&names.network()) {
            if seen.by_iptables(&family, &table) {
                let first = done.is_empty();
                let chain = if first { seen.door(&chain) } else { &chain };
                by_iptables(names, chain, elevate).await?;
                done.push(format!("table {family} {table}, chain {chain}"));
            } else {
                by_nft(names, [&family, &table, &chain], elevate).await?;
                done.push(words);
            }
        }
        match look(elevate).await? {
            Some(now) if !now.closed(names).is_empty() => seen = now,
            _ => return Ok(done),
        }
    }
    Ok(done)
}

async fn by_iptables(names: &Names, chain: &str, elevate: &Elevate) -> Result<(), CloudError> {
    let (bridge, mark) = (names.network(), names.mark());
    for side in ["-i", "-o"] {
        let comment = ["-m", "comment", "--comment", &mark, "-j", "ACCEPT"];
        let arguments = [&["-w", "5", "-I", chain, side, &bridge][..], &comment].concat();
        let admit = Program::new(format!("let {bridge} through"), "iptables", arguments);
        elevate.run(admit).await?;
    }
    Ok(())
}

async fn by_nft(names: &Names, chain: [&str; 3], elevate: &Elevate) -> Result<(), CloudError> {
    let (bridge, mark, chain) = (names.network(), names.mark(), chain.join(" "));
    let rule =
        |side: &str| format!("insert rule {chain} {side} \"{bridge}\" accept comment \"{mark}\"\n");
    let rules = rule("iifname") + &rule("oifname");
    let admit = Program::new(format!("let {bridge} through"), "nft", ["-f", "-"]);
    elevate.run(admit.reading(rules)).await?;
    Ok(())
}

/// Takes a deployment's rules away, wherever they are.
pub(super) async fn remove(names: &Names, elevate: &Elevate) -> Result<(), CloudError> {
    let Some(seen) = look(elevate).await? else {
        return Ok(());
    };
    let (bridge, mark) = (names.network(), names.mark());
    let what = format!("take away the rule that let {bridge} through");
    for rule in marked(&seen.iptables, &mark) {
        let words = ["-w", "5", "-D"].map(str::to_owned);
        let arguments = words.into_iter().chain(rule);
        elevate
            .run(Program::new(what.clone(), "iptables", arguments))
            .await?;
    }
    for chain in &seen.filters.chains {
        for handle in chain.marked(&mark) {
            let (family, table, name) = (&chain.family, &chain.table, &chain.name);
            let handle = handle.to_string();
            let arguments = ["delete", "rule", family, table, name, "handle", &handle];
            elevate
                .run(Program::new(what.clone(), "nft", arguments))
                .await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Filters, Names, Seen};

    #[test]
    fn dockers_chain_is_the_one_that_gets_the_rules() {
        let closed = |rules: &str| {
            let seen = Seen {
                filters: Filters::read("", rules, ""),
                told: true,
                iptables: rules.into(),
                uplinks: ["eth0".to_owned()].into(),
            };
            seen.closed(&Names::new("0123456789ab").expect("an id"))
        };
        let (plain, docker) = (
            "-P FORWARD DROP\n",
            "-N DOCKER-USER\n-A FORWARD -j DOCKER-USER\n",
        );
        assert_eq!(closed(plain), ["table ip filter, chain FORWARD"]);
        let both = format!("{plain}{docker}");
        assert_eq!(closed(&both), ["table ip filter, chain DOCKER-USER"]);
    }

    #[test]
    fn what_is_closed_to_anothers_bridge_is_not_closed_to_ours() {
        let closed = |rules: &str, uplinks: &[&str]| {
            let seen = Seen {
                filters: Filters::read("", rules, ""),
                told: true,
                iptables: rules.into(),
                uplinks: uplinks.iter().map(ToString::to_string).collect(),
            };
            !seen.doubtful("dp-1").is_empty()
        };
        let another = "-P FORWARD ACCEPT\n-A FORWARD -i dp-2 -j DROP\n-A FORWARD -o dp-2 -j DROP\n";
        assert!(!closed(another, &["eth0", "tun0"]));
        let out = "-P FORWARD ACCEPT\n-A FORWARD -o tun0 -j DROP\n";
        assert!(closed(out, &["eth0", "tun0"]) && !closed(out, &["eth0"]));
        // Without a way out nothing is known: then any drop counts.
        assert!(closed(another, &[]) && closed(out, &[]));
        let all = "-P FORWARD DROP\n";
        assert!(closed(all, &["eth0"]) && closed(all, &[]));
    }
}
