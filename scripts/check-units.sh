#!/usr/bin/env bash
# Has systemd read the units, as they are and as the Debian package has them: a mistake in one of
# them is an error. No systemd has to run; the programs that they start need not be there.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v systemd-analyze >/dev/null ||
    fail "systemd-analyze is not there" "Debian's package is systemd"
folder=$(mktemp -d "${TMPDIR:-/tmp}/firehose-router-units.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# What it would look for: programs, and units of others.
mkdir "$folder/programs"
for program in firehose-router docker; do
    ln -s /bin/true "$folder/programs/$program"
done

# verify NAME SED-ARGUMENT...: the units, each changed so.
verify() {
    local units=$folder/$1 unit said
    shift
    mkdir "$units"
    for unit in systemd/*.service; do
        sed "$@" "$unit" |
            sed -E "s#/usr/(local/)?bin/(firehose-router|docker)#$folder/programs/\2#" \
                >"$units/${unit##*/}"
    done
    for unit in docker etcd; do
        printf '[Service]\nExecStart=/bin/true\n' >"$units/$unit.service"
    done
    # A template is read as one of its instances.
    cp "$units/firehose@.service" "$units/firehose@01.service"
    cp "$units/firehose-announce@.service" "$units/firehose-announce@01.service"
    said=$(SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify --man=no \
        "$units/firehose-router.service" "$units/firehose@01.service" \
        "$units/firehose-announce@01.service" 2>&1) || {
        say "$said" >&2
        fail "a unit has a mistake"
    }
    # Of what it merely ignores, such as a directive that it does not know, it says a line and is
    # content.
    if grep -q "$folder" <<<"$said"; then
        say "$said" >&2
        fail "a unit has a mistake"
    fi
}

verify own -e ''
verify packaged -f debian/units.sed
say "systemd takes all units"
