#!/usr/bin/env bash
# Has systemd read the units: a mistake in one of them is an error. No systemd has to run; the
# programs that they start need not be there.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v systemd-analyze >/dev/null ||
    fail "systemd-analyze is not there" "Debian's package is systemd"
folder=$(mktemp -d "${TMPDIR:-/tmp}/firehose-router-units.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# What it would look for: programs, and units of others.
mkdir "$folder/programs"
for program in /usr/local/bin/firehose-router /usr/bin/docker; do
    ln -s /bin/true "$folder/programs/${program##*/}"
done
for unit in systemd/*.service; do
    sed -e "s#/usr/local/bin/firehose-router#$folder/programs/firehose-router#" \
        -e "s#/usr/bin/docker#$folder/programs/docker#" "$unit" >"$folder/${unit##*/}"
done
for unit in docker etcd; do
    printf '[Service]\nExecStart=/bin/true\n' >"$folder/$unit.service"
done
# A template is read as one of its instances.
units=("$folder/firehose-router.service" "$folder/firehose@01.service"
    "$folder/firehose-announce@01.service")
cp "$folder/firehose@.service" "$folder/firehose@01.service"
cp "$folder/firehose-announce@.service" "$folder/firehose-announce@01.service"

said=$(SYSTEMD_UNIT_PATH="$folder:" systemd-analyze verify --man=no "${units[@]}" 2>&1) || {
    say "$said" >&2
    fail "a unit has a mistake"
}
# Of what it merely ignores, such as a directive that it does not know, it says a line and is
# content.
if grep -q "$folder" <<<"$said"; then
    say "$said" >&2
    fail "a unit has a mistake"
fi
say "systemd takes all units"
