#!/usr/bin/env bash
# check.sh BUILD TORCH_DIR: installs the build into a folder of its own, builds the consumers
# against that copy, and runs them and the installed program.
set -euo pipefail

build=$1
torch_dir=$2
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/installed" >/dev/null

consume() {
  local name=$1
  shift
  cmake -S "$source_dir" -B "$work/$name" -G Ninja -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_PREFIX_PATH="$work/installed" "$@" >"$work/$name.log" 2>&1 ||
    { cat "$work/$name.log"; return 1; }
  cmake --build "$work/$name"
}

# The accountants alone: LibTorch is not found and not needed.
consume privacy -DCONSUME_PRIVACY_ONLY=ON -DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON
"$work/privacy/consumer_privacy"

consume train -DTorch_DIR="$torch_dir"
"$work/train/consumer"

# The installed program finds its models and data descriptions beside itself.
"$work/installed/bin/starling" --version
"$work/installed/bin/starling" check "$work/installed/share/starling/experiments/quickstart.json" |
  grep '26010 trainable parameters'
