# What .ci/check and .ci/run share. They source it from the root of the repository.

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.9.0
vulndb=v0.0.0-20261105234957-e22db6528018 # of golang.org/x/vulndb, for .ci/run: one commit gives one result on every day
cyclonedx=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
apidiff=golang.org/x/exp/cmd/apidiff@v0.0.0-20261113113407-e3970619a1a4
tools=${STSCHAIN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/stschain-tools}/bin
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

export GOFLAGS=${GOFLAGS:+$GOFLAGS }-buildvcs=false
export AWS_EC2_METADATA_DISABLED=true
unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
unset STSCHAIN_MINIO STSCHAIN_VERSITYGW STSCHAIN_DEX STSCHAIN_MOTO STSCHAIN_AWSCLI STSCHAIN_BOTO3 STSCHAIN_NODE

# How the program is built for users: small, since it is copied into images. "The program is small" in docs/design.md has the figures.
small_build=(-trimpath -tags=nethttpomithttp2 -gcflags=all=-l "-ldflags=-s -funcalign=16")
small=8000000 # bytes

step() { printf '\n== %s (%ds)\n' "$*" "$SECONDS"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# modules lists the folders that have a go.mod, the root first. The one below .ci/ only builds a tool.
modules() { git ls-files --cached --others --exclude-standard 'go.mod' '*/go.mod' | grep -v '^\.ci/' | xargs -n1 dirname | sort; }

# released lists the modules that users get: the root module, the adapters, and the verifier of assertions.
released() { modules | grep -vE '^(bench|e2e)(/|$)'; }

# network FILE: a command failed because the module proxy cannot be reached, as its output in FILE shows.
network() { grep -qE 'dial (tcp|udp)|no such host|connection (refused|reset)|i/o timeout|TLS handshake|unexpected EOF|: 50[234] |disabled by GOPROXY=off' "$1"; }

# install BINARY MODULE@VERSION installs a tool where the machine keeps it between runs.
install() {
  local binary=$1 source=$2 stamp
  stamp="$tools/$binary.version"
  [ -x "$tools/$binary" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$source" ] && return
  mkdir -p "$tools"
  (cd "$work" && GOBIN=$tools GOFLAGS= go install "$source") || return
  echo "$source" > "$stamp"
}
