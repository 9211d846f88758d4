# Answers one question about this node in one go. Runs as root; changes nothing; what is not there is not mentioned.
# Lists come one item a line: no name in them has a line break. Every process counts here (twenty nodes may share two
# processors), so the shell does itself what it can.
IFS='
'
set -f
exec 2>/dev/null
files=$1 shown=$2 units=$3 packages=$4 users=$5 tables=$6 program=$7 config=$8 system=$9 figures=${10} addresses=${11}
archives=${12} whole=${13} disks=${14} unread=${15} sources=${16} login=${17}
patience=${18}
# What is said here is bytes; looking for a locale takes each program a tenth of its time.
LC_ALL=C

# Puts those of some paths that are files into `regular`, a line each.
existing() {
    regular=
    for path in $1; do
        if [ -f "$path" ]; then regular="$regular$path$IFS"; fi
    done
}

# Puts the sum of a program into `sum`, if a unit of ours took it at its start, and nobody touched the file since: which file it is
# and when it was last changed in any way is noted before each sum. To read programs takes most of the time of an answer.
taken() {
    sum= mark=
    for line in $records; do
        case $line in
            *:*" $1") mark=${line%% *} ;;
            *"  $1")
                case "$found$IFS" in
                    *" ${mark:-none} $1$IFS"*) sum=${line%% *} ;;
                esac
                mark=
                ;;
        esac
    done
}

answer() {
    records=
    begin=
    printf '@self\n'
    for path in /proc/sys/kernel/random/boot_id /proc/1/stat /proc/sys/kernel/hostname /etc/machine-id; do
        line=
        if [ -r "$path" ]; then read -r line <"$path"; fi
        printf '%s\n' "$line"
    done
    if [ -n "$system" ]; then
        # As systemd itself tells whether it runs the machine.
        if [ ! -d /run/systemd/system ]; then printf '@foreign-init\nyes\n'; fi
        printf '@clock\n'
        date +%s%N
        # After the clock: what a busy node takes until then counts as the way, not as the work.
        read -r begin rest </proc/uptime
        printf '@machine\n'
        uname -m
        printf '@libc\n'
        getconf GNU_LIBC_VERSION
        printf '@nft\n'
        nft -j list ruleset
        printf '\n@iptables\n'
        iptables -S
        printf '@ip6tables\n'
        ip6tables -S
        printf '@memory\n'
        read -r memory </proc/meminfo
        printf '%s\n@disk\n' "$memory"
        stat -f -c '%a %S' /var/lib
        printf '@software\n'
        place=/opt
        if [ ! -d /opt ]; then place=/; fi
        stat -f -c '%a %S' "$place"
        findmnt -n -o OPTIONS -T "$place"
        printf '@unwritable\n'
        for place in /etc /etc/systemd/system /opt /var/lib /run; do
            if [ -d "$place" ] && [ ! -w "$place" ]; then printf '%s\n' "$place"; fi
        done
        # Opened for reading and writing, nothing written: one that may only grow cannot be replaced either.
        if [ -e /etc/hosts ] && ! (: 1<>/etc/hosts); then printf '/etc/hosts\n'; fi
    fi
    if [ -n "$sources" ]; then printf '@closed\n'; fi
    for source in $sources; do
        group=${source%%:*}
        path=${source#*:}
        # As whoever owns nothing and is of this group alone: so is the user of the unit, who may not be there yet.
        if getent group "$group" >/dev/null; then
            why=$(setpriv --reuid 65534 --regid 65534 --groups "$group" --inh-caps -all sh -c '
                path=${1%/*}/ above=
                while [ -n "$path" ]; do
                    above=$above${path%%/*}/ path=${path#*/}
                    if [ ! -d "$above" ]; then printf "there is no directory %s" "$above"; exit; fi
                    # Its rotations are found by the list of its directory.
                    if [ ! -x "$above" ] || { [ -z "$path" ] && [ ! -r "$above" ]; }; then
                        printf "%s is closed (%s)" "$above" "$(stat -c "%A %U:%G" "$above")"; exit
                    fi
                done
                if [ -d "$1" ]; then printf "it is a directory"
                elif [ -e "$1" ] && ! head -c 1 "$1" >/dev/null; then printf "it is closed (%s)" "$(stat -c "%A %U:%G" "$1")"
                fi' source "$path") || why='it could not be tried (setpriv)'
        else
            why="there is no group $group"
        fi
        if [ -n "$why" ]; then printf '%s\t%s\n' "$path" "$why"; fi
    done
    if [ -n "$units" ]; then
        printf '@units\n'
        states=$(systemctl show -p Names -p LoadState -p ActiveState -p SubState -p UnitFileState -p MainPID -p NRestarts -p UID -- $units)
        printf '%s\n' "$states"
        # What keeps failing may do so because its software is not what it was.
        case $states in *=failed* | *=auto-restart* | *NRestarts=[1-9]*) whole=failing ;; esac
        printf '@loaded\n'
        for unit in $units; do
            if [ -f "/run/deployer/$unit.loaded" ]; then
                while read -r line; do
                    printf '%s %s\n' "$unit" "$line"
                    records=$records$line$IFS
                done <"/run/deployer/$unit.loaded"
            fi
        done
        if command -v ss >/dev/null; then
            # Whose they are: for processes ss looks at every file that anybody has open, so only where a control group is no service's.
            # Where root may not look into others' processes no `pid=` comes, but the user does.
            sockets=$(ss -Htlne)
            for line in $sockets; do
                case $line in *cgroup:*.service*) continue ;; esac
                sockets=$(ss -Htlnpe)
                break
            done
            printf '@ports\n%s\n@groups\n' "$sockets"
            for line in $sockets; do
                case $line in *pid=*) ;; *) continue ;; esac
                pid=${line#*pid=}
                pid=${pid%%,*}
                while read -r group; do
                    case $group in 0::* | *:name=systemd:*) printf '%s %s\n' "$pid" "$group" ;; esac
                done <"/proc/$pid/cgroup"
            done
        else
            printf '@sockets\n'
            cat /proc/net/tcp /proc/net/tcp6
        fi
    fi
    for port in $figures; do
        printf '@figures %s\n' "$port"
        # Of all that is on every system only bash can open a connection. An agent that hangs takes it and says nothing. By numbers:
        # not every host can resolve `localhost`. Older agents may listen at the second.
        timeout 1 bash -c '{ exec 3<>"/dev/tcp/127.0.0.1/$1" || exec 3<>"/dev/tcp/::1/$1"; } && printf "GET /figures HTTP/1.0\r\n\r\n" >&3 && cat <&3' \
            figures "$port"
        printf '\n'
    done
    if [ -n "$packages" ]; then
        printf '@packages\n'
        # dpkg's own list: to read all of it takes dpkg-query three times as long. A package's name, at most two marks, its state.
        wanted=
        for package in $packages; do wanted="${wanted}Package: $package$IFS"; done
        grep -A 3 -Fx -e "${wanted%"$IFS"}" /var/lib/dpkg/status
    fi
    if [ -n "$users" ]; then
        printf '@users\n'
        getent passwd -- $users
    fi
    for table in $tables; do
        rules= loaded=
        { read -r rules && read -r loaded; } <"/run/deployer/$table.rules"
        printf '@table %s %s %s\n' "$table" "${rules%% *}" "${loaded%% *}"
        nft list table inet "$table"
    done
    for path in $archives; do
        if [ ! -d "$path" ]; then continue; fi
        printf '@archive %s\n' "$path"
        listed=
        read -r listed <"$path/.deployer-list"
        same=
        if [ "$(listing "$path")" = "$listed" ]; then same=yes; else printf 'changed\n'; fi
        if [ -n "$whole" ] || [ -z "$same" ]; then
            (cd -- "$path" && LC_ALL=C b2sum -c --quiet .deployer-sums || printf 'changed\n')
        fi
    done
    if [ -n "$disks" ]; then
        printf '@disks\n'
        set --
        for path in $disks; do
            # What is still to be made will lie where its parent does.
            until [ -e "$path" ]; do
                path=${path%/*}
                if [ -z "$path" ]; then path=/; fi
            done
            set -- "$@" "$path"
        done
        df -BM --output=avail,size,iavail,itotal,target -- "$@"
    fi

    if [ -n "$addresses" ]; then
        printf '@addresses\n'
        ip -o address show scope global
    fi

    printf '@files\n'
    found=$(stat -L --printf '%f %s %U %G %i:%.Z %n\n' -- $files $unread)
    printf '%s\n@sums\n' "$found"
    existing "$files"
    sums= untaken=
    for path in $regular; do
        sum=
        case $path in */bin/*) if [ -z "$whole" ]; then taken "$path"; fi ;; esac
        if [ -n "$sum" ]; then printf '%s  %s\n' "$sum" "$path"; else untaken=$untaken$path$IFS; fi
    done
    regular=$untaken
    case $regular in
        # Programs of ours are large: openssl, where it is, takes a fifth of the time, by what the processor has for it.
        */bin/*) sums=$(openssl dgst -sha256 -r $regular) || sums= ;;
    esac
    if [ -n "$sums" ]; then
        printf '%s\n' "$sums"
    elif [ -n "$regular" ]; then
        sha256sum -- $regular
    fi
    read -r end rest </proc/uptime
    printf '@uptime\n%s %s\n@texts\n' "$begin" "$end"
    existing "$shown"
    if [ -n "$regular" ]; then head -q -c 65536 -- $regular; fi
    printf '\n@pipeline\n'
}

if [ -n "$program" ] && [ -x "$program" ]; then
    # The pipeline is asked while the rest is answered; what it says waits in the pipe. The store has no certificate: to read those that
    # the system trusts takes longer than all its questions.
    # All that there is to be read is its login.
    SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/dev/null "$program" --config "$config" $login inspect --timeout "$patience" | {
        answer
        cat
    }
else
    answer
fi
