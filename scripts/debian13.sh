# shellcheck shell=bash
# Sourced by test.sh, after venv.sh: runs a command in a Debian 13 tree, which
# has Python 3.13, on a Linux machine that has another Python.
#
#   debian13_lacks        prints what the machine lacks for it, if anything
#   debian13_run COMMAND  replaces this process; at the same path in the tree
#
# The tree is made once, in .data/debian13, in about a minute.

debian13_lacks() {
  local name
  if [[ $(id -u) != 0 ]]; then
    echo "root's rights"
    return
  fi
  for name in debootstrap unshare chroot; do
    command -v "$name" >/dev/null || echo "$name"
  done
}

_make_tree() {
  local tree=$1 mirror start=$SECONDS packages
  # rclone and fuse3: tests that only the lane runs mount a Drive.
  packages=python3.13,python3.13-venv,ca-certificates,git,libfribidi0
  packages+=,rclone,fuse3
  if [[ -d $tree ]]; then
    [[ $(cat "$tree.packages" 2>/dev/null) != "$packages" ]] || return 0
    rm -rf --one-file-system "$tree" # It was made with another list.
  fi
  # The machine's own mirror, if it is a Debian machine.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null |
    grep -m1 '/debian/*$')
  rm -rf "$tree.new"
  debootstrap --variant=minbase --include="$packages" trixie "$tree.new" \
    "${mirror:-http://deb.debian.org/debian}" >"$tree.log" 2>&1 ||
    fail "debootstrap failed: see $tree.log"
  mv "$tree.new" "$tree"
  echo "$packages" >"$tree.packages"
  echo "made $tree in $((SECONDS - start)) s"
}

debian13_run() {
  local tree="$root/.data/debian13" path
  mkdir -p "$root/.data" || fail "$root/.data cannot be written"
  _make_tree "$tree"
  # This machine's settings for the network and the package index.
  for path in /etc/{hosts,resolv.conf,pip.conf,xdg/pip,ssl/certs} \
    "$HOME/.config/pip" "$HOME/.pip"; do
    [[ ! -e $path ]] || cp -rL --parents "$path" "$tree" 2>/dev/null
  done
  mkdir -p "$tree$root" "$tree$HOME"
  # In a separate mount namespace: nothing stays mounted.
  exec unshare --mount bash -c '
    set -e
    tree=$1 root=$2
    shift 2
    for path in /proc /sys /dev "$root"; do
      mount --rbind "$path" "$tree$path"
    done
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    exec chroot "$tree" "$@"
  ' _ "$tree" "$root" "$@"
}
