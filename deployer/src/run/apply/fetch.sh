# What scripts share that fetch a file with a pinned checksum.
set -eu

# Gets one address into `file`. One without a scheme is a file of this node, `neighbour:` one that another node serves.
get() {
    case $1 in
        /*) cp -- "$1" "$file" && return ;;
        # Neighbours are never behind a proxy.
        neighbour:*)
            set -- "${1#neighbour:}"
            no_proxy='*' NO_PROXY='*' http_proxy= HTTP_PROXY=
            export no_proxy NO_PROXY http_proxy HTTP_PROXY
            ;;
    esac
    if command -v curl >/dev/null; then
        code=0
        answer=$(curl -sfL --connect-timeout 5 --speed-limit 100000 --speed-time 20 \
            -w '%{http_code}' -o "$file" -- "$1") || code=$?
        if [ "$code" -eq 0 ]; then return; fi
        why="curl ended with exit code $code"
    else
        said=$(timeout 1700 wget -nv -T 20 -t 1 -O "$file" -- "$1" 2>&1) && return
        answer=$(printf '%s' "$said" | sed -n 's/.*ERROR \([0-9]*\).*/\1/p')
        why=$(printf '%s' "$said" | tail -n 1)
    fi
    case $answer in
        # Apache's content network has the newest versions only.
        404) ;;
        403 | 429) echo "$1: gives nothing to this address (HTTP $answer)" >&2 ;;
        *) echo "$1: could not be fetched ($why)" >&2 ;;
    esac
    return 1
}

# Gets what has this SHA-512 into `file`, from the first address that has it.
fetch() {
    sum=$1
    shift
    for address; do
        case $address in /*) ;; *) echo "fetching ${address#neighbour:}" >&2 ;; esac
        if ! get "$address"; then
            continue
        elif printf '%s  %s\n' "$sum" "$file" | sha512sum -c --status; then
            return
        fi
        echo "$address: sent something else than is pinned" >&2
    done
    return 1
}
