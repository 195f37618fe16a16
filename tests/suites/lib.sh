# Shared by the suites. Results go to descriptor 4, one line each.
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top" && mkdir -p build || exit 1
{ true >&4; } 2>/dev/null || exec 4>/dev/null
ok() { echo "ok $1" >&4; }
not_ok() { echo "not ok $1" >&4; echo "FAILED: $1"; }
# run NAME COMMAND...: one test; its output is shown when it fails.
run() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name"; tail -n 60 <<<"$out"; fi
}
# configure DIR OPTIONS...: a meson build directory, made once.
configure() {
    mkdir -p build
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@" >"$dir.log" 2>&1 || { cat "$dir.log"; return 1; }
}
# meson_results DIR SUITE: runs that suite's tests of a build directory, a result line for each.
meson_results() {
    local dir=$1 suite=$2 log="$1/meson-logs/testlog.json"
    rm -f "$log"
    # The long form has more seeds, and its limits more time.
    meson test -C "$dir" --suite "$suite" --num-processes 2 --timeout-multiplier "$([ -n "${DARASA_TEST_FULL:-}" ] && echo 5 || echo 1)" --print-errorlogs >"$dir/test-$suite.log" 2>&1 ||
        sed -n '/^=* .*\/\|stderr\|stdout/,$p' "$dir/test-$suite.log" | tail -n 150
    [ -s "$log" ] || return 1
    python3 - "$log" <<'P' >&4
import json, sys
for line in open(sys.argv[1]):
    t = json.loads(line)
    print("ok" if t["result"] == "OK" else "not ok", t["name"])
P
}
