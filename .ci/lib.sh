# Shared by the scripts of .ci: source it, do not run it. It moves to the root
# of the repository, makes $work, a folder that lives as long as the script,
# and ends at exit what `start` started, by its process id.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
work=$(mktemp -d)
started=()

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# need PROGRAM...: stop, naming all that are missing.
need() {
	local program missing=()
	for program in "$@"; do
		command -v "$program" >/dev/null || missing+=("$program")
	done
	[ ${#missing[@]} -eq 0 ] || die "not installed: ${missing[*]} (CONTRIBUTING.md says where each comes from)"
}

# start LOG COMMAND...: run in the background, output to LOG, id in $pid.
start() {
	local log=$1
	shift
	"$@" </dev/null >"$log" 2>&1 &
	pid=$!
	started+=("$pid")
}

running() { kill -0 "$1" 2>/dev/null; }

# await SECONDS PID COMMAND...: until COMMAND succeeds. It fails when PID ends
# first or the time is over.
await() {
	local deadline=$((SECONDS + $1)) peer=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		running "$peer" || return 1
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.2
	done
}

# stop PID: ask it to end, insist after five seconds.
stop() {
	local deadline=$((SECONDS + 5))
	kill "$1" 2>/dev/null || return 0
	while running "$1" && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done
	kill -KILL "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

leave() {
	local status=$? peer
	for peer in ${started[@]+"${started[@]}"}; do stop "$peer"; done
	rm -rf "$work"
	exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
