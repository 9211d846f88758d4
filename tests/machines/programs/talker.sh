# Says what it must not, and tries to change itself.
cat "$KAFKA_CONFIG"
echo "$GREETING from $NODE"
touch "$STATE_DIRECTORY/was-here" && echo 'its directory is its own'
(: >>talker.sh) 2>/dev/null && echo 'it changed itself'
exec sleep infinity
