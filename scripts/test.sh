#!/usr/bin/env bash
# Runs the checks and the tests, on a fresh machine too: it makes .venv first.
#
#   scripts/test.sh [--full] [--lane=colab] [pytest arguments]
#
# --full adds the tests marked "long". Tests marked "by_hand" take minutes each:
# run them with -m by_hand. --lane=colab runs the tests with Colab's versions
# (Python 3.13, constraints-colab.txt) in .data/colab-venv. It adds the long
# tests marked "lane", and those marked "only_lane", which --full alone does not
# run.
# Without Python 3.13 it makes a Debian 13 tree in .data, which needs root and
# debootstrap. Paths in pytest arguments are relative to the repository root,
# for example
#   scripts/test.sh tests/tfrecord_builder/test_folds.py -k unseen
# It writes no files outside the repository. The output ends with pytest's last
# line, then a line "not run: …" for each reason why tests were skipped.
set -uo pipefail
# shellcheck source=scripts/venv.sh
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
# shellcheck source=scripts/debian13.sh
source "$root/scripts/debian13.sh"

kind=dev
selection=(-m "not long and not by_hand")
full=
arguments=()
for argument in "$@"; do
  case $argument in
    --full) full=1 ;;
    --lane=colab)
      kind=colab
      selection=(-m "(not long or lane or only_lane) and not by_hand")
      ;;
    --lane=*) fail "$argument: the lane is colab" ;;
    *) arguments+=("$argument") ;;
  esac
done
if [[ -n $full && $kind == colab ]]; then
  selection=(-m "not by_hand")
elif [[ -n $full ]]; then
  selection=(-m "not by_hand and not only_lane")
fi

if [[ $kind == colab && -z ${READY_PYTHON:-} ]]; then
  found=$(find_python 3.13) || exit 1
  if [[ -z $found ]]; then
    lacks=$(debian13_lacks)
    [[ -n $lacks ]] || debian13_run bash "$root/scripts/test.sh" "$@"
    echo "not run: the Colab lane: there is no Python 3.13, and for a Debian 13" \
      "tree this machine lacks ${lacks//$'\n'/, }"
    exit 0
  fi
fi

set_up "$kind"
cd "$root" || exit 1

# All files have one style. An error is printed now, but ends the script with a
# failure only after the tests.
style=0
"$python" -m ruff check --quiet . || style=1
"$python" -m ruff format --check --quiet . || style=1
((style == 0)) || echo "style: ruff found the lines above (ruff check, ruff format)"
# Types are checked with one set of libraries, because stubs differ.
types=0
if [[ $kind == dev ]]; then
  "$python" -m pyrefly check --python-interpreter-path "$python" \
    --output-format=min-text --summary=none || types=1
  ((types == 0)) || echo "types: pyrefly found the lines above (pyrefly check)"
fi

# TensorFlow: errors only, so that a failing test's output can be read.
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-2} PYTHONUNBUFFERED=1
"$python" -m pytest --basetemp="$inside/pytest" --timeout=600 --durations=10 \
  --junitxml="$inside/report.xml" ${selection[@]+"${selection[@]}"} \
  ${arguments[@]+"${arguments[@]}"} </dev/null
status=$?

"$python" - "$inside/report.xml" <<'EOF'
import collections, pathlib, sys
from xml.etree import ElementTree

report = pathlib.Path(sys.argv[1])
reasons = collections.Counter(
    skipped.get("message", "no reason given")
    for skipped in (ElementTree.parse(report).iter("skipped") if report.exists() else [])
)
for reason, count in sorted(reasons.items()):
    print(f"not run: {reason} ({count} test{'s' if count > 1 else ''})")
EOF
if ((style != 0)); then
  echo "error: the style check failed (see the lines before the tests)" >&2
  ((status != 0)) || status=1
fi
if ((types != 0)); then
  echo "error: the type check failed (see the lines before the tests)" >&2
  ((status != 0)) || status=1
fi
exit "$status"
