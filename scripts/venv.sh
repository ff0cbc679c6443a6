# shellcheck shell=bash
# Sourced by demo.sh and test.sh: the virtual environment, and a place inside
# the repository for everything that programs like to leave in HOME and /tmp.
#
#   source scripts/venv.sh
#   set_up run|dev    sets $root, $python; TMPDIR, HOME and caches point under
#                     .data/tmp and are removed when the script ends
#
# PYTHON=/path/to/python3.12 chooses the interpreter of a new .venv;
# READY_PYTHON=/path/to/python is one where all is installed already: it is used
# as it is, and no .venv is made.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# True for a Python 3.11 to 3.13 that can make virtual environments.
_suits() {
  "$1" -c '
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(1)
import ensurepip, venv' >/dev/null 2>&1
}

_find_python() {
  local name
  for name in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 \
    python3 python; do
    if _suits "$name"; then
      echo "$name"
      return
    fi
    if [[ $name == "${PYTHON:-}" ]]; then
      fail "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13 with the modules" \
        "venv and ensurepip; set another or unset PYTHON"
    fi
  done
  fail "no Python 3.11, 3.12 or 3.13 with the modules venv and ensurepip was" \
    "found; install one (Debian, Ubuntu: apt-get install python3-venv) or" \
    "set PYTHON=/path/to/python3"
}

# What an installation depends on: the lists, the interpreter, the place.
_digest() {
  "$python" - "$root" "$@" <<'EOF'
import hashlib, pathlib, sys
digest = hashlib.sha256(f"{sys.version} {sys.argv[1]}".encode())
for name in sys.argv[2:]:
    digest.update(b"\0" + pathlib.Path(sys.argv[1], name).read_bytes())
print(digest.hexdigest())
EOF
}

# Makes or mends .venv; "run" installs what a user needs, "dev" the tests too.
_make_venv() {
  local kind=$1 venv="$root/.venv" stamp="$root/.venv/.installed"
  local base digest start=$SECONDS
  if [[ -n ${READY_PYTHON:-} ]]; then
    python=$READY_PYTHON
    return
  fi
  python="$venv/bin/python"
  if ! _suits "$python" || ! "$python" -m pip --version >/dev/null 2>&1; then
    base=$(_find_python) || exit 1
    echo "making .venv with $("$base" --version) ($base)"
    "$base" -m venv --clear "$venv" || fail "$base could not make $venv"
  fi

  local lists=(requirements.txt)
  local more=(requirements-common.txt constraints.txt pyproject.toml)
  local with_dev
  with_dev=$(_digest requirements.txt requirements-dev.txt "${more[@]}")
  if [[ $kind == dev ]]; then
    lists+=(requirements-dev.txt)
    digest=$with_dev
  else
    digest=$(_digest requirements.txt "${more[@]}")
  fi
  # What serves the tests serves a run.
  if [[ -f $stamp ]] &&
    [[ $(<"$stamp") == "$digest" || $(<"$stamp") == "$with_dev" ]]; then
    return
  fi

  echo "installing ${lists[*]} into .venv (the first time takes minutes)"
  # pip takes the "-e ." in requirements.txt from the current folder.
  (
    cd "$root" || exit 1
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
      "$python" -m pip install -qq --no-input -c constraints.txt \
      "${lists[@]/#/-r}" </dev/null
  ) || fail "pip could not install ${lists[*]} into $venv (see above)"
  printf '%s\n' "$digest" >"$stamp.new" && mv "$stamp.new" "$stamp"
  echo "installed in $((SECONDS - start)) s"
}

# Removes the temporary folder of this run; `set_up` calls it at exit.
remove_inside() {
  rm -rf "$inside"
  rmdir "$root/.data/tmp" "$root/.data" 2>/dev/null || true
}

set_up() {
  mkdir -p "$root/.data/tmp" || fail "$root/.data cannot be written"
  # Short: a Unix socket's path in TMPDIR may have about 100 characters.
  inside=$(mktemp -d "$root/.data/tmp/XXXXXX") || fail "no temporary folder"
  trap remove_inside EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir "$inside/home" "$inside/tmp"
  export TMPDIR="$inside/tmp"
  _make_venv "$1" # with the user's HOME, where pip and pyenv are configured
  export HOME="$inside/home" KERAS_HOME="$inside/home/.keras"
  export XDG_CACHE_HOME="$inside/home/.cache"
}
