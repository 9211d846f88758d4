//! CouchDB where security is on: what it is told, where it is found, and what an inventory must not say of it.

use deployer::component::couchdb::{Couchdb, url};
use deployer::component::{Component, Reach, consumer, distributions};
use deployer::layout;
use deployer::receipt::Choices;
use deployer::step::Action;
use deployer::topology::{Ids, Options, Topology};

use crate::templates::{DISTRIBUTIONS, World, files, golden};

const INI: &str = "/etc/deployer/utilization/couchdb/deployer.ini";

/// Why an inventory is refused.
fn refusal(text: &str) -> Option<String> {
    let inventory = match layout::parse(text.as_bytes(), "x.yaml") {
        Ok(inventory) => inventory,
        Err(problems) => return Some(problems.to_string()),
    };
    let topology = Topology::new(&inventory, &Options::default(), &Ids::default());
    topology.err().map(|problems| problems.to_string())
}

fn install(world: &World, node: &str, component: &dyn Component) -> Vec<Action> {
    let installed = component.install(world.node(node), &world.context());
    installed.expect("rendered")
}

#[test]
fn golden_files_of_couchdb_and_of_who_writes_to_it() {
    let of_tls = |action: &Action| match action {
        Action::WriteFile { path, .. } => {
            let name = path.rsplit('/').next().expect("a name");
            [
                "deployer.ini",
                "certificate.pem",
                "consumer.toml",
                "authority.pem",
            ]
            .contains(&name)
        }
        _ => false,
    };
    for distribution in ["apache", "archive"] {
        let world = World::secured(distribution);
        let mut actions = install(&world, "vm3", &Couchdb);
        actions.extend(install(&world, "vm2", &consumer::Consumer));
        actions.retain(of_tls);
        insta::assert_snapshot!(format!("couchdb_{distribution}_tls"), golden(&actions));
    }
}

#[test]
fn members_reach_tls_alone_and_the_stand_in_as_ever() {
    for distribution in DISTRIBUTIONS {
        let world = World::secured(distribution);
        let context = world.context();
        let waited = |actions: &[Action]| -> Vec<u16> {
            let ports = actions.iter().filter_map(|action| match action {
                Action::WaitForPort { port, .. } => Some(*port),
                _ => None,
            });
            ports.collect()
        };
        let started = Couchdb.start(world.node("vm3"), &context, &[].into());
        let found = url(context.topology, context.choices).expect("an address");
        if distribution == "pouchdb" {
            let plain = World::new(distribution);
            assert_eq!(found, "http://vm3.utilization.internal:5984");
            assert_eq!(waited(&started), [5984]);
            assert_eq!(
                install(&world, "vm3", &Couchdb),
                install(&plain, "vm3", &Couchdb)
            );
            continue;
        }
        assert_eq!(found, "https://vm3.utilization.internal:6984");
        assert_eq!(waited(&started), [6984, 5984]);
        let ports = Couchdb.ports(world.node("vm3"), context.topology);
        let ports: Vec<(u16, Reach)> = ports.iter().map(|port| (port.number, port.reach)).collect();
        assert_eq!(ports, [(6984, Reach::Members), (5984, Reach::Node)]);
        let actions = install(&world, "vm3", &Couchdb);
        let ini = &files(&actions)[INI].text;
        assert!(ini.contains("bind_address = 127.0.0.1\n"), "{ini}");
    }
}

#[test]
fn settings_that_open_what_security_closes_are_refused() {
    let said = |security: &str, setting: &str| {
        let text = format!(
            "name: x\nsecurity: {security}\nnodes:\n  vm1: {{ roles: [zookeeper, kafka, couchdb] }}\nkafka: {{ replication: 1 }}\n\
             couchdb: {{ settings: {{ {setting} }} }}\n"
        );
        refusal(&text)
    };
    for (setting, words) in [
        (
            "couchdb: { default_security: everyone }",
            "opens the databases of users and of replications, and each new one to every user",
        ),
        (
            "chttpd: { admin_only_all_dbs: false }",
            "opens the list of all databases",
        ),
        (
            "chttpd_auth: { users_db_public: true }",
            "opens the database of all users",
        ),
        ("ssl: { port: 7000 }", "use `couchdb.tls_port`"),
        ("ssl: { enable: false }", "use `security`"),
        ("ssl: { tls_versions: \"['tlsv1']\" }", "leave it out"),
        ("httpd: { enable: true }", "leave it out"),
        ("httpsd: { server_options: '[]' }", "leave it out"),
        ("chttpd: { server_options: '[]' }", "leave it out"),
    ] {
        let refused = said("on", setting).unwrap_or_default();
        assert!(refused.contains(words), "{setting}: {refused}");
        assert_eq!(said("off", setting), None, "{setting}");
    }
    assert_eq!(said("on", "ssl: { ciphers: '[]' }"), None);
}

#[test]
fn the_stand_in_is_refused_outside_of_this_box() {
    // One that an `auto` of before became.
    let mut world = World::secured("pouchdb");
    let distributions = Couchdb.distributions().expect("several");
    let mut choose = |security_on: bool, on_this_box: bool| {
        if !security_on {
            world.topology.security = World::new("pouchdb").topology.security;
        }
        distributions.choose(&world.topology, on_this_box, Some("pouchdb"), true)
    };
    assert!(choose(true, true).is_ok());
    let refused = choose(true, false).expect_err("refused").to_string();
    assert!(
        refused.contains("`deployer teardown --export FILE`"),
        "{refused}"
    );
    assert!(choose(false, false).is_ok());
}

#[test]
fn what_has_no_effect_is_said() {
    let said = |security: &str, distribution: &str| -> Vec<String> {
        let text = format!(
            "name: x\nsecurity: {security}\nnodes:\n  vm1: {{ roles: [zookeeper, kafka, couchdb] }}\nkafka: {{ replication: 1 }}\n\
             couchdb: {{ distribution: auto, tls_port: 7000 }}\n"
        );
        let inventory = layout::parse(text.as_bytes(), "x.yaml").expect("an inventory");
        let world = World::new(distribution);
        let mut choices = Choices::default();
        choices.set("couchdb", distributions::DISTRIBUTION, Some(distribution));
        let problems = Couchdb.without_effect(&inventory, &world.topology, &choices);
        problems.iter().map(ToString::to_string).collect()
    };
    assert!(said("on", "apache").is_empty());
    let off = said("off", "apache").join("\n");
    assert!(
        off.contains("couchdb.tls_port: CouchDB speaks no TLS here"),
        "{off}"
    );
    let stand_in = said("on", "pouchdb").join("\n");
    assert!(
        stand_in.contains("tls_port") && stand_in.contains("speaks plain text all the same"),
        "{stand_in}"
    );
}
