# Fetches a tar.gz with a pinned checksum and unpacks a part of it beside its place: path, SHA-512, pattern of what is wanted,
# addresses, `--`, patterns of what is left out. Exit code 69: no address gave it.
path=$1 sum=$2 wanted=$3
shift 3
rm -rf -- "$path.new" "$path.old"
mkdir -p -- "$path.new"
file=$path.fetched
trap 'rm -f -- "$file"' EXIT
trap 'exit 1' HUP INT TERM

got=
while [ "$1" != -- ]; do
    if [ -z "$got" ] && fetch "$sum" "$1"; then got=1; fi
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
