# What scripts share that install Debian packages.
set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
# What is said while somebody waits goes here, whatever becomes of the errors.
exec 3>&2

# Runs apt-get. Who has one of its locks (unattended-upgrades, a cloud's first installation) is waited for, and named meanwhile: apt
# itself waits for some of them only, and without a line.
get() {
    waited=0
    while :; do
        code=0
        { errors=$(apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
            --no-install-recommends "$@" 2>&1 >&4) || code=$?; } 4>&1
        case $code:$errors in
            0:*) break ;;
            *'Could not get lock'*) [ "$waited" -lt 300 ] || break ;;
            *) break ;;
        esac
        if [ $((waited % 10)) -eq 0 ]; then
            echo "waiting for apt, up to 300 s: $(printf '%s\n' "$errors" | sed -n 's/^E: //p' | head -n 1)" >&3
        fi
        sleep 2
        waited=$((waited + 2))
    done
    if [ -n "$errors" ]; then printf '%s\n' "$errors" >&2; fi
    return "$code"
}

# Reads package lists; options go to apt.
update() {
    echo 'reading the package lists' >&2
    asked=0
    until said=$(get update "$@" 2>&1); do
        asked=$((asked + 1))
        case $said in
            # Asking again changes nothing.
            *'Could not get lock'* | *'is not signed'* | *'does not have a Release file'*) break ;;
            *) [ "$asked" -lt 3 ] || break ;;
        esac
        sleep 2
    done
}

# The version of a package that is installed; nothing: none.
installed() {
    case $(dpkg-query -W -f '${db:Status-Status}' -- "$1" 2>/dev/null) in
        installed) dpkg-query -W -f '${Version}' -- "$1" ;;
    esac
}

# The version of a package that would be installed; nothing: none.
candidate() {
    apt-cache policy -- "$1" | sed -n 's/^  Candidate: //p' | grep -vFx '(none)' || :
}
