# Waits until a TCP port listens: port, its unit, seconds. Exit codes: 3 the time is over, 4 the unit ended.
set -u
unit=$2
# The kernel's table: local address and port, remote address and port, state 0A (LISTEN).
wanted=$(printf ':%04X [0-9A-F]*:0000 0A ' "$1")
read -r now rest </proc/uptime
end=$((${now%.*} + $3))
round=0
until grep -qs -e "$wanted" /proc/net/tcp /proc/net/tcp6; do
    read -r now rest </proc/uptime
    code=0
    if [ "${now%.*}" -ge "$end" ]; then code=3; fi
    if [ $((round % 10)) -eq 9 ]; then
        case $(systemctl show -p ActiveState --value -- "$unit") in failed | inactive) code=4 ;; esac
    fi
    if [ "$code" -ne 0 ]; then
        journalctl -u "$unit" -n 20 --no-pager -o cat 2>/dev/null
        exit "$code"
    fi
    round=$((round + 1))
    sleep 0.05
done
