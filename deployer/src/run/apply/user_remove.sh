# Removes a user and its group. A package's stays: its files are the user's, or its unit runs as that user, and the next user would get
# the same number.
set -eu
case $(dpkg-query -W -f '${db:Status-Status}' -- "$1" 2>/dev/null) in
    '' | not-installed) stays=$(grep -lsx "User=$1" /usr/lib/systemd/system/*.service /lib/systemd/system/*.service || true) ;;
    *) stays=yes ;;
esac
if [ -n "$stays" ]; then
    echo "$1 stays: it is of a package that stays" >&2
    exit 0
fi
if getent passwd -- "$1" >/dev/null; then userdel -- "$1"; fi
if getent group -- "$1" >/dev/null; then groupdel -- "$1"; fi
