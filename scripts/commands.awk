# Prints the commands that a shell script starts, each with its line: "12 sed". Goes by bash's
# grammar as far as scripts here use it; what stands in strings that are run later (trap, bash -c)
# is not read. Of the commands that run another one, both are printed.

BEGIN {
    split("if then elif else do while until ! { } time", words, " ")
    for (at in words) goes_on[words[at]] = 1
    # How many words stand before the command that they run; options, assignments and numbers are
    # passed over anyway.
    split("env 0 exec 0 sudo 0 nice 0 setsid 0 setpriv 0 timeout 0 command 0 xargs 0 chroot 1 " \
        "nohup 0 unshare 0 step 1 start 1 wait_for 2 wait_until 0", words, " ")
    for (at = 1; at in words; at += 2) runs[words[at]] = words[at + 1]
}

{ text = text $0 "\n" }

# The place behind the next END from `from` on.
function behind(end, from,    at) {
    at = index(substr(text, from), end)
    return at ? from + at - 1 + length(end) : length(text) + 1
}

# The place behind the brace that closes the one before `from`.
function behind_brace(from,    depth) {
    for (depth = 1; from <= length(text) && depth; from++)
        if (substr(text, from, 1) == "{") depth++
        else if (substr(text, from, 1) == "}") depth--
    return from
}

function lines(quoted) { return gsub(/\n/, "", quoted) }

function push(kind) {
    kinds[++depth] = kind; words_before[depth] = word; places[depth] = place; skips[depth] = skip
    word = ""; place = "command"; skip = 0
}

function pop() {
    word = words_before[depth]; place = places[depth]; skip = skips[depth]; depth--
}

function found(name) {
    print line, name
    if (name in runs) { place = "run"; skip = runs[name] } else place = "argument"
}

function end_word(    it) {
    it = word; word = ""
    if (it == "") return
    if (is_file) { is_file = 0; return }
    if (kinds[depth] == "array") return
    if (place == "pattern") { if (it == "esac") place = "argument"; return }
    if (place == "subject") { if (it == "in") place = "pattern"; return }
    if (place == "run") {
        if (it ~ /^-/ || it ~ /^[0-9.]+$/ || it ~ /^[A-Za-z_]+=/) return
        if (skip > 0) { skip--; return }
        # A word in capitals is the value of an option: setpriv --pdeathsig TERM.
        if (it ~ /as_root/ || it ~ /^[A-Z]+$/) return
        if (it ~ /^\/?[a-z0-9_.+\/-]+$/) found(it); else place = "argument"
        return
    }
    if (place != "command" || it in goes_on) return
    if (it ~ /^[A-Za-z_][A-Za-z0-9_]*(\[[^]]*\])?\+?=/ || it ~ /as_root/) return
    if (it == "case") { place = "subject"; return }
    if (it ~ /^(for|select|fi|done|esac|function)$/) { place = "argument"; return }
    if (it ~ /^\/?[A-Za-z0-9_.+\/-]+$/) found(it); else place = "argument"
}

function next_command() {
    end_word()
    if (place != "pattern" && place != "subject") place = "command"
    skip = is_file = 0
}

END {
    line = 1; place = "command"
    for (at = 1; at <= length(text); ) {
        c = substr(text, at, 1); two = substr(text, at, 2)
        if (c == "\\") { if (two == "\\\n") line++; else word = word "\\"; at += 2; continue }
        if (kinds[depth] == "\"") {
            if (c == "\"") { pop(); word = word "\""; at++; continue }
            if (substr(text, at, 3) == "$((") { at = behind("))", at); continue }
            if (two == "$(") { push("("); at += 2; continue }
            if (two == "${") {
                from = at; at = behind_brace(at + 2)
                words_before[depth] = words_before[depth] substr(text, from, at - from); continue
            }
            if (c == "\n") line++
            at++; continue
        }
        if (c == "#" && word == "") { at = behind("\n", at) - 1; continue }
        if (c == "'") {
            from = at; at = behind("'", at + 1); word = word "'"
            line += lines(substr(text, from, at - from)); continue
        }
        if (c == "\"") {
            push("\""); words_before[depth] = words_before[depth] "\""; at++; continue
        }
        if (substr(text, at, 3) == "$((") { at = behind("))", at); word = word "$"; continue }
        if (two == "((" && word == "") { at = behind("))", at); place = "argument"; continue }
        if (two == "[[" && word == "") {
            from = at; at = behind("]]", at); place = "argument"
            line += lines(substr(text, from, at - from)); continue
        }
        if (two == "$(") { word = word "$"; push("("); at += 2; continue }
        if (two == "${") {
            from = at; at = behind_brace(at + 2)
            word = word substr(text, from, at - from); continue
        }
        if (two == "<(" || two == ">(") {
            end_word(); is_file = 0; word = "$"; push("("); at += 2; continue
        }
        if (c == "<" || c == ">") {
            if (word ~ /^[0-9]+$/) word = ""
            end_word()
            if (substr(text, at, 3) == "<<<") { at += 3; is_file = 1; continue }
            if (two == "<<") {
                rest = substr(text, at + 2); sub(/^-/, "", rest); sub(/^ */, "", rest)
                match(rest, /^['"]?[A-Za-z_]+/)
                heredoc = substr(rest, 1, RLENGTH); gsub(/['"]/, "", heredoc)
                at = behind(heredoc, at); if (substr(text, at, 1) ~ /['"]/) at++
                continue
            }
            is_file = 1; at++
            while (substr(text, at, 1) ~ /[>&|]/) at++
            continue
        }
        if (c == "&" && substr(text, at + 1, 1) == ">") { end_word(); at++; continue }
        if (c == "(") {
            if (word ~ /=$/) { push("array"); at++; continue }
            if (two == "()") { word = ""; place = "command"; at += 2; continue }
            end_word(); push("("); at++; continue
        }
        if (c == ")") {
            end_word(); at++
            if (place == "pattern") { place = "command"; continue }
            if (depth && kinds[depth] != "\"") {
                pop()
                if (word == "") place = place == "command" ? "argument" : place
            }
            continue
        }
        if (two == ";;") { end_word(); place = "pattern"; at += 2; continue }
        if (c ~ /[;&|]/) { next_command(); at++; continue }
        if (c == "\n") {
            next_command(); line++; at++
            if (heredoc != "") {
                while (at <= length(text)) {
                    from = at; at = behind("\n", at); line++
                    body = substr(text, from, at - from - 1); sub(/^\t+/, "", body)
                    if (body == heredoc) break
                }
                heredoc = ""
            }
            continue
        }
        if (c ~ /[ \t]/) { end_word(); at++; continue }
        word = word c; at++
    }
}
