# shellcheck shell=bash
# Shared by the scripts beside it: finds Python, makes .venv and installs into it.
# PYTHON names the interpreter to use; otherwise the first suitable one on PATH is taken.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv

say() { printf '%s\n' "== $*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# The command that lets apt run as root without asking, as words in APT; fails where there is none.
may_use_apt() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" -eq 0 ]; then
        APT=(env DEBIAN_FRONTEND=noninteractive apt-get)
    elif sudo -n true 2>/dev/null; then
        APT=(sudo -n env DEBIAN_FRONTEND=noninteractive apt-get)
    else
        return 1
    fi
}

# apt_install PACKAGE...: fails, having changed nothing, where it may not or cannot install them.
apt_install() {
    may_use_apt || return 1
    say "installing $* through apt"
    "${APT[@]}" install -y -qq --no-install-recommends "$@" </dev/null >&2 && return
    "${APT[@]}" update -qq </dev/null >&2 || return 1
    "${APT[@]}" install -y -qq --no-install-recommends "$@" </dev/null >&2
}

# Is $1 a Python of 3.10 or newer that can make a virtual environment?
suits() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

find_python() {
    local name
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" && echo "$PYTHON" && return
        die "PYTHON=$PYTHON: expected Python 3.10 or newer with the modules venv and ensurepip"
    fi
    for name in python3 python3.12 python3.13 python3.11 python3.10; do
        suits "$name" && echo "$name" && return
    done
    if apt_install python3 python3-venv && suits /usr/bin/python3; then
        echo /usr/bin/python3
        return
    fi
    die "no Python 3.10 or newer with the modules venv and ensurepip was found." \
        "Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or name it: PYTHON=..."
}

# make_venv: .venv exists and runs; one that is broken or too old is made anew.
make_venv() {
    suits "$VENV/bin/python" && [ -x "$VENV/bin/pip" ] && return
    local python
    python=$(find_python)
    say "making $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV"
}

# install_edgewarden EXTRAS: the package, in place, with these extras at the pinned versions.
# Does nothing where that was done and neither the metadata nor the pins have changed since.
install_edgewarden() {
    local extras=$1 version pins stamp want
    make_venv
    version=$("$VENV/bin/python" -c 'import sys; print("%d%d" % sys.version_info[:2])')
    pins=$ROOT/constraints/py$version.txt
    local -a decide=("$ROOT/pyproject.toml" "$ROOT/edge/__init__.py")
    local -a pip=("$VENV/bin/pip" --disable-pip-version-check --no-input -q install)
    if [ -f "$pins" ]; then
        decide+=("$pins")
        pip+=(-c "$pins")
    fi
    stamp=$VENV/.installed-${extras//,/-}
    want=$(sha256sum "${decide[@]}")
    [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && return
    [ -f "$pins" ] || say "no $pins: the newest versions are installed"
    say "installing edgewarden[$extras] into $VENV (minutes, the first time)"
    # Built with the pinned setuptools, not with one fetched for the occasion.
    "${pip[@]}" 'setuptools>=77' </dev/null
    "${pip[@]}" --no-build-isolation -e "${ROOT}[$extras]" </dev/null
    printf '%s\n' "$want" >"$stamp"
}
