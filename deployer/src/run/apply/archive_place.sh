# Puts an unpacked archive into its place and marks it as whole: path, owner, group, mode, marker's name, identity.
set -eu
path=$1 owner=$2 group=$3 mode=$4 marker=$5 identity=$6
chown -R -h -- "$owner:$group" "$path.new"
# Whoever packed it may have kept it to himself.
chmod -R u+rwX,go+rX,go-w -- "$path.new"
chmod -- "$mode" "$path.new"
printf '%s\n' "$identity" >"$path.new/$marker"
if [ -e "$path" ]; then mv -T -- "$path" "$path.old"; fi
mv -T -- "$path.new" "$path"
rm -rf -- "$path.old"
