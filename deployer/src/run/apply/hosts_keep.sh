# Keeps a deployment's block in /etc/hosts: block, the file that holds it and its text, the unit that puts it back at boot, the
# unit's file and its text.
set -eu
put() {
    printf '%s' "$2" >"$1.new"
    mv -fT -- "$1.new" "$1"
}

# cloud-init writes the file anew at each boot of some clouds' machines, unless told not to.
if [ -d /etc/cloud ]; then
    mkdir -p /etc/cloud/cloud.cfg.d
    put "/etc/cloud/cloud.cfg.d/99-deployer-$1.cfg" '# Written by deployer.
manage_etc_hosts: false
'
fi
mkdir -p -- "${2%/*}"
put "$2" "$3"
put "$5" "$6"
# This reloads systemd's view of the files, too.
systemctl enable --quiet "$4"
