#!/bin/sh
# Brings a Debian 12 machine to the point where `make` works: Debian packages (scripts/packages.txt)
# and the three files that come out of npm packages (scripts/npm-packages.txt). Running it again
# changes nothing. As root it installs what is missing; as anybody else it says what is missing.
#
#   scripts/setup.sh            what building and running need
#   scripts/setup.sh --tests    and what `make test` needs
set -eu
cd "$(dirname "$0")/.."

groups="build"
case "${1-}" in
    "" | --minimal) ;;
    --tests) groups="build test" ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "setup.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }
die() { echo "setup.sh: $*" >&2; exit 1; }
lists_updated=no

installed() { # package
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

update_lists() {
    [ "$lists_updated" = yes ] && return
    say "reading the package lists"
    apt-get -qq update || die "apt-get update failed: are the package sources reachable?"
    lists_updated=yes
}

# name=version while that version is on offer, else the bare name with a notice on stderr.
choose_version() { # name version
    if [ -n "$2" ] && apt-cache madison "$1" | awk '{print $3}' | grep -qxF "$2"; then
        echo "$1=$2"
    else
        [ -z "$2" ] || echo "setup: $1 $2 is no longer offered, taking the version that is" >&2
        echo "$1"
    fi
}

install_packages() { # "name version" lines on stdin
    wanted=$(cat)
    [ -n "$wanted" ] || return 0
    names=$(echo "$wanted" | awk '{print $1}' | tr '\n' ' ')
    [ "$(id -u)" = 0 ] || die "these Debian packages are missing; as root run: apt-get install -y $names"
    update_lists
    chosen=$(echo "$wanted" | while read -r name version; do choose_version "$name" "$version"; done)
    say "installing" $chosen
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $chosen >&2 ||
        {
            say "the pinned versions do not fit together here any more, taking the offered ones"
            DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $names >&2 ||
                die "apt-get could not install: $names"
        }
}

missing_packages() {
    for group in $groups; do
        awk -v g="$group" '$1 == g {print $2, $3}' scripts/packages.txt
    done | while read -r name version; do
        installed "$name" || echo "$name $version"
    done
}

sha256_is() { # file hex
    [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]
}

integrity() { # file -> sha512-BASE64
    python3 -c 'import base64, hashlib, sys
print("sha512-" + base64.b64encode(hashlib.sha512(open(sys.argv[1], "rb").read()).digest()).decode())' "$1"
}

fetch_file() { # package file destination integrity sha256
    sha256_is "$3" "$5" && return 0
    command -v npm >/dev/null 2>&1 || printf 'nodejs\nnpm\n' | install_packages
    say "fetching $2 from $1"
    (cd "$scratch" && rm -f ./*.tgz && npm pack --silent --ignore-scripts "$1" >/dev/null) ||
        die "npm pack $1 failed: is the npm registry reachable?"
    tarball=$(ls "$scratch"/*.tgz)
    [ "$(integrity "$tarball")" = "$4" ] || die "the tarball of $1 is not the pinned one (sha512 differs)"
    tar -xzf "$tarball" -C "$scratch" "package/$2" || die "$1 has no file $2"
    sha256_is "$scratch/package/$2" "$5" || die "$2 of $1 is not the pinned one (sha256 differs)"
    mkdir -p "$(dirname "$3")"
    mv "$scratch/package/$2" "$3.new" && chmod 644 "$3.new" && mv "$3.new" "$3"
    rm -rf "$scratch/package" "$tarball"
}

[ "$(uname -m)" = x86_64 ] || die "the pinned DuckDB library is for x86-64 and this is $(uname -m)"
command -v dpkg-query >/dev/null 2>&1 || die "this is not a Debian machine (no dpkg-query)"
missing_packages | install_packages
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
grep -v '^#' scripts/npm-packages.txt | while read -r package file destination sum sha; do
    fetch_file "$package" "$file" "$destination" "$sum" "$sha" </dev/null
done
say "everything is there ($groups)"
