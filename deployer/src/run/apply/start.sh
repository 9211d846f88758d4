# Makes a unit run with the files as they are now: unit, whether it may end by itself (`finishes`) or fail (`fails`).
set -u
unit=$1 may=$2

log() {
    journalctl -u "$unit" -n 20 --no-pager -o cat 2>/dev/null
}

# What was masked for the time of its package's installation.
if [ -L "/run/systemd/system/$unit" ]; then systemctl --runtime unmask --quiet "$unit"; fi
# Reloads systemd's view of the files, too.
systemctl enable --quiet "$unit" || exit
systemctl reset-failed "$unit" 2>/dev/null
if ! systemctl restart "$unit"; then
    log
    if [ "$may" = fails ]; then exit 0; fi
    exit 1
fi
if [ "$may" = fails ]; then exit 0; fi
# A timer has no process that could end.
case $unit in *.timer) exit 0 ;; esac
# What cannot run at all (a wrong library, a bad setting) ends within this moment; what runs needs longer to be of use.
sleep 0.2
state=$(systemctl show -p ActiveState -p SubState -p Result -p NRestarts -- "$unit")
case $state in
    *ActiveState=failed* | *SubState=auto-restart*) ;;
    *ActiveState=inactive*) if [ "$may" = finishes ]; then exit 0; fi ;;
    *NRestarts=0* | *NRestarts=) exit 0 ;;
esac
printf '%s\n' "$state"
log
exit 1
