# Adds a package repository and makes a package of it installable without questions and without a start: repository, keyring,
# sources file, oldest version that will do, public key, package, the software's own name, why no older version will do, how another
# key is named. debconf answers come from the standard input.
repository=$1 keyring=$2 sources=$3 oldest=$4 key=$5 package=$6 software=$7 because=$8 other_key=$9
export LC_ALL=C
. /etc/os-release
there=$(installed "$package")

refuse() {
    # A source that does not work would be in the way of all that apt does on this host.
    if [ -z "$there" ]; then rm -f -- "$sources"; fi
    if [ -n "${said-}" ]; then printf '%s\n' "$said" >&2; fi
    printf '%s\n' "$1" >&2
    exit 100
}

too_old() {
    ! dpkg --compare-versions "$1" ge "$oldest"
}

if [ -n "$there" ] && too_old "$there"; then
    refuse "$software $there is installed here, which $because: ${oldest%'~'} or newer is needed"
fi
printf '%s' "$key" >"$keyring"
chmod 0644 -- "$keyring"
# Ours is written anew, and must not count as the host's own. apt reads nothing at all any more when two sources name the same
# repository with different keys.
rm -f -- "$sources"
# Also those whose lists were never read.
listed=$(apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(SOURCESENTRY)' 'Created-By: Packages')
own=
while read -r uri release entry; do
    if [ "${uri%/}" = "${repository%/}" ] && [ "$release" = "$VERSION_CODENAME" ]; then own=$entry; fi
done <<END
$listed
END
if [ -n "$own" ]; then
    echo "this host has $repository already, in $own" >&2
    printf '# Written by deployer for %s\n# The host itself has it, in %s\n' "$repository" "$own" >"$sources"
    from=${own%:*}
else
    printf '# Written by deployer for %s\ndeb [signed-by=%s] %s %s main\n' \
        "$repository" "$keyring" "$repository" "$VERSION_CODENAME" >"$sources"
    from=$sources
fi
chmod 0644 -- "$sources"

# The lists of this repository alone; the age of all others stays what it was.
lists=/var/lib/apt/lists/partial
age=$(stat -c %Y "$lists" 2>/dev/null || echo 0)
update -o "Dir::Etc::sourcelist=$from" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any \
    -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20
if [ -d "$lists" ]; then touch -d "@$age" "$lists"; fi
case $said in
    *NO_PUBKEY* | *'Missing key'* | *BADSIG* | *'signatures were invalid'*)
        refuse "$repository is not signed by the key that it should be; \`$other_key\` names its own" ;;
    *'is not signed'* | *"Clearsigned file isn't valid"* | *NOSPLIT* | *NODATA*)
        refuse "$repository sends no signed Release for $VERSION_CODENAME: it is no package repository, or not at the moment" ;;
    *'Conflicting distribution'*)
        refuse "$repository sends the Release of another system than $VERSION_CODENAME" ;;
    *'does not have a Release file'*)
        refuse "$repository has no packages for $VERSION_CODENAME" ;;
    *'Failed to fetch'* | *'Could not get lock'*)
        refuse "the lists of $repository cannot be read from here" ;;
esac
offered=$(candidate "$package")
if [ -z "$offered" ]; then
    refuse "$repository has no package $package for $VERSION_CODENAME on $(dpkg --print-architecture)"
fi
if [ -z "$there" ] && too_old "$offered"; then
    refuse "$repository offers $software $offered, which $because: ${oldest%'~'} or newer is needed"
fi
if [ -z "$there" ]; then
    debconf-set-selections
    # The package starts its service at once; until StartUnit does it with our settings, it may not.
    systemctl mask --runtime "$package.service"
fi
