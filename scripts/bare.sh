#!/usr/bin/env bash
# Runs a command in a clone of this project's HEAD on a bare Debian 12 (BARE_DEBIAN=13: a Debian
# 13): debootstrap's minbase with git, make, sudo and ca-certificates, by an ordinary user whom sudo
# asks for no password. Of this machine it has the kernel, the network, the package sources (of apt
# and cargo), and the certificates that these need.
#
#     scripts/bare.sh make test
#     scripts/bare.sh --new make run        as `make run`, in a root that is made anew and not kept
#
# The bare root is made once and kept in BARE_CACHE (~/.cache/firehose-router). Each run has a copy
# of its own, which is removed at its end with all that was started there, so that nothing is left
# of the run before. It needs some 3 GB for `make run`, and 15 GB for `make test`.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cache=${BARE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/firehose-router}
debian=${BARE_DEBIAN:-12}
case $debian in
12) suite=bookworm ;;
13) suite=trixie ;;
*) fail "BARE_DEBIAN is $debian: it can be 12 or 13" ;;
esac
root=$cache/debian-$debian
is_new=false
# It may have been started without a standard input.
{ : <&0; } 2>/dev/null || exec </dev/null
user=somebody
home=/home/$user

while [[ ${1:-} == --* ]]; do
    case $1 in
    --new) is_new=true ;;
    *) fail "usage: $0 [--new] COMMAND..." ;;
    esac
    shift
done
[ $# -gt 0 ] || fail "usage: $0 [--new] COMMAND..."

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        fail "only root can make another root: run this as root, or install sudo"
    as_root=(sudo)
fi

run=
# shellcheck disable=SC2317  # the trap calls it
clean_up() {
    # Where somebody was killed, something of this machine may still be mounted there.
    [ -z "$run" ] || "${as_root[@]}" rm -rf --one-file-system "$run"
}
trap clean_up EXIT

# The first source of apt's whose URI ends so, or Debian's own.
mirror() {
    local found
    found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        grep -v '^[[:space:]]*#' |
        grep -oE "(https?|file|mirror\+file)[+:][^ ]*$1/?( |\$)" | head -n 1 | tr -d ' ') || true
    say "${found:-http://deb.debian.org$1}"
}

# Certificates of this machine that Debian's package does not have: of whoever stands between it and
# the package sources.
own_certificates() {
    local bundle=/etc/ssl/certs/ca-certificates.crt folder=$1
    [ -e "$bundle" ] || return 0
    awk -v folder="$folder" -v known="$2" '
        function body(line) {
            if (line ~ /^-----BEGIN/) text = ""
            text = text line "\n"
            return line ~ /^-----END/
        }
        BEGIN { while ((getline line < known) > 0) if (body(line)) seen[text] = 1 }
        body($0) && !(text in seen) {
            file = folder "/here-" ++count ".crt"
            printf "%s", text > file
            close(file)
        }
    ' "$bundle"
}

# Where cargo's packages come from, if cargo has been told: nothing else of its configuration.
cargo_sources() {
    local file folder=${CARGO_HOME:-${HOME:-/root}/.cargo}
    for file in "$folder/config.toml" "$folder/config"; do
        [ -e "$file" ] || continue
        awk '
            /^\[/ { wanted = /^\[(source|registry|registries|http|net)[].]/ }
            wanted && !/token/
        ' "$file"
        return
    done
}

make_root() {
    local new=$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg sources=() certificates
    if ! command -v mmdebstrap >/dev/null; then
        say "== installing mmdebstrap"
        "${as_root[@]}" apt-get update -qq
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends mmdebstrap debian-archive-keyring
    fi
    sources+=("deb [signed-by=$keyring] $(mirror /debian) $suite main")
    sources+=("deb [signed-by=$keyring] $(mirror /debian) $suite-updates main")
    sources+=("deb [signed-by=$keyring] $(mirror /debian-security) $suite-security main")
    say "== making a bare Debian $debian in $new"
    # As root, since a user's own namespaces are not allowed everywhere. Nothing there has to
    # outlive a loss of power.
    "${as_root[@]}" unshare --mount --pid --fork --kill-child --mount-proc \
        mmdebstrap --quiet --mode=root --variant=minbase \
        --include=git,make,sudo,ca-certificates \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt=force-unsafe-io \
        "$suite" "$new" "${sources[@]}"
    # How apt gets out of here.
    apt-config dump | grep -iE '^Acquire::(https?|ftp)::Proxy' |
        "${as_root[@]}" tee "$new/etc/apt/apt.conf.d/90proxy" >/dev/null || true
    certificates=$(mktemp -d)
    own_certificates "$certificates" "$new/etc/ssl/certs/ca-certificates.crt"
    if compgen -G "$certificates/*.crt" >/dev/null; then
        "${as_root[@]}" cp "$certificates"/*.crt "$new/usr/local/share/ca-certificates/"
        "${as_root[@]}" chroot "$new" update-ca-certificates >/dev/null 2>&1
    fi
    rm -rf "$certificates"
    "${as_root[@]}" chroot "$new" useradd --create-home --shell /bin/bash "$user"
    say "$user ALL=(ALL) NOPASSWD: ALL" | "${as_root[@]}" tee "$new/etc/sudoers.d/$user" >/dev/null
    say "127.0.0.1 localhost bare" | "${as_root[@]}" tee "$new/etc/hosts" >/dev/null
    "${as_root[@]}" mkdir -p "$new$home/.cargo"
    cargo_sources | "${as_root[@]}" tee "$new$home/.cargo/config.toml" >/dev/null
    "${as_root[@]}" chroot "$new" chown -R "$user:" "$home"
}

mkdir -p "$cache"
run=$(mktemp -d "$cache/run.XXXXXX")
chmod 755 "$run"
if $is_new; then
    # Standard output is that of the command.
    make_root "$run/root" >&2
else
    if [ ! -d "$root" ]; then
        # Whole, or not there.
        make_root "$run/new" >&2
        "${as_root[@]}" mv -T "$run/new" "$root"
    fi
    "${as_root[@]}" cp -a --reflink=auto "$root" "$run/root"
fi

git clone --quiet --no-hardlinks "$project" "$run/firehose-router"
git -C "$run/firehose-router" remote remove origin
"${as_root[@]}" mv "$run/firehose-router" "$run/root$home/"
"${as_root[@]}" chroot "$run/root" chown -R "$user:" "$home/firehose-router"
# Names may be resolved otherwise than when the root was made.
"${as_root[@]}" cp -L /etc/resolv.conf "$run/root/etc/resolv.conf"

# All that the user's environment has: what a login gives, and how packages are had.
environment=("HOME=$home" "USER=$user" "LOGNAME=$user" "SHELL=/bin/bash"
    "LANG=C.UTF-8" "TERM=${TERM:-dumb}"
    "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games")
passed='^(https?_proxy|ftp_proxy|all_proxy|no_proxy|'
passed+='CARGO_(SOURCE|REGISTRY|REGISTRIES|HTTP|NET)_.*)$'
while IFS= read -r name; do
    [ -z "${!name+x}" ] || environment+=("$name=${!name}")
done < <(compgen -e | grep -iE "$passed" | grep -v TOKEN)

# In namespaces of its own: whatever was started there ends with it. The first process is a shell
# that waits for the user's command, since a first process is sent no signal that it does not catch,
# and has to wait for those that lost their parents.
code=0
"${as_root[@]}" unshare --mount --pid --fork --kill-child --uts --ipc -- \
    bash -s -- "$run/root" "$user" "${environment[@]}" -- "$@" \
    3<&0 <<'INSIDE' || code=$?
set -euo pipefail
root=$1 user=$2
shift 2
environment=()
until [ "$1" = -- ]; do
    environment+=("$1")
    shift
done
shift

hostname bare
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys" 2>/dev/null || mount --bind -o ro /sys "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 "$root/dev/tty" c 5 0
for link in fd: stdin:/0 stdout:/1 stderr:/2; do
    ln -s "/proc/self/fd${link#*:}" "$root/dev/${link%%:*}"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"

code=0
chroot "$root" setpriv --reuid="$user" --regid="$user" --init-groups env -i "${environment[@]}" \
    bash -c 'cd "$HOME/firehose-router" && exec "$@"' bash "$@" <&3 3<&- || code=$?
exit "$code"
INSIDE
exit "$code"
