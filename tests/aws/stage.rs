//! Machines that are not there: moto reports them, and what answers by SSH is a system behind a wall, in which every command
//! begins anew. The deployer meets each with its own host key and finds nothing on it, so that whatever it does between two
//! calls of AWS it does here, too; a machine without roles is made and kept as in earnest.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::desk::Desk;
use super::moto::{Moto, python};
use super::skip::skip;
use super::watcher::{IMAGE, command, make_image, may_boot};

/// The public addresses of machines on the stage: of loopback, so that nobody else is knocked at.
const ADDRESSES: std::ops::Range<u8> = 10..42;

/// The server that a machine's way leads through.
const SSHD: &str = "/usr/sbin/sshd";

/// The way of ssh to a machine: sshd without a network. The host key is the one that the deployment gave the node, or what became
/// of it: a machine's /etc/ssh stays.
const WAY: &str = r#"#!/bin/sh
here=$1
if [ -e "$here/silent" ]; then exec sleep 60; fi
for config in "$here"/state/*/ssh_config "$here"/state/rehearsals/*/*/ssh_config; do
    [ -e "$config" ] || continue
    node=$(awk -v address="$2" '$1 == "Host" { here = $2 == address } here && $1 == "HostKeyAlias" { print $2 }' "$config")
    [ -n "$node" ] || continue
    keys=$(dirname "$config")/keys
    ssh-keygen -y -f "$keys/user" >"$here/authorized"
    own=$here/ssh-$node-$2-$(cksum <"$keys/host-$node" | cut -d ' ' -f 1)
    mkdir -p "$own"
    [ -e "$own/ssh_host_ed25519_key" ] || cp "$keys/host-$node" "$own/ssh_host_ed25519_key"
    exec SSHD -i -f /dev/null -E "$here/sshd.log" -o "HostKey=$own/ssh_host_ed25519_key" -o "AuthorizedKeysFile=$here/authorized" \
        -o PermitRootLogin=yes -o StrictModes=no -o UsePAM=no -o PidFile=none -o PasswordAuthentication=no \
        -o "ForceCommand=unshare --mount --net --pid --fork --kill-child $here/wall $here $own"
done
exit 1
"#;

/// What a command meets: the image, with a layer of its own that goes with it.
const WALL: &str = r#"#!/bin/sh -e
root=$1/root
mount -t tmpfs tmpfs "$root"
mkdir "$root/upper" "$root/work" "$root/all"
mount -t overlay overlay -o "lowerdir=IMAGE,upperdir=$root/upper,workdir=$root/work" "$root/all"
mount -t proc proc "$root/all/proc"
mount -t tmpfs tmpfs "$root/all/run"
mkdir -p "$root/all/run/systemd/system"
>>"$root/all/etc/hosts"
mount --bind "$2" "$root/all/etc/ssh"
# No systemd runs behind the wall: what is to be enabled is taken as enabled, and each sshd here is a new one.
cat >"$root/all/usr/local/sbin/systemctl" <<'END'
#!/bin/sh
case $* in
enable* | reset-failed\ ssh.service | try-restart\ ssh.service) ;;
'show --property=LoadState --value ssh.service') echo loaded ;;
'show --property=ActiveState --value ssh.service') echo inactive ;;
*) exec /usr/bin/systemctl "$@" ;;
esac
END
chmod +x "$root/all/usr/local/sbin/systemctl"
exec chroot "$root/all" sh -c "$SSH_ORIGINAL_COMMAND"
"#;

/// Moto with machines for a stage, one for all tests of this process; each test uses a region of its own.
pub(crate) fn moto() -> Option<&'static Moto> {
    static SHARED: OnceLock<Option<Moto>> = OnceLock::new();
    if !may_boot() {
        return None;
    }
    if !Path::new(SSHD).exists() {
        skip("there is no sshd (apt-get install openssh-server)");
        return None;
    }
    python()?;
    SHARED
        .get_or_init(|| {
            let moto = Moto::start(None, &[("ON_LOOPBACK", "yes")])?;
            make_image();
            for last in ADDRESSES {
                // Where a sshd of this box listens everywhere, it hears the knocking.
                if let Ok(listener) = TcpListener::bind(format!("127.126.0.{last}:22")) {
                    std::thread::spawn(move || listener.incoming().for_each(drop));
                }
            }
            Some(moto)
        })
        .as_ref()
}

/// A user's box from which ssh leads to the stage.
pub(crate) fn desk() -> Desk {
    let mut desk = Desk::new();
    // Debian's sshd wants this directory when it runs as root.
    std::fs::create_dir_all("/run/sshd").expect("a directory");
    for directory in [".ssh", "root"] {
        std::fs::create_dir(desk.path(directory)).expect("a directory");
    }
    for (name, text) in [
        ("way", &WAY.replace("SSHD", SSHD)),
        ("wall", &WALL.replace("IMAGE", IMAGE)),
    ] {
        let path = desk.write(name, text);
        std::fs::set_permissions(Path::new(&path), Permissions::from_mode(0o755)).expect("mode");
    }
    let here = desk.path("");
    let here = here.trim_end_matches('/');
    let config = format!("Host 127.126.*\n  ProxyCommand {here}/way {here} %h\n");
    desk.write(".ssh/config", &config);
    desk.set("HOME", here);
    desk
}

/// From now on nothing answers: connections end, and no new one comes about.
pub(crate) fn silence(desk: &Desk) {
    desk.write("silent", "");
    let within = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).expect("connections");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    };
    let nodes = within(Path::new(&desk.path("deployer")));
    let sockets = nodes.iter().flat_map(|node| within(node));
    let sockets = sockets.map(|way| way.join("master"));
    for socket in sockets.filter(|socket| socket.exists()) {
        let socket = socket.display().to_string();
        let ended = command("ssh", &["-S", &socket, "-O", "exit", "-q", "nobody"]).status();
        assert!(ended.is_ok_and(|status| status.success()), "{socket}");
    }
}

/// All answers again.
pub(crate) fn speak(desk: &Desk) {
    std::fs::remove_file(desk.path("silent")).expect("the file goes");
}

/// Two machines without roles.
pub(crate) fn inventory(url: &str, region: &str, more: &str) -> String {
    format!(
        "\
name: staged
cloud: aws
nodes: {{ vm1: {{ roles: [] }}, vm2: {{ roles: [] }} }}
clouds:
  aws: {{ region: {region}, endpoint_url: '{url}', ssh_from: [192.0.2.1], image: {{ user: root }}{more} }}
"
    )
}
