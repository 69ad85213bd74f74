# shellcheck shell=bash
# What the scripts share that run tutorials; to be sourced after scripts/common.sh.

tutorials=docs/tutorials
folder=$(mktemp -d "${TMPDIR:-/tmp}/check-tutorials.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# follow PAGE [WORD]: runs the commands of a page's blocks of this kind, as a whole: one that reads
# its standard input must not read those behind it. Every line that the page shows as output has to
# be among what they print. What takes effect a moment later has a second for that, since a reader
# types no faster.
follow() {
    local page=$tutorials/$1 line printed code=0
    shift
    bash -c "$(scripts/tutorial-commands.sh "$page" "$@" | slowly)" \
        </dev/null >"$folder/printed" 2>&1 || code=$?
    cat "$folder/printed"
    [ "$code" -eq 0 ] || fail "$page: a command has failed"
    printed=$(numberless <"$folder/printed")
    while IFS= read -r line; do
        # What a shell says of a job to somebody who types.
        [ "$line" != "[0] 0" ] || continue
        # A script of another package may leave a line without its end before it.
        [[ $printed$'\n' == *"$line"$'\n'* ]] ||
            fail "$page shows what its commands do not print" "$line" "(each number is a 0 here)"
    done < <(scripts/tutorial-commands.sh --output "$page" "$@" | numberless)
}

# Puts a second behind each command that something else has to follow.
slowly() {
    awk '
        /^# docs\/.*:[0-9]+$/ && is_late { print "sleep 1\n"; is_late = 0 }
        /reload|--now|etcdctl (put|del)|docker (run|compose)/ { is_late = 1 }
        /firehose-router (nodes|routes|services) (add|set|remove)/ { is_late = 1 }
        { print }
        END { if (is_late) print "sleep 1" }
    '
}

# block PAGE KIND N: the N-th block of a page with this info string.
block() {
    awk -v kind="\`\`\`$2" -v wanted="$3" '
        /^ *```/ {
            is_open = !is_open
            shown = is_open && $0 == kind
            count += shown
            next
        }
        shown && count == wanted { print; found = 1 }
        END { exit !found }
    ' "$tutorials/$1"
}
