# Waits until a unit of ours listens on a TCP port: port, unit, seconds. Exit codes: 3 the time is over, 4 the unit ended.
set -u
port=$1 unit=$2
# The kernel's table: local address and port, remote address and port, state 0A (LISTEN).
wanted=$(printf ':%04X [0-9A-F]*:0000 0A ' "$port")

# Whether one of the sockets is of the unit's user: the eighth word is the number of whoever made it. That is known where not even
# root may look into other processes. Somebody else's socket is no sign of our service.
listens() {
    sockets=$(grep -hs -e "$wanted" /proc/net/tcp /proc/net/tcp6) || return 1
    ours=$(systemctl show -p UID --value -- "$unit")
    case $ours in '' | *[!0-9]*) ours=0 ;; esac
    printf '%s\n' "$sockets" | while read -r slot local remote state queues timer retries user rest; do
        if [ "$user" = "$ours" ]; then exit 9; fi
    done
    [ $? -eq 9 ]
}

read -r now rest </proc/uptime
end=$((${now%.*} + $3))
round=0
sockets=
until listens; do
    read -r now rest </proc/uptime
    code=0
    if [ "${now%.*}" -ge "$end" ]; then code=3; fi
    if [ $((round % 10)) -eq 9 ]; then
        case $(systemctl show -p ActiveState --value -- "$unit") in failed | inactive) code=4 ;; esac
    fi
    if [ "$code" -ne 0 ]; then
        journalctl -u "$unit" -n 20 --no-pager -o cat 2>/dev/null
        if [ -n "$sockets" ]; then
            echo "port $port is held by another process: $(ss -Htlnp "sport = :$port" 2>/dev/null | grep -o 'users:.*' | head -n 1)"
        fi
        exit "$code"
    fi
    round=$((round + 1))
    sleep 0.05
done
