# Sourced by experiments/quickstart.sh and tests/run.sh: everything between a fresh clone and a
# configured build folder. Each step is skipped when its result is there.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${STARLING_BUILD:-$root/build}
libtorch=$root/.libtorch
torch_version=2.13.0
jobs=${STARLING_JOBS:-$(nproc)}

step='start'
step() {
  step=$1
  printf -- '-- %s\n' "$1"
}
trap 'code=$?; [ $code -eq 0 ] || printf "\nFailed at the step: %s. %s\n" "$step" "${remedy:-}" >&2' EXIT

program_packages=(python3 python3-pip cmake ninja-build pkg-config ccache g++
  nlohmann-json3-dev libspdlog-dev libcxxopts-dev libssl-dev zlib1g-dev libpng-dev
  libcurl4-openssl-dev)
# MPI is optional: without it the program runs on one machine, and its tests are skipped.
test_packages=(libgtest-dev libgmock-dev libbenchmark-dev libopenmpi-dev openmpi-bin)

is_installed() { dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'; }

# install_packages NAME...
install_packages() {
  local missing=() name sudo=()
  for name in "$@"; do is_installed "$name" || missing+=("$name"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  step "install ${missing[*]}"
  remedy='Install these packages by hand and run again.'
  if [ "$(id -u)" -ne 0 ]; then sudo=(sudo); fi
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
}

# Prints the CMake prefix of an importable python torch of our version, without importing it.
python_torch() {
  python3 - "$torch_version" <<'PYTHON' 2>/dev/null
import importlib.metadata, importlib.util, pathlib, sys
wanted = sys.argv[1].rsplit(".", 1)[0]
version = importlib.metadata.version("torch")
assert version.split("+")[0].rsplit(".", 1)[0] == wanted
folder = pathlib.Path(importlib.util.find_spec("torch").origin).parent
config = folder / "share" / "cmake"
assert (config / "Torch" / "TorchConfig.cmake").is_file()
print(config)
PYTHON
}

# True where CMake itself finds a new enough LibTorch with the caller's settings.
cmake_finds_torch() {
  [ -n "${CMAKE_PREFIX_PATH:-}${Torch_DIR:-}" ] || return 1
  local probe
  probe=$(mktemp -d)
  printf '%s\n' 'cmake_minimum_required(VERSION 3.25)' 'project(probe CXX)' \
    'find_package(Torch 2.13 REQUIRED)' >"$probe/CMakeLists.txt"
  local found=0
  cmake -S "$probe" -B "$probe/build" ${Torch_DIR:+-DTorch_DIR="$Torch_DIR"} >/dev/null 2>&1 || found=1
  rm -rf "$probe"
  return $found
}

has_cuda_toolkit() { command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; }

download_torch() {
  step "download LibTorch $torch_version"
  remedy='Point PIP_INDEX_URL or PIP_FIND_LINKS at a source of the CPU wheel, or CMAKE_PREFIX_PATH at a LibTorch 2.13.'
  rm -rf "$libtorch.part"
  mkdir -p "$libtorch.part"
  python3 -m pip download --quiet --no-deps --dest "$libtorch.part" "torch==$torch_version"
  local wheel
  wheel=$(ls "$libtorch.part"/torch-*.whl)
  if python3 -m zipfile -l "$wheel" | grep -q 'libtorch_cuda\.so' && ! has_cuda_toolkit; then
    remedy='The wheel that pip found needs CUDA, and no CUDA toolkit is here. Set PIP_FIND_LINKS or PIP_INDEX_URL to a source of the CPU wheel, or CMAKE_PREFIX_PATH to a LibTorch 2.13, and run again.'
    return 1
  fi
  step 'unpack LibTorch'
  remedy='Check the free disk space (1 GB) and run again.'
  python3 -m zipfile -e "$wheel" "$libtorch.part"
  rm "$wheel"
  rm -rf "$libtorch"
  mv "$libtorch.part" "$libtorch"
}

# Sets torch_prefix: what to add to CMAKE_PREFIX_PATH, or nothing where CMake finds it alone.
get_torch() {
  torch_prefix=
  if cmake_finds_torch; then return; fi
  if torch_prefix=$(python_torch); then return; fi
  [ -f "$libtorch/torch/share/cmake/Torch/TorchConfig.cmake" ] || download_torch
  torch_prefix=$libtorch/torch/share/cmake
}

# configure ON|OFF: with or without the tests.
configure() {
  local cache=$build/CMakeCache.txt
  if [ -f "$build/build.ninja" ] && grep -q "^STARLING_BUILD_TESTS:BOOL=ON" "$cache"; then return; fi
  if [ -f "$build/build.ninja" ] && [ "$1" = OFF ]; then return; fi
  get_torch
  step 'configure'
  remedy='The lines above name what CMake misses.'
  local prefix=$torch_prefix${CMAKE_PREFIX_PATH:+;${CMAKE_PREFIX_PATH//:/;}}
  cmake --preset release -S "$root" -B "$build" -DSTARLING_BUILD_TESTS="$1" \
    ${prefix:+-DCMAKE_PREFIX_PATH="$prefix"} ${Torch_DIR:+-DTorch_DIR="$Torch_DIR"} >"$build.log" 2>&1 ||
    { cat "$build.log"; return 1; }
  mv "$build.log" "$build/configure.log"
}

# build_targets NAME...
build_targets() {
  step "build $*"
  remedy='The compiler said why above.'
  ninja -C "$build" -j "$jobs" --quiet "$@"
}
