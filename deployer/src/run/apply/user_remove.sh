# Removes a user and its group.
set -eu
if getent passwd -- "$1" >/dev/null; then userdel -- "$1"; fi
if getent group -- "$1" >/dev/null; then groupdel -- "$1"; fi
