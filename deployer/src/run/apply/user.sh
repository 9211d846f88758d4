# Creates a system user with a group of the same name: user, home.
set -eu
if getent passwd -- "$1" >/dev/null; then exit 0; fi
if ! getent group -- "$1" >/dev/null; then groupadd --system -- "$1"; fi
useradd --system --gid "$1" --home-dir "$2" --no-create-home --shell /usr/sbin/nologin -- "$1"
