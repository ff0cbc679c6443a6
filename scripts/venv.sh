# shellcheck shell=bash
# Sourced by demo.sh and test.sh: makes the virtual environment, and a folder in
# the repository for the files that programs write to HOME and /tmp.
#
#   source scripts/venv.sh
#   set_up run|dev|colab   sets $root, $python; TMPDIR, HOME and caches point
#                          under .data/tmp and are removed when the script ends
#   find_python VERSION…   prints a Python of one of these versions, or nothing
#
# "colab" is a separate environment, .data/colab-venv, with the versions of
# Colab's image.
#
# PYTHON=/path/to/python3.12 chooses the interpreter of a new .venv;
# READY_PYTHON=/path/to/python has all packages already: it is used unchanged,
# and no .venv is made. PIP_NO_CACHE_DIR= (empty) lets pip keep a cache.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# True for a Python of one of the versions that can make virtual environments.
_suits() {
  "$1" -c '
import sys
if "%d.%d" % sys.version_info[:2] not in sys.argv[1:]:
    sys.exit(1)
import ensurepip, venv' "${@:2}" >/dev/null 2>&1
}

find_python() {
  local version name
  local -a names=(${PYTHON:+"$PYTHON"})
  for version in "$@"; do
    names+=("python$version")
  done
  names+=(python3 python)
  for version in "$@"; do # Versions of pyenv and uv that are not on PATH.
    names+=("$(pyenv root 2>/dev/null)/versions/$version".*/bin/python
      "$(uv python find --no-project "$version" 2>/dev/null)")
  done
  for name in "${names[@]}"; do
    if _suits "$name" "$@"; then
      echo "$name"
      return
    fi
    if [[ -n $name && $name == "${PYTHON:-}" ]]; then
      fail "PYTHON=$PYTHON is not a Python ($*) with the modules venv and" \
        "ensurepip; set another or unset PYTHON"
    fi
  done
}

# A digest of what an installation depends on: lists, interpreter and folder.
_digest() {
  "$python" - "$root" "$@" <<'EOF'
import hashlib, pathlib, sys
digest = hashlib.sha256(f"{sys.version} {sys.argv[1]}".encode())
for name in sys.argv[2:]:
    digest.update(b"\0" + pathlib.Path(sys.argv[1], name).read_bytes())
print(digest.hexdigest())
EOF
}

# Makes or repairs the environment. "run" installs the packages of a user, "dev"
# and "colab" also those of the tests.
_make_venv() {
  local kind=$1 venv="$root/.venv" constraints=constraints.txt
  local base digest start=$SECONDS
  local -a versions=(3.11 3.12 3.13)
  if [[ -n ${READY_PYTHON:-} ]]; then
    python=$READY_PYTHON
    return
  fi
  if [[ $kind == colab ]]; then
    venv="$root/.data/colab-venv" constraints=constraints-colab.txt
    versions=(3.13)
  fi
  local stamp="$venv/.installed"
  python="$venv/bin/python"
  if ! _suits "$python" "${versions[@]}" ||
    ! "$python" -m pip --version >/dev/null 2>&1; then
    base=$(find_python "${versions[@]}") || exit 1
    [[ -n $base ]] || fail "no Python (${versions[*]}) with the modules venv" \
      "and ensurepip was found; install one (Debian, Ubuntu: apt-get install" \
      "python3-venv) or set PYTHON=/path/to/python3"
    echo "making $venv with $("$base" --version) ($base)"
    "$base" -m venv --clear "$venv" || fail "$base could not make $venv"
  fi

  local lists=(requirements.txt)
  local more=(requirements-common.txt "$constraints" pyproject.toml)
  local with_dev
  with_dev=$(_digest requirements.txt requirements-dev.txt "${more[@]}")
  if [[ $kind == run ]]; then
    digest=$(_digest requirements.txt "${more[@]}")
  else
    lists+=(requirements-dev.txt)
    digest=$with_dev
  fi
  # An environment for the tests is also one for a user.
  if [[ -f $stamp ]] &&
    [[ $(<"$stamp") == "$digest" || $(<"$stamp") == "$with_dev" ]]; then
    return
  fi

  echo "installing ${lists[*]} into $venv (the first time takes minutes)"
  # pip takes the "-e ." in requirements.txt from the current folder.
  (
    cd "$root" || exit 1
    PIP_NO_CACHE_DIR=${PIP_NO_CACHE_DIR-1} PIP_DISABLE_PIP_VERSION_CHECK=1 \
      "$python" -m pip install -qq --no-input -c "$constraints" \
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
