# Serves a directory to neighbours for a quarter of an hour at most: directory, address, unit. Prints the port.
set -eu
directory=$1 address=$2 unit=$3
# Those who were not told to end it would leave it behind; it is not ours to delete while another port is tried.
over='[ "$SERVICE_RESULT" = exit-code ] || rm -rf -- "$0"'
# Above what the kernel gives to connections.
for port in 61017 62039 63061 64083; do
    systemctl stop "$unit" 2>/dev/null || :
    systemd-run --quiet --collect --unit="$unit" -p RuntimeMaxSec=900 -p User=nobody -p "ExecStopPost=+/bin/sh -c '$over' $directory" \
        python3 -m http.server --bind "$address" --directory "$directory" "$port"
    tries=0
    while [ "$tries" -lt 50 ] && systemctl -q is-active "$unit"; do
        if python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)' "$address" "$port" 2>/dev/null; then
            printf '%s\n' "$port"
            exit 0
        fi
        tries=$((tries + 1))
        sleep 0.1
    done
done
exit 69
