# Unpacks a tar archive from its standard input beside its place: path, folders to strip, tar's word for its compression.
set -eu
path=$1 strip=$2 compression=$3
rm -rf -- "$path.new" "$path.old"
mkdir -p -- "$path.new"
tar -x $compression -f - -C "$path.new" --no-same-owner --strip-components="$strip"
