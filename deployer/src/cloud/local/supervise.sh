# Runs a machine where process 1 is not systemd: in cgroups of its own, again after each reboot from within (133).
# Arguments: log, cgroup below each root, roots ..., --, program ...
log=$1 group=$2
shift 2
exec </dev/null >>"$log" 2>&1
while [ "$1" != -- ]; do
    directory=$1
    IFS=/
    for name in $group; do
        parent=$directory directory=$directory/$name
        if [ ! -d "$directory" ]; then mkdir -p "$directory"; fi
        # A new cpuset of cgroup v1 is empty, and takes no process.
        for file in cpuset.cpus cpuset.mems; do
            if [ -e "$parent/$file" ] && [ -e "$directory/$file" ]; then
                read -r value <"$parent/$file" && printf '%s\n' "$value" >"$directory/$file"
            fi
        done
    done
    unset IFS
    echo $$ >"$directory/cgroup.procs" || exit 1
    shift
done
shift
"$@"
while [ $? -eq 133 ]; do "$@"; done
