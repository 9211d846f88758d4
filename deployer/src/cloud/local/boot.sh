# Mounts a machine's disk and boots it, at each boot. Arguments: layers, mount point, log, program ...
mount -t overlay overlay -o "$1" "$2" || exit 1
# What earlier boots said is kept, but not for ever. The file stays the same: it is open for writing at its end.
if [ "$(stat -c %s -- "$3")" -gt 1000000 ]; then
    tail -c 100000 -- "$3" >"$3.part" && cat -- "$3.part" >"$3"
    rm -f -- "$3.part"
fi
shift 3
exec "$@"
