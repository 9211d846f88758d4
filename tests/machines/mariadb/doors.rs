//! Who may do what at MariaDB and phpMyAdmin, each with its control.

use crate::attempts::{Attempt, may, may_not};

pub(super) const CLIENT: &str = r#"
D=/etc/deployer/$1; H=vm1.$1.internal; S=/var/lib/deployer/$1/mariadb/mariadb.sock
TLS="--ssl-ca=$D/kafka/authority.pem --ssl-verify-server-cert"
openssl req -x509 -newkey ed25519 -nodes -subj /CN=$H -keyout "$W/key" -out "$W/other" 2>/dev/null
as() { F=$1; shift; mariadb --defaults-file="$W/$F" --connect-timeout=5 -N -B "$@" 2>"$W/said"; }
over() { F=$1; Q=$2; as "$F" -h "$H" $TLS -e "$Q"; }
"#;

pub(super) const BROWSER: &str = r#"
U=http://127.0.0.1:$P/index.php
page() { curl -s -m 20 -b "$W/jar" -c "$W/jar" "$@"; }
logs_in() {
    rm -f "$W/jar"; tr -d '\n' <"$W/$1" >"$W/password"
    token=$(page "$U?route=/" | sed -n 's/.*name="token" value="\([^"]*\)".*/\1/p' | head -n 1)
    page -L "$U?route=/" --data-urlencode "token=$token" -d pma_username=admin -d server=1 \
        --data-urlencode "pma_password@$W/password" >/dev/null
    page "$U?route=/database/structure&db=events&server=1" | grep -q trucks
}
"#;

pub(super) const AT_PAGES: &[Attempt] = &[
    may("admin", "sees tables in a browser", "logs_in right"),
    may_not(
        "neighbour",
        "sees tables with a wrong password",
        "logs_in wrong",
    ),
    may(
        "neighbour",
        "sees the page that asks for a password",
        "page \"$U\" | grep -q pma_password",
    ),
];

pub(super) const AT_SERVER: &[Attempt] = &[
    may(
        "consumer",
        "reads rows by TLS",
        "over consumer 'SELECT COUNT(*) FROM events.trucks' | grep -q 2100",
    ),
    may_not(
        "consumer",
        "trusts another authority",
        "as consumer -h $H --ssl-ca=$W/other --ssl-verify-server-cert -e 'SELECT 1'",
    ),
    may_not(
        "consumer",
        "reads in plain text",
        "as consumer -h $H --skip-ssl -e 'SELECT 1'",
    ),
    may_not(
        "outsider",
        "comes with a wrong password",
        "over wrong 'SELECT 1'",
    ),
    may_not(
        "consumer",
        "deletes rows",
        "over consumer 'DELETE FROM events.trucks'",
    ),
    may_not(
        "consumer",
        "drops a table",
        "over consumer 'DROP TABLE events.trucks'",
    ),
    may_not(
        "consumer",
        "reads users",
        "over consumer 'SELECT * FROM mysql.user'",
    ),
    may_not(
        "consumer",
        "makes a database",
        "over consumer 'CREATE DATABASE d'",
    ),
    may_not(
        "consumer",
        "reads the node's files",
        "over consumer \"SELECT LOAD_FILE('/etc/passwd')\" | grep -q root",
    ),
    may(
        "admin",
        "makes and drops a table from the node",
        "as admin -h 127.0.0.1 -e 'CREATE TABLE events.mine (n INT); DROP TABLE events.mine'",
    ),
    may_not("admin", "comes from a member", "over admin 'SELECT 1'"),
    may_not(
        "admin",
        "reads users",
        "as admin -h 127.0.0.1 -e 'SELECT * FROM mysql.user'",
    ),
    may(
        "root",
        "asks at the socket",
        "mariadb --no-defaults -S $S -e 'SELECT 1'",
    ),
    may_not(
        "neighbour",
        "asks at the socket",
        "runuser -u nobody -- mariadb --no-defaults -u root -S $S -e 'SELECT 1'",
    ),
    may_not(
        "neighbour",
        "comes without a password",
        "runuser -u nobody -- mariadb --no-defaults -u root -h 127.0.0.1 -e 'SELECT 1'",
    ),
    may(
        "root",
        "reads its hashes",
        "grep -q USING $D/mariadb/rights.sql",
    ),
    may_not(
        "neighbour",
        "reads its hashes",
        "runuser -u nobody -- cat $D/mariadb/rights.sql",
    ),
    may(
        "root",
        "reads its tables",
        "ls $(dirname $S)/tables/events | grep -q trucks",
    ),
    may_not(
        "neighbour",
        "reads its tables",
        "runuser -u nobody -- ls $(dirname $S)/tables",
    ),
];

pub(super) const BESIDE: &[Attempt] = &[
    may(
        "root",
        "reads the consumer's password",
        "grep -q . $D/consumer/mariadb-password",
    ),
    may_not(
        "neighbour",
        "reads the consumer's password",
        "runuser -u nobody -- cat $D/consumer/mariadb-password",
    ),
];

pub(super) const BESIDE_PAGES: &[Attempt] = &[
    may(
        "root",
        "sees where phpMyAdmin listens",
        "ss -Hltn | awk '{ print $4 }' | grep -q '^127.0.0.1:8081$'",
    ),
    may_not(
        "outsider",
        "finds phpMyAdmin elsewhere",
        "ss -Hltn | awk '{ print $4 }' | grep ':8081$' | grep -v '^127.0.0.1:'",
    ),
    may(
        "root",
        "reads what encrypts logins of browsers",
        "grep -q blowfish $D/phpmyadmin/config.inc.php",
    ),
    may_not(
        "neighbour",
        "reads what encrypts logins of browsers",
        "runuser -u nobody -- cat $D/phpmyadmin/config.inc.php",
    ),
];

pub(super) const WITH_OLD: &[Attempt] = &[
    may(
        "root",
        "asks at the socket",
        "mariadb --no-defaults -S $S -e 'SELECT 1'",
    ),
    may_not(
        "consumer",
        "comes with the password of before",
        "over old 'SELECT 1'",
    ),
];
