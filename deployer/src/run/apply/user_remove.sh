# Removes a user and its group. A package's stays: its files are the user's, and the next user would get the same number.
set -eu
case $(dpkg-query -W -f '${db:Status-Status}' -- "$1" 2>/dev/null) in '' | not-installed) ;;
    *)
        echo "$1 stays: it owns files of a package that stays" >&2
        exit 0
        ;;
esac
if getent passwd -- "$1" >/dev/null; then userdel -- "$1"; fi
if getent group -- "$1" >/dev/null; then groupdel -- "$1"; fi
