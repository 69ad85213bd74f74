#!/usr/bin/env bash
# Checks what contrib/ has for Prometheus and Grafana, with promtool: rules, their tests, the
# example of a scrape configuration, and each expression of the dashboard. Each alert must have a
# test in which it fires and one in which it does not, a section of docs/how-to/monitoring.md that
# its "runbook" names, and a row there. The end-to-end tests compare metrics and labels with what
# nginx answers.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v promtool >/dev/null || fail "promtool is not there" "Debian's package is prometheus"
rules=contrib/prometheus/firehose-router.rules.yml
page=docs/how-to/monitoring.md
dashboard=contrib/grafana/firehose-router.json
folder=$(mktemp -d "${TMPDIR:-/tmp}/check-contrib.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# quietly COMMAND...: what it says is shown only if it fails.
quietly() {
    "$@" >"$folder/said" 2>&1 || {
        cat "$folder/said" >&2
        fail "$* failed"
    }
}

quietly promtool check rules --lint=all --lint-fatal "$rules"
quietly promtool check config contrib/prometheus/scrape.yml
quietly promtool test rules contrib/prometheus/tests/*.yml

# The headings of the page, as the site and GitHub name them in links.
sed -nE 's/^#+ (.*)/\1/p' "$page" | tr '[:upper:] ' '[:lower:]-' | tr -cd 'a-z0-9\n-' \
    >"$folder/headings"
mapfile -t alerts < <(sed -nE 's/^ *- alert: (.*)/\1/p' "$rules")
[ ${#alerts[@]} -gt 10 ] || fail "only ${#alerts[@]} alerts were found in $rules"
for alert in "${alerts[@]}"; do
    grep -hA 1 -x " *alertname: $alert" contrib/prometheus/tests/*.yml >"$folder/tests" ||
        fail "no test is about $alert"
    grep -qx ' *exp_alerts: \[\]' "$folder/tests" ||
        fail "in each test of $alert it fires: say when it does not"
    grep -qx ' *exp_alerts:' "$folder/tests" || fail "in no test of $alert it fires"
    grep -q "^| \`$alert\` |" "$page" || fail "$page has no row for $alert"
    # Up to the next alert.
    runbook=$(sed -n "/- alert: $alert\$/,/- alert: /s/^ *runbook: //p" "$rules")
    [ "${runbook%%#*}" = "$page" ] || fail "the runbook of $alert is not on $page: $runbook"
    grep -qx -- "${runbook#*#}" "$folder/headings" ||
        fail "$page has no section ${runbook#*#}, which $alert names"
done

# As Grafana would: a value for each variable.
# shellcheck disable=SC2016  # they are Grafana's
sed -nE 's/^ *"expr": "(.*)",?$/\1/p' "$dashboard" |
    sed -e 's/\\"/"/g' -e 's/\$__rate_interval/5m/g' -e 's/\$__range/1h/g' \
        -e 's/"\$[a-z]*"/".*"/g' >"$folder/expressions"
if grep -F "\$" "$folder/expressions" >&2; then
    fail "$dashboard has a variable that nothing is put in for"
fi
count=$(wc -l <"$folder/expressions")
[ "$count" -gt 20 ] || fail "only $count expressions were found in $dashboard"
{
    printf 'groups:\n  - name: dashboard\n    rules:\n'
    while IFS= read -r expression; do
        number=$((${number:-0} + 1))
        printf '      - record: dashboard:%s\n        expr: |-\n          %s\n' \
            "$number" "$expression"
    done <"$folder/expressions"
} >"$folder/dashboard.yml"
quietly promtool check rules "$folder/dashboard.yml"

say "Prometheus takes ${#alerts[@]} alerts, which fire when they should, and the $count" \
    "expressions of the dashboard"
