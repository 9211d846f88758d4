# Takes away what kept a deployment's block in /etc/hosts: block, the file that holds it, the unit and its file.
set -eu
rm -f -- "/etc/cloud/cloud.cfg.d/99-deployer-$1.cfg"
if [ -e "$4" ]; then
    systemctl disable --quiet "$3"
    systemctl stop "$3"
    rm -f -- "$4"
    systemctl daemon-reload
fi
rm -f -- "$2"
