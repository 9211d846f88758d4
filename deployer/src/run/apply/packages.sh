# Installs Debian packages: one entry an argument; of `a | b` the first that the system offers.
missing() {
    for entry; do
        there=
        for name in $(printf '%s' "$entry" | tr '|' ' '); do there=$there$(installed "$name"); done
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
            if [ -n "$(candidate "$name")" ]; then
                choice=$name
                break
            fi
        done
        if [ -n "$choice" ]; then chosen="$chosen $choice"; else unknown="$unknown $entry"; fi
    done
    [ -z "$unknown" ]
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
    printf '%s\n' "$said"
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
    if [ -z "$fresh" ]; then
        update
        printf '%s\n' "$said"
    fi
    fresh=
    sleep "$tries"
done
