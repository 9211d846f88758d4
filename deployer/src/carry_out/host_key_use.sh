# Puts the new key into the place of the one that was given, unless that was done, and lets sshd read it.
set -eu
key=/etc/ssh/ssh_host_ed25519_key
if [ -e "$key.own" ]; then
    ssh-keygen -y -f "$key.own" >"$key.pub.part"
    mv -f "$key.pub.part" "$key.pub"
    mv -f "$key.own" "$key"
    sync
fi
# Debian's name for it, then everybody else's.
systemctl reload ssh.service 2>/dev/null || exec systemctl reload sshd.service
