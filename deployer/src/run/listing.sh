# What lies in the directory of an unpacked archive, but for our own marks: paths, kinds, modes, owners, and of all but
# directories sizes, times and targets. What nobody touched says the same each time.
listing() {
    LC_ALL=C find -H "$1" -mindepth 1 ! -name '.deployer-*' \
        \( -type d -printf '%P d %m %U %G\n' -o -printf '%P %y %m %U %G %s %T@ %l\n' \) | LC_ALL=C sort | sha256sum
}
