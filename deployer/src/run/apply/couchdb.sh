# Adds a package repository of CouchDB and makes its package installable without questions and without a start:
# repository, address of its key, keyring, sources file. debconf answers come from the standard input.
set -eu
repository=$1 key=$2 keyring=$3 sources=$4
. /etc/os-release
fetched=$(mktemp -d)
trap 'rm -rf -- "$fetched"' EXIT
trap 'exit 1' HUP INT TERM
if command -v curl >/dev/null; then
    curl -fsSL --retry 3 --connect-timeout 10 --max-time 60 -o "$fetched/key" -- "$key"
else
    wget -q -T 30 -t 3 -O "$fetched/key" -- "$key"
fi
# apt reads armoured keys by their file's suffix alone, so it gets a binary one; a binary one is taken as it is.
if grep -q 'BEGIN PGP' "$fetched/key"; then
    sed -n '/^-----BEGIN/,/^-----END/{/^-----/d;/^[A-Za-z]*: /d;/^=/d;/^ *$/d;p}' "$fetched/key" | base64 -d >"$fetched/binary"
else
    mv -- "$fetched/key" "$fetched/binary"
fi
install -m 0644 -- "$fetched/binary" "$keyring"
printf '# Written by deployer.\ndeb [signed-by=%s] %s %s main\n' "$keyring" "$repository" "$VERSION_CODENAME" >"$sources"
debconf-set-selections
# The package starts its service at once; until StartUnit does it with our settings, it may not.
systemctl mask --runtime couchdb.service
# The lists do not know the repository yet.
if [ -d /var/lib/apt/lists/partial ]; then touch -d 1970-01-01 /var/lib/apt/lists/partial; fi
