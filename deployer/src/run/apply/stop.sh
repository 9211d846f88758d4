# Stops and disables a unit. One that is not there is stopped.
set -u
unit=$1
if [ "$(systemctl show -p LoadState --value -- "$unit")" != not-found ]; then
    systemctl disable --quiet "$unit" 2>/dev/null
    systemctl stop "$unit" || exit
    systemctl reset-failed "$unit" 2>/dev/null
fi
rm -f -- "/run/deployer/$unit.loaded"
