# Fetches a tar.gz with a pinned checksum and unpacks a part of it beside its place: path, SHA-512, pattern of what is wanted,
# addresses, `--`, patterns of what is left out. Exit code 69: no address gave it.
set -eu
path=$1 sum=$2 wanted=$3
shift 3
rm -rf -- "$path.new" "$path.old"
mkdir -p -- "$path.new"
file=$path.fetched
trap 'rm -f -- "$file"' EXIT
trap 'exit 1' HUP INT TERM

fetch() {
    if command -v curl >/dev/null; then
        curl -fsSL --connect-timeout 5 --speed-limit 200000 --speed-time 15 --max-time 420 -o "$file" -- "$1"
    else
        timeout 420 wget -q -T 10 -t 1 -O "$file" -- "$1"
    fi
}

got=
while [ "$1" != -- ]; do
    if [ -z "$got" ]; then
        echo "fetching $1" >&2
        if ! fetch "$1"; then
            echo "$1: could not be fetched" >&2
        elif ! printf '%s  %s\n' "$sum" "$file" | sha512sum -c --status; then
            echo "$1: sent something else than is pinned" >&2
        else
            got=1
        fi
    fi
    shift
done
shift
if [ -z "$got" ]; then exit 69; fi
count=$#
while [ "$count" -gt 0 ]; do
    set -- "$@" "--exclude=$1"
    shift
    count=$((count - 1))
done
tar -xz -f "$file" -C "$path.new" --no-same-owner --strip-components=1 --wildcards --no-wildcards-match-slash "$@" -- "$wanted"
