#!/usr/bin/env bash
# Runs the notebook on Colab, machine after machine, until the run is finished.
# NOT RUN ON COLAB: tested only with a replacement for Google's `colab`.
#
#   scripts/colab.sh NOTEBOOK [options of `colab new`]
#   scripts/colab.sh my.ipynb --gpu T4
#
# NOTEBOOK is a copy of notebooks/colab.ipynb with your parameters. It needs
# `pip install google-colab-cli` and a login; the first time that a machine
# mounts your Drive, the CLI asks you to allow it. If a machine is lost, or
# prints nothing for 5 minutes, it is given back and the next one is rented.
# docs/colab.md describes the details.
#
# COLAB_MACHINES       largest number of machines to rent (default 20)
# COLAB_WAIT_SECONDS   wait after a machine was refused or failed (default 300)
# COLAB_QUIET_SECONDS  a machine that prints nothing for so long counts as lost
#                      (default 300); the notebook prints a line every 15 s
# PYTHON               a Python with absl, to pack the project
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
machines=${COLAB_MACHINES:-20}
wait_seconds=${COLAB_WAIT_SECONDS:-300}
quiet_seconds=${COLAB_QUIET_SECONDS:-300}
session="bengali-$$"
finished="The run is finished: "

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Prepares a machine; false if there is none or Drive cannot be mounted.
rent() {
  colab new -s "$session" "${options[@]}" &&
    colab drivemount -s "$session" /content/drive &&
    colab upload -s "$session" "$packed/bengali-trainer.zip" \
      /content/bengali-trainer.zip
}

# Runs the notebook and shows its output; true if the run is finished. The exit
# code is 0 even if a cell fails, so the line of the last cell decides.
run_notebook() {
  local line output status=1
  # The CLI's --timeout is 30 s by default.
  exec {output}< <(exec colab exec -s "$session" -f "$packed/run.ipynb" \
    --timeout 86400 2>&1)
  pid=$!
  while IFS= read -r -t "$quiet_seconds" -u "$output" line; do
    printf '%s\n' "$line"
    [[ $line != "$finished"* ]] || status=0
  done
  exec {output}<&-
  kill "$pid" 2>/dev/null # It may hang if the machine is gone.
  wait "$pid" 2>/dev/null
  pid=
  return "$status"
}

# Gives the machine back; it is not an error if the machine is gone.
give_back() { colab stop -s "$session" >/dev/null 2>&1 || true; }

leave() {
  [[ -z $pid ]] || kill "$pid" 2>/dev/null
  give_back
  rm -rf "$packed"
}

[[ $# -gt 0 && -f $1 ]] || fail "expected a copy of notebooks/colab.ipynb" \
  "with your parameters, got ${1:-nothing}"
command -v colab >/dev/null ||
  fail "there is no colab command: pip install google-colab-cli"
notebook=$1
shift
options=("$@")
pid=
packed=$(mktemp -d) || fail "no temporary folder"
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cp "$notebook" "$packed/run.ipynb"
"${PYTHON:-python3}" "$root/scripts/pack.py" \
  --output="$packed/bengali-trainer.zip" || fail "the project was not packed"

failures=0 # In a row, each within ten minutes: then it is not by chance.
for ((machine = 1; machine <= machines; machine++)); do
  echo "== machine $machine of at most $machines"
  if rent; then
    began=$SECONDS
    if run_notebook; then
      echo "== finished on machine $machine"
      exit 0
    fi
    failures=$((SECONDS - began < 600 ? failures + 1 : 0))
    ((failures < 3)) || fail "three machines in a row failed within" \
      "ten minutes: see above"
  fi
  echo "== machine $machine was lost or stopped; the next one continues"
  give_back
  ((machine == machines)) || sleep "$wait_seconds"
done
fail "not finished after $machines machines: see the lines above"
