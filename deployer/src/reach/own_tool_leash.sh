set -eu
umask 077
directory=$1
shift
mkdir -- "$directory"
end() {
    process=$(cat "$directory/process" 2>/dev/null) || process=
    if [ -n "$process" ] && kill "$process" 2>/dev/null; then
        tries=0
        while [ "$tries" -lt 50 ] && kill -0 "$process" 2>/dev/null; do
            sleep 0.1
            tries=$((tries + 1))
        done
        kill -9 "$process" 2>/dev/null || :
    fi
    rm -rf -- "$directory"
}
trap end EXIT
trap 'exit 1' HUP INT TERM
while [ $# -gt 0 ]; do
    head -c "$2" >"$directory/$1"
    shift 2
done
echo ready
cat >/dev/null
