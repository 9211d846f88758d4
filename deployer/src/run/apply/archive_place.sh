# Puts an unpacked archive into its place and marks it as whole: path, owner, group, mode, marker's name, identity.
set -eu
path=$1 owner=$2 group=$3 mode=$4 marker=$5 identity=$6
chown -R -h -- "$owner:$group" "$path.new"
# Whoever packed it may have kept it to himself.
chmod -R u+rwX,go+rX,go-w -- "$path.new"
chmod -- "$mode" "$path.new"
listing "$path.new" >"$path.new/.deployer-list"
(cd -- "$path.new" && find . -type f ! -name '.deployer-*' -print0 | xargs -0 -r b2sum >.deployer-sums)
printf '%s\n' "$identity" >"$path.new/$marker"
# Who runs from the files of before has to start again, whatever their archive was called.
if [ -e "$path" ]; then
    grep -lsF -- "$path/$marker" /run/deployer/*.loaded | xargs -r rm -f --
fi
if [ -e "$path" ]; then mv -T -- "$path" "$path.old"; fi
mv -T -- "$path.new" "$path"
rm -rf -- "$path.old"
