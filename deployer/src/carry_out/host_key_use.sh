# Puts the new key into the place of the one that was given, unless that was done, and lets sshd read it.
set -eu
key=/etc/ssh/ssh_host_ed25519_key
if [ -e "$key.own" ]; then
    ssh-keygen -y -f "$key.own" >"$key.pub.part"
    mv -f "$key.pub.part" "$key.pub"
    mv -f "$key.own" "$key"
    sync
fi
unit=ssh.service # Debian's name for it; everybody else's is sshd
[ "$(systemctl show --property=LoadState --value "$unit")" = loaded ] || unit=sshd.service
# One whose settings were broken since it started would not start again: then it stays as it is.
case "$(systemctl show --property=ActiveState --value "$unit")" in
active | reloading) /usr/sbin/sshd -t ;;
esac
# So that this start is not one too many in ten seconds: it would be the last.
systemctl reset-failed "$unit"
# Not reload: one that a socket started (Ubuntu) dies of it, unable to bind its port (LP 2011458). Sessions live on. Where none
# runs, the next connection starts one.
exec systemctl try-restart "$unit"
