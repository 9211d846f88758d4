# Argument: the public key that the machine was given. The private half of the new one never leaves the machine.
set -eu
umask 077
key=/etc/ssh/ssh_host_ed25519_key
data() { ssh-keygen -y -f "$1" | cut -d ' ' -f 2; }
given=${1#* }
if [ "$(data "$key")" = "${given%% *}" ]; then
    if ! [ -e "$key.own" ]; then
        rm -f "$key.part" "$key.part.pub"
        ssh-keygen -q -t ed25519 -N '' -C "$(uname -n)" -f "$key.part"
        rm -f "$key.part.pub"
        mv -f "$key.part" "$key.own"
    fi
    key=$key.own
fi
# The receipt will have it: no loss of power may take it away.
sync
exec ssh-keygen -y -f "$key"
