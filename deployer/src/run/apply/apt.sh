# What scripts share that install Debian packages.
set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

get() {
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold --no-install-recommends "$@"
}

# Reads package lists; options go to apt. The lists have a lock of their own, which apt does not wait for.
update() {
    echo 'reading the package lists' >&2
    asked=0
    until said=$(get update "$@" 2>&1); do
        asked=$((asked + 1))
        case $said in
            *'Could not get lock'* | *'Unable to lock'*) [ "$asked" -lt 150 ] || break ;;
            # Asking again changes nothing.
            *'is not signed'* | *'does not have a Release file'*) break ;;
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
