# Removes an nftables table with all that loads it: table, unit, the unit's file, the rules' file, the record.
set -eu
if [ -e "$3" ]; then systemctl disable --quiet "$2"; fi
# After a boot it is active, and would stay so without its file. Where it is not loaded there is nothing to stop.
systemctl stop "$2" 2>/dev/null || :
rm -f -- "$3" "$4" "$5"
systemctl daemon-reload
systemctl reset-failed "$2" 2>/dev/null || :
if nft list table inet "$1" >/dev/null 2>&1; then nft delete table inet "$1"; fi
