#!/usr/bin/env bash
# Runs the notebook on Kaggle, version after version, until it is finished.
# NOT RUN ON KAGGLE: tested only with a replacement for the `kaggle` command.
#
#   scripts/kaggle.sh USER NOTEBOOK [options of `kaggle kernels push`]
#   scripts/kaggle.sh me my.ipynb --accelerator NvidiaTeslaT4
#
# NOTEBOOK is a copy of notebooks/colab.ipynb with your parameters. It needs
# `pip install kaggle` and a token in KAGGLE_API_TOKEN. The project is uploaded
# as the dataset USER/bengali-trainer; each version of the notebook
# USER/bengali-trainer-run gets the output of the one before as its input.
# docs/kaggle.md describes the details.
#
# KAGGLE_VERSIONS      largest number of versions to run (default 20)
# KAGGLE_POLL_SECONDS  seconds between two queries of the status (default 60)
# PYTHON               a Python with absl, to pack the project
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
versions=${KAGGLE_VERSIONS:-20}
poll_seconds=${KAGGLE_POLL_SECONDS:-60}

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Uploads the project, or a new version of it, and waits until it is there.
upload_project() {
  mkdir "$folder/project"
  "${PYTHON:-python3}" "$root/scripts/pack.py" \
    --output="$folder/project/bengali-trainer.zip" || return 1
  cat >"$folder/project/dataset-metadata.json" <<EOF
{"id": "$project", "title": "bengali-trainer", "licenses": [{"name": "other"}]}
EOF
  if kaggle datasets status "$project" >/dev/null 2>&1; then
    kaggle datasets version -p "$folder/project" -m "scripts/kaggle.sh"
  else
    kaggle datasets create -p "$folder/project"
  fi || return 1
  for ((i = 0; i < 30; i++)); do
    [[ $(kaggle datasets status "$project" 2>&1) != *ready* ]] || return 0
    echo "waiting for $project"
    sleep "$poll_seconds"
  done
  return 1
}

# Starts a version. $1 is its sources: "" for the first version, else the
# version before.
push() {
  mkdir -p "$folder/run"
  cp "$notebook" "$folder/run/run.ipynb"
  cat >"$folder/run/kernel-metadata.json" <<EOF
{
  "id": "$kernel",
  "title": "bengali-trainer-run",
  "code_file": "run.ipynb",
  "language": "python",
  "kernel_type": "notebook",
  "is_private": true,
  "enable_gpu": true,
  "enable_internet": true,
  "competition_sources": ["bengaliai-cv19"],
  "dataset_sources": ["$project"],
  "kernel_sources": [$1]
}
EOF
  kaggle kernels push -p "$folder/run" "${options[@]}"
}

# Waits for the end of the version; true if it has completed without an error.
wait_for_end() {
  local status before= began=$SECONDS
  # Kaggle ends a version after 12 h; before that, it may wait for a machine.
  while ((SECONDS - began < 24 * 3600)); do
    sleep "$poll_seconds" # At first Kaggle may still show the version before.
    status=$(kaggle kernels status "$kernel" 2>&1)
    [[ $status == "$before" ]] || echo "$status"
    before=$status
    # Upper case since the CLI's version 1.7. A failed query decides nothing.
    case ${status,,} in
      *complete\"*) return 0 ;;
      *error\"* | *cancel*) return 1 ;;
    esac
  done
  return 1
}

# True if the last version has left a submission.csv, as a finished run does.
is_finished() {
  rm -rf "$folder/output"
  mkdir "$folder/output"
  kaggle kernels output "$kernel" -p "$folder/output" \
    --file-pattern 'submission\.csv$' >/dev/null 2>&1
  [[ -n $(find "$folder/output" -name submission.csv) ]]
}

[[ $# -gt 1 && -f $2 ]] || fail "expected your Kaggle name and a copy of" \
  "notebooks/colab.ipynb with your parameters, got ${*:-nothing}"
command -v kaggle >/dev/null ||
  fail "there is no kaggle command: pip install kaggle"
project=$1/bengali-trainer kernel=$1/bengali-trainer-run notebook=$2
shift 2
options=("$@")
folder=$(mktemp -d) || fail "no temporary folder"
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

upload_project || fail "the project could not be uploaded: see above"
# If there is a notebook of an earlier call, its output is continued.
sources=
! kaggle kernels status "$kernel" >/dev/null 2>&1 || sources="\"$kernel\""
failures=0 # In a row, each within ten minutes: then it is not by chance.
for ((version = 1; version <= versions; version++)); do
  echo "== version $version of at most $versions"
  began=$SECONDS
  push "$sources" || fail "the version was not started: see above"
  if wait_for_end && is_finished; then
    echo "== finished: kaggle kernels output $kernel"
    exit 0
  fi
  failures=$((SECONDS - began < 600 ? failures + 1 : 0))
  ((failures < 3)) || fail "three versions in a row failed within ten" \
    "minutes: see kaggle kernels logs $kernel"
  echo "== version $version did not finish; the next one continues"
  sources="\"$kernel\""
done
fail "not finished after $versions versions: see the lines above"
