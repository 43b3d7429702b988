#!/usr/bin/env bash
# launcher_test.sh --list | CASE: one test of the shell entry ./flashlab, in a tree of its own.
# cmake, ninja, ctest, dpkg-query, apt-get and sudo are replaced by scripts that note how they were called, so
# nothing is installed or compiled. Each case is a function whose name reads as a sentence.
# shellcheck disable=SC2016  # the bodies of the fakes are expanded when they run
set -euo pipefail

launcher=$(cd -P "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)/flashlab
checks=0

# ---------------------------------------------------------------------------------------------------- the stage

set_the_stage() {
  scratch=$(mktemp -d)
  trap 'chmod -R u+w "$scratch"; rm -rf -- "$scratch"' EXIT
  tree="$scratch/a tree with spaces" calls=$scratch/calls fakes=$scratch/fakes
  mkdir -p "$tree/cmake" "$tree/sim/core" "$tree/cuda" "$fakes" "$scratch/home"
  cp "$launcher" "$tree/flashlab"
  touch "$tree/CMakeLists.txt" "$tree/CMakePresets.json" "$tree/sim/core/tensor.cpp" "$calls"
  find "$tree" -exec touch -d '1 hour ago' {} +
  printf 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12"\n' >"$scratch/os-release"

  fake cmake 'case $1 in
      --version) echo "cmake version ${FAKE_CMAKE_VERSION:-3.25.1}" ;;
      --build)
        [[ -z ${FAKE_BUILD_FAILS:-} ]] || { seq 1 50; echo "tensor.cpp:3:1: error: no such thing"; exit 1; }
        sleep "${FAKE_BUILD_SECONDS:-0}"
        mkdir -p "$2/bin"
        { echo "#!/bin/bash"; echo "printf \"<%s>\" \"\$@\"; exit 7"; } >"$2/bin/flashlab"
        chmod +x "$2/bin/flashlab" ;;
      *) mkdir -p "$4"; touch "$4/build.ninja"; printf "CMAKE_HOME_DIRECTORY:INTERNAL=%s\n" "$PWD" >"$4/CMakeCache.txt" ;;
    esac'
  fake ctest 'echo 40 >>"$FLASHLAB_CHECKS_FILE"; echo 2 >>"$FLASHLAB_CHECKS_FILE"; exit "${FAKE_CTEST_STATUS:-0}"'
  # What apt-get installs is there from then on; FAKE_MISSING is not there at first.
  fake dpkg-query 'shift 2; for name; do
      [[ " ${FAKE_MISSING:-} " == *" $name "* ]] && ! grep -qs "^apt-get.*install.* $name" "$CALLS" || echo "$name installed"
    done'
  fake apt-get '[[ $* != *install* || -z ${FAKE_APT_FAILS:-} ]] || { echo "E: Unable to locate package"; exit 100; }'
  fake sudo 'while [[ $1 == -* ]]; do shift; done; "$@"'
  fake ninja ''
  fake c++ ''
  export CALLS=$calls PATH=$fakes:$PATH HOME=$scratch/home FLASHLAB_OS_RELEASE=$scratch/os-release
  unset CI CXX XDG_CACHE_HOME FLASHLAB_CHECKS_FILE FLASHLAB_JOBS
}

fake() {  # name, body
  printf '#!/usr/bin/env bash\necho "%s $*" >>"$CALLS"\n%s\n' "$1" "$2" >"$fakes/$1"
  chmod +x "$fakes/$1"
}

# Runs the command with stdin closed; sets status, out and err.
run() {
  status=0
  "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
  out=$(<"$scratch/out") err=$(<"$scratch/err")
}

fail() {
  printf 'FAILED: %s\nstatus: %s\nstdout:\n%s\nstderr:\n%s\ncalls:\n%s\n' "$1" "$status" "$out" "$err" "$(<"$calls")"
  exit 1
}
expect_status() { checks=$((checks + 1)); [[ $status == "$1" ]] || fail "exit code $1 was expected"; }
expect_out() { checks=$((checks + 1)); [[ $out == *"$1"* ]] || fail "stdout lacks: $1"; }
expect_err() { checks=$((checks + 1)); [[ $err == *"$1"* ]] || fail "stderr lacks: $1"; }
expect_call() { checks=$((checks + 1)); grep -qe "$1" "$calls" || fail "no such call: $1"; }
expect_no_call() { checks=$((checks + 1)); ! grep -qe "$1" "$calls" || fail "a call that should not be: $1"; }
expect_calls() { checks=$((checks + 1)); [[ $(grep -ce "$1" "$calls") == "$2" ]] || fail "$2 calls expected of: $1"; }

# ---------------------------------------------------------------------------------------------------- the cases

case_a_first_call_builds_and_hands_over_every_argument() {
  run "$tree/flashlab" report --seq '8 192' '' '*'
  expect_status 7
  expect_out '<report><--seq><8 192><><*>'
  expect_call "^cmake --preset release -B $tree/build/release"
  expect_call "^cmake --build $tree/build/release .*--target flashlab"
  expect_no_call '^apt-get'
}

case_a_second_call_starts_at_once() {
  run "$tree/flashlab"
  : >"$calls"
  run "$tree/flashlab" doctor
  expect_status 7
  expect_out '<doctor>'
  expect_calls . 0
}

case_a_changed_an_added_and_a_removed_source_are_each_built_once() {
  run "$tree/flashlab"
  local change
  for change in 'touch sim/core/tensor.cpp' 'touch sim/core/new.cpp' 'rm sim/core/new.cpp' 'touch CMakeLists.txt'; do
    : >"$calls"
    sleep 0.02
    (cd "$tree" && $change)
    run "$tree/flashlab"
    run "$tree/flashlab"
    expect_status 7
    expect_calls '^cmake --build' 1
    expect_no_call '^cmake --preset'
  done
}

case_a_symlinked_call_from_another_folder_finds_the_tree() {
  mkdir "$scratch/bin" "$scratch/else where"
  ln -s "$tree/flashlab" "$scratch/bin/first"
  ln -s first "$scratch/bin/second"
  cd "$scratch/else where"
  PATH=$scratch/bin:$PATH run second report
  expect_status 7
  expect_out '<report>'
  expect_call "^cmake --build $tree/build/release"
}

case_a_moved_tree_is_configured_afresh() {
  run "$tree/flashlab"
  mv "$tree" "$scratch/moved"
  : >"$calls"
  run "$scratch/moved/flashlab"
  expect_status 7
  expect_call "^cmake --preset release -B $scratch/moved/build/release"
}

case_a_read_only_tree_is_built_in_the_cache() {
  chmod -R a-w "$tree"
  if [[ -w $tree ]]; then  # root may write everywhere: ask as somebody else
    command -v setpriv >/dev/null || { echo "needs setpriv when run as root"; exit 77; }
    chmod a+rx "$scratch"
    chown -R 65534:65534 "$scratch"
    run setpriv --reuid 65534 --regid 65534 --clear-groups "$tree/flashlab" report
  else
    run "$tree/flashlab" report
  fi
  expect_status 7
  expect_out '<report>'
  expect_call "^cmake --preset release -B $scratch/home/.cache/flashlab/"
  checks=$((checks + 1))
  [[ ! -e $tree/build ]] || fail "something was written into the tree"
}

case_missing_packages_are_named_with_their_reason_and_installed() {
  FAKE_MISSING='libcli11-dev cmake' run "$tree/flashlab" report
  expect_status 7
  expect_err 'libcli11-dev           reads the command line'
  expect_err 'cmake                  configures the build'
  expect_call '^apt-get .*install -y --no-install-recommends cmake libcli11-dev$'
  expect_call '^apt-get .*update'
}

# Runs the launcher on a terminal of its own, where the user types $1.
run_on_a_terminal() {
  script -qec true /dev/null >/dev/null 2>&1 </dev/null || { echo "script(1) cannot make a terminal here"; exit 77; }
  status=0
  # An end of input before the program's end would make script(1) wait for two seconds.
  { printf '%s\n' "$1" && sleep 0.5; } | script -qec "'$tree/flashlab' ${*:2}" /dev/null >"$scratch/out" 2>&1 || status=$?
  out=$(tr -d '\r' <"$scratch/out") err=$out
}

case_on_a_terminal_nothing_is_installed_without_a_yes() {
  export FAKE_MISSING=cmake
  run_on_a_terminal n report
  expect_status 3
  expect_out '[Y/n]'
  expect_out 'install them with: sudo apt-get install cmake'
  expect_no_call '^apt-get'
  run_on_a_terminal y report
  expect_status 7
  expect_call '^apt-get .*install'
}

case_neither_yes_nor_CI_is_asked() {
  export FAKE_MISSING=cmake
  run_on_a_terminal n --yes report
  expect_status 7
  expect_out '<report>'
  expect_call '^apt-get .*install'
  rm -r "$tree/build"
  : >"$calls"
  CI=true run_on_a_terminal n report
  expect_status 7
  expect_call '^apt-get .*install'
}

case_the_tests_want_doctest_and_the_program_does_not() {
  FAKE_MISSING=doctest-dev run "$tree/flashlab" report
  expect_no_call '^apt-get'
  expect_call '^cmake --preset.*-DFLASHLAB_TESTS=OFF'
  FAKE_MISSING=doctest-dev run "$tree/flashlab" test
  expect_call '^apt-get .*install.* doctest-dev$'
}

case_a_failed_installation_leaves_with_3_and_the_log() {
  FAKE_MISSING=cmake FAKE_APT_FAILS=1 run "$tree/flashlab"
  expect_status 3
  expect_err 'E: Unable to locate package'
  expect_err "the full log: $tree/build/release/flashlab-build.log"
  expect_no_call '^cmake --build'
}

case_another_system_is_told_its_own_package_names() {
  local id words
  while read -r id words; do
    printf 'ID="%s"\nPRETTY_NAME="Some %s"\n' "$id" "$id" >"$FLASHLAB_OS_RELEASE"
    rm -f "$fakes/ninja"
    run env PATH="$fakes:$(path_without_ninja)" "$tree/flashlab" report
    expect_status 3
    expect_err "this is Some $id"
    expect_err "$words"
    expect_no_call '^apt-get'
  done <<'SYSTEMS'
fedora sudo dnf install boost-devel cli11-devel cmake eigen3-devel
arch sudo pacman -S --needed boost cli11
alpine sudo apk add boost-dev
opensuse-leap sudo zypper install cli11-devel
haiku wanted, under Debian's names: cmake g++
SYSTEMS
}

case_another_system_with_the_packages_builds() {
  printf 'ID=fedora\n' >"$FLASHLAB_OS_RELEASE"
  run "$tree/flashlab" report
  expect_status 7
  expect_no_call '^apt-get'
  expect_no_call '^dpkg-query'
}

case_a_failed_build_shows_the_last_30_lines_and_leaves_with_3() {
  FAKE_BUILD_FAILS=1 run "$tree/flashlab" report
  expect_status 3
  expect_err 'error: no such thing'
  expect_err "the full log: $tree/build/release/flashlab-build.log"
  checks=$((checks + 1))
  [[ $err != *$'\n21\n'* && $err == *$'\n22\n'* ]] || fail "30 lines of the log were expected"
  run "$tree/flashlab" report
  expect_status 7
}

case_an_old_cmake_is_refused() {
  FAKE_CMAKE_VERSION=3.18.4 run "$tree/flashlab"
  expect_status 3
  expect_err 'cmake 3.18 is too old: 3.22 or newer'
}

case_two_calls_at_once_build_once() {
  FAKE_BUILD_SECONDS=0.5 "$tree/flashlab" first >"$scratch/first" 2>&1 &
  sleep 0.2
  run "$tree/flashlab" second
  expect_status 7
  expect_out '<second>'
  status=0
  wait $! || status=$?
  expect_status 7
  expect_calls '^cmake --build' 1
}

case_the_tests_end_with_how_many_checks_ran() {
  run "$tree/flashlab" test -R core
  expect_status 0
  expect_call "^ctest --test-dir $tree/build/release .*-R core$"
  checks=$((checks + 1))
  [[ ${out##*$'\n'} == '42 checks ran in 2 test cases.' ]] || fail "the last line"
  FAKE_CTEST_STATUS=8 run "$tree/flashlab" test
  expect_status 1
}

case_bench_is_the_program_and_benchmarks_are_built_apart() {
  run "$tree/flashlab" bench --saved
  expect_status 7
  expect_out '<bench><--saved>'
  run "$tree/flashlab" benchmarks
  expect_status 3
  expect_err 'this tree has no benchmarks'
  expect_call "^cmake --build $tree/build/benchmarks"
}

case_view_builds_its_page_too_and_only_once() {
  fake node '' && fake npm ''
  mkdir -p "$tree/sim/view/page"
  fake cmake 'case $1 in
      --version) echo "cmake version 3.25.1" ;;
      --build)
        mkdir -p "$2/bin" "$2/share/flashlab/view"
        touch "$2/share/flashlab/view/view.js"
        { echo "#!/bin/bash"; echo "printf \"<%s>\" \"\$@\"; exit 7"; } >"$2/bin/flashlab"
        chmod +x "$2/bin/flashlab" ;;
      *) mkdir -p "$4"; echo "build view_page: phony" >"$4/build.ninja" ;;
    esac'
  run "$tree/flashlab" view online-q
  expect_status 7
  expect_out '<view><online-q>'
  expect_call '^cmake --build .*--target flashlab view_page'
  : >"$calls"
  run "$tree/flashlab" view online-q
  expect_calls . 0
  sleep 0.02
  touch "$tree/sim/view/page/main.js"
  run "$tree/flashlab" view online-q
  expect_calls '^cmake --build' 1
}

case_only_view_wants_node_and_npm() {
  fake apt-get '[[ $* != *install* ]] || { for t in node npm; do /bin/cp "${0%/*}/ninja" "${0%/*}/$t"; done; }'
  local chmod_too=$scratch/chmod
  mkdir -p "$chmod_too" && ln -s /bin/chmod "$chmod_too/chmod"
  export FAKE_MISSING='nodejs npm'
  run env PATH="$fakes:$chmod_too:$(path_without_ninja)" "$tree/flashlab" report
  expect_status 7
  expect_no_call '^apt-get'
  run env PATH="$fakes:$chmod_too:$(path_without_ninja)" "$tree/flashlab" view online-q
  expect_status 7
  expect_call '^apt-get .*install -y --no-install-recommends nodejs npm$'
  expect_err 'bundles the page of flashlab view'
}

# -----------------------------------------------------------------------------------------------------------------

path_without_ninja() {  # a folder of links to the tools that the launcher uses, and no others
  local tools=$scratch/tools tool
  if [[ ! -d $tools ]]; then
    mkdir "$tools"
    for tool in bash env cat sed awk cut grep sort tr find tail tee cksum dirname readlink flock mkdir mv rm touch uname nproc; do
      ln -s "$(command -v "$tool")" "$tools/$tool"
    done
  fi
  printf '%s' "$tools"
}

cases() { declare -F | sed -n 's/^declare -f case_//p'; }

if [[ ${1:-} == --list ]]; then
  cases
elif declare -F "case_${1:-}" >/dev/null; then
  checks_file=${FLASHLAB_CHECKS_FILE:-}
  set_the_stage
  "case_$1"
  echo "$checks checks passed"
  [[ -z $checks_file ]] || echo "$checks" >>"$checks_file"
else
  echo "launcher_test.sh --list | CASE" >&2
  exit 2
fi
