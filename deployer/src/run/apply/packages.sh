# Installs Debian packages: one entry an argument; of `a | b` the first that the system offers.
set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

missing() {
    for entry; do
        there=
        for name in $(printf '%s' "$entry" | tr '|' ' '); do
            case $(dpkg-query -W -f '${db:Status-Status}' -- "$name" 2>/dev/null) in installed) there=1 ;; esac
        done
        if [ -z "$there" ]; then printf '%s\n' "$entry"; fi
    done
}

# The first name of each entry that can be installed, into `chosen`; fails when an entry has none.
choose() {
    chosen=
    unknown=
    for entry; do
        choice=
        for name in $(printf '%s' "$entry" | tr '|' ' '); do
            candidate=$(apt-cache policy -- "$name" | sed -n 's/^  Candidate: //p')
            if [ -n "$candidate" ] && [ "$candidate" != '(none)' ]; then
                choice=$name
                break
            fi
        done
        if [ -n "$choice" ]; then chosen="$chosen $choice"; else unknown="$unknown $entry"; fi
    done
    [ -z "$unknown" ]
}

get() {
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold --no-install-recommends "$@"
}

# The lists have a lock of their own, which apt does not wait for.
update() {
    echo 'reading the package lists' >&2
    tries=0
    until said=$(get update 2>&1); do
        tries=$((tries + 1))
        case $said in
            *'Could not get lock'* | *'Unable to lock'*) [ "$tries" -lt 150 ] || break ;;
            *) [ "$tries" -lt 3 ] || break ;;
        esac
        sleep 2
    done
    printf '%s\n' "$said"
}

IFS='
'
set -f
set -- $(missing "$@")
unset IFS
if [ $# -eq 0 ]; then exit 0; fi

# A cloud's own first installation would fight with ours for apt. Its errors are not ours.
if command -v cloud-init >/dev/null; then
    echo 'waiting for cloud-init' >&2
    timeout 300 cloud-init status --wait >/dev/null 2>&1 || :
fi

fresh=
if [ -z "$(find /var/lib/apt/lists/partial -maxdepth 0 -mtime -1 2>/dev/null)" ] || ! choose "$@"; then
    update
    fresh=1
fi
if ! choose "$@"; then
    echo "no package can be installed for:$unknown" >&2
    exit 100
fi
echo "installing$chosen" >&2
tries=0
until get install $chosen; do
    tries=$((tries + 1))
    if [ "$tries" -ge 3 ]; then exit 100; fi
    # An installation that was killed half-way, or lists that name what the mirror no longer has.
    dpkg --configure -a || :
    if [ -z "$fresh" ]; then update; fi
    fresh=
    sleep "$tries"
done
