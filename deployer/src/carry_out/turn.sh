# Takes a turn, or has it for longer, or ends it: verb path mark token seconds words. Prints the mark of the state copy that lies there;
# exit code 75 and the words of who has the turn: it is another's. The clock of this node alone counts.
set -eu
verb=$1 path=$2 mark=$3 token=$4 seconds=$5 words=$6
umask 077
while :; do
    exec 9>>"$path"
    flock -w 10 9
    # Whoever had it may have removed the file while we waited.
    if [ "$path" -ef /proc/self/fd/9 ]; then break; fi
done
now=$(date +%s) owner='' until=0 holder=''
{ read -r owner && read -r until && read -r holder; } <"$path" || owner='' until=0
if [ "$verb" = end ]; then
    if [ "$owner" = "$token" ]; then rm -f -- "$path"; fi
    exit 0
fi
if [ -n "$owner" ] && [ "$owner" != "$token" ] && [ "$until" -gt "$now" ]; then
    printf '%s\n' "$holder"
    exit 75
fi
printf '%s\n%s\n%s\n' "$token" "$((now + seconds))" "$words" >"$path"
if [ -f "$mark" ]; then cat -- "$mark"; fi
