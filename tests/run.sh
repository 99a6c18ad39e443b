#!/usr/bin/env bash
# From a fresh clone to passed tests: installs what is missing, builds everything, runs every test.
#   tests/run.sh           all tests, and the parsers once more under the address sanitizer
#   tests/run.sh --quick   without the long ones
# STARLING_DATA names a folder with mnist/, fashion-mnist/, ...; tests that need it are skipped
# without it.
source "$(dirname "${BASH_SOURCE[0]}")/../experiments/setup.sh"

quick=no
case "${1:-}" in
  '') ;;
  --quick) quick=yes ;;
  *) printf 'usage: tests/run.sh [--quick]\n' >&2; exit 2 ;;
esac

if [ -z "${STARLING_DATA:-}" ] && [ -d "$root/../shared/datasets" ]; then
  export STARLING_DATA=$root/../shared/datasets
fi
if [ -z "${STARLING_DATA:-}" ] || [ ! -d "${STARLING_DATA:-}" ]; then
  echo '-- STARLING_DATA is not set: tests on real data are skipped'
fi

install_packages "${program_packages[@]}" "${test_packages[@]}"
configure ON
build_targets

step 'test'
remedy='ctest --test-dir build -R NAME --output-on-failure shows one test.'
skipped=campaign
[ "$quick" = no ] || skipped='campaign|long'
ctest --test-dir "$build" --output-on-failure -j "$jobs" -LE "$skipped"

if [ "$quick" = no ]; then
  step 'build the parsers under the address sanitizer'
  remedy='The compiler said why above.'
  cmake --preset asan -S "$root" -B "$build-asan" -DSTARLING_TORCH=OFF >"$build/asan.log"
  ninja -C "$build-asan" -j "$jobs" --quiet
  step 'test the parsers under the address sanitizer'
  ASAN_OPTIONS=hard_rss_limit_mb=4096:max_allocation_size_mb=2048 \
    ctest --test-dir "$build-asan" --output-on-failure -j "$jobs" -LE 'campaign|long'
fi
