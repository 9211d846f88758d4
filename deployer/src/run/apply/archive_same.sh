# Whether an archive is unpacked and nothing of it has changed since: path, marker's name, identity.
set -eu
path=$1 marker=$2 identity=$3
for file in "$marker" .deployer-list .deployer-sums; do
    [ -f "$path/$file" ] || exit 1
done
read -r there <"$path/$marker"
[ "$there" = "$identity" ]
read -r listed <"$path/.deployer-list"
[ "$(listing "$path")" = "$listed" ]
cd -- "$path"
b2sum -c --status .deployer-sums
