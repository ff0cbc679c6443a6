#!/usr/bin/env bash
# Shows all steps on a fresh machine. It makes .venv, draws a sample in the
# competition's layout, builds the records, and trains. It kills the trainer
# inside an epoch, as a machine's reset would, resumes from the backup, and ends
# with the score and submission.csv. After the installation this takes a few
# minutes on 2 cores.
#
#   scripts/demo.sh
#
# DEMO_DIR     folder for all files (default .data/demo); emptied at each start
# DEMO_IMAGES  training images to draw (default 4000)
# DEMO_EPOCHS  epochs to train (default 25)
set -euo pipefail
shopt -s extglob nullglob
# shellcheck source=scripts/venv.sh
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

images=${DEMO_IMAGES:-4000}
epochs=${DEMO_EPOCHS:-25}
demo=${DEMO_DIR:-$root/.data/demo}
batch=64
# Small images, no mixing, a short average: a few minutes on a CPU.
recipe=(
  --backbone=small --input_height=64 --input_width=64 --cutmix=0
  --ema_decay=0.98 --learning_rate=0.004
)
wait_seconds=900 # For the first backup: the trainer may hang.

# Empties $demo; refuses a folder that no demo made.
make_demo_folder() {
  local mark=".made-by-scripts-demo"
  mkdir -p "$demo" || fail "DEMO_DIR=$demo cannot be made"
  demo=$(cd "$demo" && pwd -P)
  if [[ ! -e $demo/$mark && -n $(ls -A "$demo") ]]; then
    fail "DEMO_DIR=$demo holds files that no demo made; give a new folder"
  fi
  touch "$demo/$mark" || fail "DEMO_DIR=$demo cannot be written"
  rm -rf "${demo:?}"/{input,records,workdir,drive,log,scores.json,submission.csv}
  mkdir "$demo/log"
}

say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - start)); }

# Shows its input, and stores it in log/NAME.txt.
keep() { tee "$demo/log/$1.txt"; }

# Prints a command as a user would type it, runs it, stores its output.
run() {
  local name=$1
  shift
  echo "\$ python $*"
  "$python" "$@" 2>&1 | keep "$name"
}

# Prints the step of the newest backup that has a manifest, else 0.
backed_up_step() {
  local manifest step=0
  for manifest in "$demo"/drive/backup-*-*-*.json; do
    [[ -s $manifest ]] || continue
    manifest=${manifest##*/backup-*([0-9])-}
    step=$((10#${manifest%%-*}))
  done
  echo "$step"
}

# True if that step is inside an epoch, not at the end of one.
mid_epoch() { (($1 > steps_per_epoch && $1 % steps_per_epoch != 0)); }

# Runs the trainer in the background and kills it, as a reset would: by SIGKILL,
# without a warning, after a backup inside an epoch.
train_and_kill() {
  local step log="$demo/log/train-1.txt" give_up=$((SECONDS + wait_seconds))
  echo "\$ python ${train[*]}"
  "$python" "${train[@]}" > >(keep train-1) 2>&1 &
  trainer=$!
  while true; do
    kill -0 "$trainer" 2>/dev/null ||
      fail "the trainer ended before it could be killed; see $log"
    ((SECONDS < give_up)) ||
      fail "no backup inside an epoch after $wait_seconds s; see $log"
    if mid_epoch "$(backed_up_step)"; then
      # There may be a newer backup now: stop the process and check again.
      kill -STOP "$trainer"
      killed_at=$(backed_up_step)
      mid_epoch "$killed_at" && break
      kill -CONT "$trainer"
    fi
    sleep 0.2
  done
  kill -KILL "$trainer"
  { wait "$trainer" || true; } 2>/dev/null
  trainer=
}

trainer=
set_up run
leave() {
  [[ -z $trainer ]] || kill -KILL "$trainer" 2>/dev/null || true
  remove_inside
}
trap leave EXIT
cd "$root"
make_demo_folder
start=$SECONDS
export PYTHONUNBUFFERED=1

say "1/6 draw $images training images in the competition's layout"
run sample sample_data/main.py --output_dir="$demo/input" --num_images="$images"

say "2/6 build the records"
run build tfrecord_builder/main.py --input_dir="$demo/input" \
  --output_dir="$demo/records"
steps_per_epoch=$("$python" - "$demo/records/dataset_info.json" "$batch" <<'EOF'
import json, sys
splits = json.load(open(sys.argv[1]))["splits"]
training = {k: s for k, s in splits.items() if k not in ("fold0", "unseen")}
print(sum(s["records"] for s in training.values()) // int(sys.argv[2]))
EOF
)

say "3/6 train, and lose the machine inside an epoch of $steps_per_epoch steps"
train=(
  trainer/main.py --data_dir="$demo/records" --workdir="$demo/workdir"
  --backup_dir="$demo/drive" --epochs="$epochs" --global_batch_size="$batch"
  "${recipe[@]}"
  --backup_every_steps=$((steps_per_epoch * 2 / 5))
)
train_and_kill
echo "killed the trainer with SIGKILL; the newest backup is of step $killed_at"
rm -rf "$demo/workdir"
echo "removed its workdir too: after a reset the local disk is lost"

say "4/6 run the same command again: it resumes from the backup"
run train-2 "${train[@]}"
grep -Eq "RESUMED.* step $killed_at( |,|\$)" "$demo/log/train-2.txt" ||
  fail "the trainer did not print that it resumed at step $killed_at;" \
    "see $demo/log/train-2.txt"
echo "checked: it resumed at step $killed_at, epoch" \
  "$((killed_at / steps_per_epoch + 1)), not at the start of an epoch"

say "5/6 evaluate on the fold that was not trained on"
run evaluate trainer/evaluate.py --model="$demo/workdir/model.keras" \
  --data_dir="$demo/records" --split=fold0 --output="$demo/scores.json"

say "6/6 predict the test images"
run predict trainer/predict.py --model="$demo/workdir/model.keras" \
  --input_dir="$demo/input" --output="$demo/submission.csv"

say "done"
"$python" - "$demo" "$killed_at" <<'EOF'
import json, pathlib, sys
demo, killed_at = pathlib.Path(sys.argv[1]), sys.argv[2]
scores = json.loads((demo / "scores.json").read_text())
summary = json.loads((demo / "workdir/summary.json").read_text())
rows = len((demo / "submission.csv").read_text().splitlines()) - 1
speed = ", ".join(f"{leg['images_per_second']:.0f}" for leg in summary["legs"])
lines = [
    (f"recall {name}", "null" if value is None else f"{value:.4f}")
    for name, value in scores["recall"].items()
]
lines += [
    (f"score on {scores['split']}", f"{scores['score']:.4f}"),
    ("  of images", scores["images"]),
    ("training images/s of each leg", speed),
    ("killed and resumed at step", killed_at),
    ("model", demo / "workdir/model.keras"),
    ("report", demo / "workdir/report.html"),
    ("scores", demo / "scores.json"),
    (f"submission, {rows} rows", demo / "submission.csv"),
    ("backups", demo / "drive"),
]
for name, value in lines:
    print(f"  {name:<32}{value}")
EOF
