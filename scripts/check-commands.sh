#!/usr/bin/env bash
# Checks that every command that scripts, units, the Makefile, tests and documents name is brought
# by what scripts/install-dependencies.sh installs, with what these packages depend on, on a bare
# Debian: what merely happens to be on this machine does not count.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# What a bare machine has before: README, Quick start.
prerequisites=(git make sudo ca-certificates)

# What somebody else brings, and who.
declare -A brought=(
    [docker]="whoever has a Docker engine"
    [docker-compose]="whoever has a Docker engine; .ci/run installs it"
    [git]="the prerequisites"
    [sudo]="the prerequisites, or whoever is root"
    [systemctl]="a machine that systemd runs; it is called on no other"
    [jq]="the reader of docs/; it says so"
    [dig]="the reader of docs/how-to/stream.md; it says so"
    [kubectl]="whoever has a Kubernetes cluster"
    [ssh]="the reader of docs/how-to/roll-a-fleet.md"
    [mmdebstrap]="scripts/bare.sh itself"
    [python3]="whoever has a Docker engine; scripts/tutorials/with-docker.sh says so"
    [lintian]="scripts/check-packages.sh itself"
    [ip]="scripts/check-tutorials.sh itself"
    [rustup]="whoever has it; it is not called where it is missing"
    [firehose-router]="make firehose-router"
    [demo-node]="make demo-node"
)
# Part of any Rust, and of the packages that are installed where there is none.
rust=" cargo rustc "

# What `make run` takes is there with the packages for it alone.
run_files=(Makefile scripts/common.sh scripts/check-ports.sh scripts/check-run.sh
    scripts/configure-nginx.sh scripts/install-dependencies.sh
    scripts/run-picture.sh scripts/run.sh)

# Recipes as a shell sees them, one a line, each with the number of its first line: what make puts
# in is a word.
recipes() {
    awk '
        /\\$/ { if (held == "") first = NR; held = held substr($0, 1, length($0) - 1); next }
        { text = held $0; if (held == "") first = NR; held = "" }
        text ~ /\$\(shell / {
            line = text; sub(/.*\$\(shell /, "", line); sub(/\)$/, "", line); say(line)
        }
        text ~ /^\t/ { sub(/^\t[-@+]*/, "", text); say(text) }
        function say(line) {
            gsub(/\$\$/, "\001", line); gsub(/\$\(CARGO\)/, "cargo", line)
            gsub(/\$\(MAKE\)/, "make", line); gsub(/\$\(DOCKER\)/, "docker", line)
            # `make` names its variables before a command, or as arguments.
            gsub(/\$\(FOR_NGINX\)/, "", line)
            while (gsub(/\$\([^()]*\)/, "\001VAR", line)) continue
            gsub(/\001/, "$", line); while (last < first - 1) { print ""; last++ }
            print line; last++
        }
    ' "$1"
}

# What units start.
started() {
    awk '
        continued || sub(/^Exec[A-Za-z]*=[-@:+!]*/, "") { print; continued = /\\$/; next }
        { print "" }
    ' "$1"
}

# What documents show to be typed, and whole scripts in them.
shown() {
    awk '
        function is_open(line) {
            quotes += gsub(/\047/, "", line)
            return quotes % 2 == 1 || line ~ /\\$/
        }
        /^ *```/ { kind = kind == "" ? $1 : ""; print ""; continued = quotes = 0; next }
        kind == "```console" && (sub(/^ *[$#] /, "") || continued) {
            print; continued = is_open($0); next
        }
        { continued = quotes = 0; print (kind ~ /^```(ba)?sh$/ ? $0 : "") }
    ' "$1"
}

# Every command, with its place: "sed scripts/run.sh:12".
all_commands() {
    local file
    for file in scripts/*.sh scripts/tutorials/*.sh .ci/run; do
        awk -f scripts/commands.awk "$file" | sed "s|^\([0-9]*\) \(.*\)|\2 $file:\1|"
    done
    recipes Makefile | awk -f scripts/commands.awk | sed "s|^\([0-9]*\) \(.*\)|\2 Makefile:\1|"
    for file in systemd/*.service; do
        started "$file" | awk -f scripts/commands.awk | sed "s|^\([0-9]*\) \(.*\)|\2 $file:\1|"
    done
    for file in README.md CONTRIBUTING.md docs/*.md docs/*/*.md; do
        shown "$file" | awk -f scripts/commands.awk | sed "s|^\([0-9]*\) \(.*\)|\2 $file:\1|"
    done
    grep -rnoE 'Command::new\("[a-z][a-z0-9_.+-]*"\)' --include='*.rs' \
        tests benches crates src build.rs |
        sed 's|^\([^:]*:[0-9]*\):Command::new("\(.*\)")|\2 \1|'
}

# The packages that come with these, by what is installed here. Of alternatives all that are here
# count.
closure() {
    # shellcheck disable=SC2016 # the names are dpkg-query's
    local needs='${Pre-Depends}, ${Depends}'
    dpkg-query --show \
        --showformat='${db:Status-Status}\t${Package}\t${Essential}\t${Provides}\t'"$needs\n" |
        awk -F'\t' -v seeds="apt $*" '
            function names(text) {
                gsub(/\([^)]*\)|:[a-z]+/, "", text); gsub(/[,|]/, " ", text)
                return text
            }
            $1 != "installed" { next }
            {
                needs[$2] = names($5); known[$2] = 1
                count = split(names($4), provided, " ")
                for (at = 1; at <= count; at++) by[provided[at]] = by[provided[at]] " " $2
                if ($3 == "yes") seeds = seeds " " $2
            }
            END {
                last = split(seeds, queue, " ")
                for (at = 1; at <= last; at++) {
                    name = queue[at]
                    if (seen[name]++) continue
                    if (name in known) print name
                    count = split(needs[name] by[name], more, " ")
                    for (one = 1; one <= count; one++) queue[++last] = more[one]
                }
            }'
}

# The package that a command is of, by its name or path.
package_of() {
    local path real
    path=$(type -P "$1") || return 1
    # Alternatives and /bin are links.
    real=$(realpath "$path")
    for path in "$real" "/${real#/usr/}" "/usr$real"; do
        dpkg-query --search "$path" 2>/dev/null |
            sed -n 's/^\([^:, ]*\).*/\1/p;q' | grep . && return
    done
    return 1
}

# With the sources of another nginx, less would be installed.
unset NGINX_BUILD_DIR NGINX_SOURCE_DIR
mapfile -t for_run < <(scripts/install-dependencies.sh run --list)
mapfile -t for_tests < <(scripts/install-dependencies.sh test --list)
with_run=" $(closure "${prerequisites[@]}" "${for_run[@]}" | tr '\n' ' ') "
with_tests=" $(closure "${prerequisites[@]}" "${for_tests[@]}" | tr '\n' ' ') "
functions=" $(sed -n 's/^ *\([A-Za-z_][A-Za-z0-9_]*\)() *[{(].*/\1/p' \
    scripts/*.sh scripts/tutorials/*.sh .ci/run docs/*.md docs/*/*.md | tr '\n' ' ') "
builtins=" $(compgen -b -k | tr '\n' ' ') "

declare -A providers=()
count=0 wrong=0
while read -r command place; do
    case $command in
    /*) name=${command##*/} ;;
    */*) continue ;;
    *)
        name=$command
        [[ $functions != *" $name "* && $builtins != *" $name "* ]] || continue
        ;;
    esac
    [ -z "${brought[$name]:-}" ] || continue
    [[ $rust != *" $name "* ]] || continue
    if [ -z "${providers[$command]:-}" ]; then
        providers[$command]=$(package_of "$command" || say none)
        count=$((count + 1))
    fi
    package=${providers[$command]} installed=$with_tests
    for file in "${run_files[@]}"; do
        [ "${place%%:*}" != "$file" ] || [[ $place == Makefile:* ]] || installed=$with_run
    done
    case $package in
    none) say "$place: $command is brought by no package that is installed here" ;;
    *)
        [[ $installed != *" $package "* ]] || continue
        say "$place: $command is in Debian's package $package," \
            "which scripts/install-dependencies.sh does not install"
        ;;
    esac >&2
    wrong=$((wrong + 1))
done < <(all_commands | sort -u)
[ "$count" -gt 20 ] ||
    fail "only $count commands were found: scripts/commands.awk does not read the scripts any more"
[ "$wrong" -eq 0 ] || fail "$wrong places name a command that is missing on a bare machine" \
    "add its package to scripts/install-dependencies.sh, or say in $0 who brings it"
say "all $count commands are brought by packages that are installed"
