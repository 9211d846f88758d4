# Looks whether this node has the libraries of unpacked programs, before they take their place: directory, patterns of programs.
set -eu
cd -- "$1"
shift
missing=
for pattern; do
    for program in $pattern; do
        if [ ! -f "$program" ]; then continue; fi
        lacks=$(ldd "$program" 2>&1 | sed -n "s/^[[:space:]]*\\([^ ]*\\) => not found.*/\\1/p; s/.*version .\\([A-Z_a-z0-9.]*\\). not found.*/\\1/p" | sort -u | tr '\n' ' ')
        if [ -n "$lacks" ]; then
            echo "$program needs ${lacks% }, which this node has not" >&2
            missing=1
        fi
    done
done
if [ -n "$missing" ]; then
    echo 'the archive was built for another system: take one that was built for this release, or install these libraries' >&2
    exit 69
fi
