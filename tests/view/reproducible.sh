#!/usr/bin/env bash
# reproducible.sh PAGE [BUILT]: the page's parts, built twice from clean folders by the lock file of PAGE, are equal byte for
# byte, and equal to those in BUILT. Prints their hashes.
set -euo pipefail
page=$1 built=${2:-}
desk=$(mktemp -d)
trap 'rm -rf "$desk"' EXIT

for name in first elsewhere/second; do # in folders of different depth: no path may end in the parts
  mkdir -p "$desk/$name"
  cp -r "$page/package.json" "$page/package-lock.json" "$page/build.mjs" "$page/src" "$desk/$name"
  (cd "$desk/$name" && npm ci --no-audit --no-fund --loglevel=error >"$desk/npm" 2>&1 && node build.mjs "$desk/$name/parts") ||
    { cat "$desk/npm" && exit 1; }
done
diff -rq "$desk/first/parts" "$desk/elsewhere/second/parts"
if [[ -n $built ]]; then diff -rq "$desk/first/parts" "$built"; fi
cd "$desk/first/parts" && sha256sum ./*
