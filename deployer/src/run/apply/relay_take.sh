# Fetches a file from a neighbour: address, then what write.sh wants; it compares the checksum.
address=$1
shift
take() {
    if command -v curl >/dev/null; then
        curl -fsS --noproxy '*' --connect-timeout 5 --max-time 300 -- "$address"
    else
        wget -q --no-proxy -T 20 -t 1 -O - -- "$address"
    fi
}
take | {
