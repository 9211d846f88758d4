# Replaces a file whole by its standard input: owner group mode sha256 path [sha256 of the file that it may replace].
set -eu
owner=$1 group=$2 mode=$3 sum=$4 path=$5 old=${6-}
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
if [ -n "$old" ] && ! printf '%s  %s\n' "$old" "$path" | sha256sum -c --status; then
    echo "$path: changed in the meantime" >&2
    exit 75
fi
# Where the path is a mount of its own (a container's /etc/hosts) it cannot be renamed over, only rewritten.
mv -fT -- "$temporary" "$path" 2>/dev/null || cat <"$temporary" >"$path"
