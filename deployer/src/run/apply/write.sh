# Replaces a file whole by its standard input: owner group mode sha256 path.
set -eu
owner=$1 group=$2 mode=$3 sum=$4 path=$5
directory=${path%/*}
mkdir -p -- "$directory"
temporary=$(mktemp "$directory/.deployer.XXXXXX")
trap 'rm -f -- "$temporary"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$temporary"
# A connection that broke looks like the end of the input: only the checksum tells.
if ! printf '%s  %s\n' "$sum" "$temporary" | sha256sum -c --status; then
    echo "$path: what arrived is not what was sent" >&2
    exit 74
fi
chown -- "$owner:$group" "$temporary"
chmod -- "$mode" "$temporary"
mv -fT -- "$temporary" "$path"
