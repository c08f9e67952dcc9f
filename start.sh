#!/usr/bin/env bash
# Sets up this checkout where needed, then opens the window or runs a command. `./start.sh help` tells more.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}" 2>/dev/null || echo "${BASH_SOURCE[0]}")")" && pwd -P)
venv_python=$root/.venv/bin/python

usage() {
    cat <<'END'
S3D Chat: chat with local language models that draft for themselves.

  ./start.sh                     open the window
  ./start.sh ask "a question"    answer in the terminal; --json for programs, - reads the question from stdin
  ./start.sh chat                a chat in the terminal
  ./start.sh serve               serve the model to other programs by the OpenAI API
  ./start.sh models              list the installed models; pull, import, verify and remove others
  ./start.sh bench               measure the drafting strategies side by side
  ./start.sh train               train a draft adapter
  ./start.sh adapter             draft adapters in the format of peft, and back
  ./start.sh test [options]      check style and types and run the tests; options go to pytest
  ./start.sh help                this text

`./start.sh ask --help`, and likewise for the others, lists a command's options.
The first start sets everything up in .venv here. Models go to the user's data folder, or to $S3D_HOME.
END
}

say() { printf '%s\n' "$*" >&2; }

has_display() {
    [ "$(uname -s)" = Darwin ] || [ -n "${DISPLAY:-}" ] || [ -n "${WAYLAND_DISPLAY:-}" ] || [ -n "${QT_QPA_PLATFORM:-}" ]
}

# Prints the first Python that can set things up, or says what to install.
find_python() {
    local name path found_old='' found_bare=''
    for name in ${S3D_PYTHON:+"$S3D_PYTHON"} python3 python3.13 python3.12 python3.14 python3.11 python; do
        path=$(command -v "$name" 2>/dev/null) || continue
        case $("$path" -I -c 'import sys
old = not (3, 11) <= sys.version_info < (3, 15) or sys.maxsize < 2**32
try:
    import ensurepip, venv
    bare = False
except ImportError:
    bare = True
print("old" if old else "bare%d.%d" % sys.version_info[:2] if bare else "good")' 2>/dev/null) in
            good) printf '%s\n' "$path"; return 0 ;;
            bare*) [ -n "$found_bare" ] || found_bare=$("$path" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])') ;;
            old) found_old=$("$path" --version 2>&1) ;;
        esac
    done
    local sudo='sudo '
    [ "$(id -u)" -ne 0 ] || sudo=''
    if [ -n "$found_bare" ]; then
        say "Python $found_bare is here without its venv module: on Debian and Ubuntu, type \`${sudo}apt-get install -y python$found_bare-venv\`, then start again."
    elif [ "$(uname -s)" = Darwin ]; then
        say "S3D Chat needs Python 3.11 to 3.14${found_old:+ (found: $found_old)}: install it, for example with \`brew install python@3.13\`, then start again."
    else
        say "S3D Chat needs Python 3.11 to 3.14${found_old:+ (found: $found_old)}: on Debian 12 and Ubuntu 24.04 or newer, type \`${sudo}apt-get install -y python3 python3-venv\`, then start again."
    fi
    return 1
}

# prepare PURPOSE: returns at once when there is nothing to do.
prepare() {
    if [ -x "$venv_python" ] && "$venv_python" -I -S "$root/tools/prepare.py" --for "$1" --check 2>/dev/null; then
        return 0
    fi
    local python
    python=$(find_python) || exit 1
    "$python" -I "$root/tools/prepare.py" --for "$1" || exit
}

# The safe path (-P) keeps files in the current folder from being imported.
run() { exec "$venv_python" -P "$@"; }

check_all() {
    cd "$root"
    has_display || export QT_QPA_PLATFORM=offscreen
    local failed=0
    "$venv_python" -m ruff check . || failed=$?
    "$venv_python" -m ruff format --check . || failed=$?
    "$venv_python" -m mypy || failed=$?
    # A process for each core, where the memory for it may be had. Without a test run, pytest's code 5, this fails too.
    "$venv_python" -m pytest -n logical --maxprocesses 4 --dist worksteal "$@" || failed=$?
    return "$failed"
}

command=${1:-window}
[ $# -eq 0 ] || shift
case $command in
    help | -h | --help)
        usage
        ;;
    window)
        if ! has_display; then
            # shellcheck disable=SC2016
            say 'There is no display to open the window on: ask in the terminal with `./start.sh ask "..."`.'
            exit 1
        fi
        prepare window
        "$venv_python" -P -m app.models.embedded --if-missing || say "The window opens without the default model."
        run -m app "$@"
        ;;
    ask | chat | serve | models | bench | train | adapter)
        prepare command
        run -m app.cli "$command" "$@"
        ;;
    test)
        prepare test
        "$venv_python" -P -m app.models.embedded --if-missing || exit
        check_all "$@"
        ;;
    *)
        say "There is no command \"$command\": \`./start.sh help\` lists them."
        exit 2
        ;;
esac
