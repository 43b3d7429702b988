#!/usr/bin/env bash
# What only a card can answer about the kernels, in one go: about fifteen minutes on an H100 and 16 cores. Needs nvcc; takes ncu,
# compute-sanitizer and ./flashlab along where they are found. None of Flashlab's own libraries are needed.
#
#   cuda/check.sh [OUT [STEP…]]   OUT (default: build/card-check) then holds a log of every step; all of them, or those named
#
#     build      the programs of cuda/host, into OUT; the other steps need them
#     check      every stage against double precision, random numbers and the real inputs of sim/data
#     repeat     the same again: every figure must be the same
#     sanitizer  memcheck, racecheck, synccheck, initcheck of every stage, full and causal
#     counters   Nsight Compute's counters of registers and tensor-core; `flashlab measure --from OUT/measured` takes them over
#     bench      hopper and tensor-core beside their peers, fp16 too (with a build of ./flashlab)
#
# A step that fails is told, and the rest goes on. The end is a table; exit code 0 when all steps passed, 1 when one did not,
# 3 when nothing can be built. Steps that lack their tool are "left out".
# shellcheck disable=SC2317  # the functions are called by name, through step
set -uo pipefail
cd "$(dirname "$0")/.." || exit 3
out=${1:-build/card-check}
shift || true
all=(build check repeat sanitizer counters bench)
wanted=("${@:-${all[@]}}")
for name in "${wanted[@]}"; do
  [[ " ${all[*]} " == *" $name "* ]] || { echo "check.sh: there is no step $name: ${all[*]}" >&2; exit 2; }
done
mkdir -p "$out" || exit 3

unset NVCC_APPEND_FLAGS NVCC_PREPEND_FLAGS  # another target in them would be compiled too: hopper has one alone
for tool in nvcc nvidia-smi; do
  command -v "$tool" >/dev/null || { echo "check.sh: $tool is missing: install the CUDA toolkit and the driver" >&2; exit 3; }
done
arch=$(nvidia-smi --id=0 --query-gpu=compute_cap --format=csv,noheader | tr -d .)
[[ $arch =~ ^[0-9]+$ ]] || { echo "check.sh: nvidia-smi names no card" >&2; exit 3; }

steps=() results=() seconds=()
# step NAME COMMAND…: the command's output is kept; its last line, or what it printed on fd 3, is the result.
step() {
  local name=$1 began=$SECONDS status said
  shift
  echo "check.sh: $name …" >&2
  "$@" >"$out/$name.log" 2>&1 3>"$out/$name.result"
  status=$?
  said=$(cat "$out/$name.result")
  rm -f "$out/$name.result"
  steps+=("$name") seconds+=("$((SECONDS - began))")
  case $status in
    0) results+=("passed    $said") ;;
    77) results+=("left out  $said") ;;
    *) results+=("FAILED    ${said:-see $out/$name.log}") ;;
  esac
  return "$status"
}

build() {
  local flags=(-std=c++20 -O3 -I. -DFLASHLAB_UPPER_LAUNCHES) sources=(stage_runner stage_upper check count) objects=() pids=() source status=0
  if [[ $arch == 90 ]]; then  # hopper is of sm_90a alone; its launches come with those of tensor-core's ideas
    flags+=(-DFLASHLAB_CARD_LAUNCHES)
    sources+=(stage_ablations stage_hopper)
  fi
  for source in "${sources[@]}"; do
    local target=$arch file=cuda/host/$source.cu
    [[ $source == stage_hopper ]] && target=90a  # spelt out, for -arch=sm_90a compiles for compute_90 as well
    [[ -f $file ]] || file=cuda/host/$source.cpp
    nvcc "${flags[@]}" -gencode "arch=compute_$target,code=sm_$target" -Xptxas=-warn-spills -c "$file" -o "$out/$source.o" &
    pids+=($!)
    [[ $source == check || $source == count ]] || objects+=("$out/$source.o")
  done
  for source in "${pids[@]}"; do wait "$source" || status=1; done
  ((status == 0)) || return 1
  for source in check count; do nvcc -arch="sm_$arch" "$out/$source.o" "${objects[@]}" -o "$out/gpu_$source" || return 1; done
  # Spills of kernels with an idea left out are no news.
  local serialised
  serialised=$(grep -cE 'C75[0-9]{2}' "$out/build.log")
  echo "sm_$arch, $serialised kernels whose wgmma ptxas serialised" >&3
}

check_stages() {
  local data failed=0
  "$out/gpu_check" >"$1" || failed=1
  for data in sim/data/*/; do
    "$out/gpu_check" --q "$data/q.npy" --k "$data/k.npy" --v "$data/v.npy" >>"$1" || failed=1
  done
  echo "$(grep -c PASS "$1") passed, $(grep -c FAIL "$1") failed, $(grep -c REFUSED "$1") refused by name" >&3
  return "$failed"
}

repeat() {
  grep -q PASS "$out/check.txt" || { echo "nothing was checked before" >&3; return 1; }
  check_stages "$out/check-again.txt" 3>/dev/null || true
  cmp "$out/check.txt" "$out/check-again.txt" || { echo "figures differ from run to run" >&3; return 1; }
  echo "every figure the same" >&3
}

sanitizer() {
  command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is missing" >&3; return 77; }
  local tool stage dim causal clean=0 runs=0 dirty=()
  for tool in memcheck racecheck synccheck initcheck; do
    for stage in naive fused tiled online-kv online-q registers tensor-core hopper; do
      for dim in 64 128; do
        for causal in "" --causal; do
          echo "== $tool $stage d = $dim $causal"
          runs=$((runs + 1))
          # shellcheck disable=SC2086
          if timeout 120 compute-sanitizer --tool "$tool" --error-exitcode 9 "$out/gpu_count" "$stage" --heads 2 --seq 200 \
            --dim "$dim" $causal --no-fill; then
            clean=$((clean + 1))
          else
            dirty+=("$tool:$stage:$dim$causal")
          fi
        done
      done
    done
  done
  echo "$clean of $runs runs clean ${dirty[*]}" >&3
  ((clean == runs))
}

counters() {
  command -v ncu >/dev/null || { echo "ncu is missing" >&3; return 77; }
  local folder=$out/measured metrics known=() metric
  mkdir -p "$folder"
  cat >"$folder/card.json" <<JSON
{"name": "$(nvidia-smi --id=0 --query-gpu=name --format=csv,noheader)", "compute_capability": "${arch:0:1}.${arch:1}",
 "driver": "$(nvidia-smi --id=0 --query-gpu=driver_version --format=csv,noheader)",
 "toolkit": "$(nvcc --version | sed -n 's/.*release [0-9.]*, V//p')",
 "profiler": "$(ncu --version | sed -n 's/^Version //p')", "date": "$(date -u +%F)"}
JSON
  mapfile -t metrics < <("$out/gpu_count" --metrics)
  ncu --query-metrics >"$out/known-metrics.txt" 2>&1
  for metric in "${metrics[@]}"; do
    if [[ $metric == launch__* ]] || grep -qw "${metric%%.*}" "$out/known-metrics.txt"; then known+=("$metric"); fi
  done
  ((${#known[@]} >= 20)) || known=("${metrics[@]}")
  ncu --csv --log-file "$folder/counters.csv" --cache-control all --clock-control none --print-units base \
    --metrics "$(IFS=,; echo "${known[*]}")" \
    "$out/gpu_count" registers tensor-core --launches "$folder/launches.csv" || {
    grep -q ERR_NVGPUCTRPERM "$folder/counters.csv" && echo "this user may not read the counters: run as root" >&3
    return 1
  }
  echo "$(($(wc -l <"$folder/launches.csv") - 1)) launches, ${#known[@]} of ${#metrics[@]} counters known here" >&3
}

bench() {
  local flashlab=build/release/bin/flashlab
  [[ -x $flashlab ]] || { echo "no build of ./flashlab here: build it for the figures" >&3; return 77; }
  "$flashlab" bench hopper tensor-core --dtype bf16,fp16 --seq 512,1K,4K,16K --runs 20 --seconds 1 --out "$out/bench.json" || return 1
  echo "$out/bench.json; to read it: flashlab bench --from $out/bench.json --brief" >&3
}

for name in "${wanted[@]}"; do
  case $name in
    build) step build build || { cat "$out/build.log" >&2; exit 3; } ;;
    check) step check check_stages "$out/check.txt" ;;
    *) step "$name" "$name" ;;
  esac
done

failed=0
printf '\n%-10s %8s  %s\n' step seconds result
for i in "${!steps[@]}"; do
  printf '%-10s %8s  %s\n' "${steps[i]}" "${seconds[i]}" "${results[i]}"
  [[ ${results[i]} == FAILED* ]] && failed=1
done
exit "$failed"
