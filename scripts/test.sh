#!/usr/bin/env bash
# Runs the checks and the tests, on a fresh machine too: it makes .venv first.
#
#   scripts/test.sh [--full] [pytest arguments]
#
# --full adds the tests marked "long". Paths in pytest arguments are taken from
# the repository root, for example
#   scripts/test.sh tests/tfrecord_builder/test_folds.py -k unseen
# Nothing is left outside the repository. The end is pytest's closing line,
# then a line "not run: …" for each reason why tests were skipped.
set -uo pipefail
# shellcheck source=scripts/venv.sh
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

selection=(-m "not long")
arguments=()
for argument in "$@"; do
  if [[ $argument == --full ]]; then
    selection=()
  else
    arguments+=("$argument")
  fi
done

set_up dev
cd "$root" || exit 1

# The whole tree keeps one style; a lapse is shown now and fails the run at
# the end, after the tests.
style=0
"$python" -m ruff check --quiet . || style=1
"$python" -m ruff format --check --quiet . || style=1
((style == 0)) || echo "style: ruff finds the above (ruff check, ruff format)"

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
exit "$status"
