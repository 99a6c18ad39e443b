#!/usr/bin/env bash
# From a fresh clone to a trained private federation: installs what is missing, builds the program,
# and runs experiments/quickstart.json on generated digits. Arguments go to `starling run`.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

install_packages "${program_packages[@]}"
configure OFF
build_targets starling

step 'run experiments/quickstart.json'
remedy=
"$build/starling" run "$root/experiments/quickstart.json" "$@"
