#!/usr/bin/env bash
# Build the image moderation-worker:TAG and say how large it is.
# With Docker where its engine answers; else with buildah, into .cache/containers and build/moderation-worker.oci.tar,
# which `docker load` and registries' tools take. Without BASE, buildah's base is Debian's own Python, made by mmdebstrap:
# no container registry is needed. Variables: TAG (default: latest), BASE (image to start from), ENGINE (docker or buildah),
# EXTRA (tracing: with OpenTelemetry).
set -euo pipefail
cd "$(dirname "$0")/../.."

TAG=${TAG:-latest}
SUITE=bookworm
PACKAGES=python3-minimal,python3-venv,ca-certificates,libstdc++6
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# How this machine reaches its package index goes in as secrets, where it has a pip that knows. Folders of wheels stay out:
# they are not inside.
{ python3 -m pip config list 2>/dev/null || true; } | awk -F= '
    { name = $1; sub(/^.*\./, "", name); sub(/^default-/, "", name); value = substr($0, length($1) + 2); gsub(/\047/, "", value) }
    name ~ /^(cert|index-url|extra-index-url|trusted-host|proxy|timeout|retries)$/ && !(name in found) { found[name] = value }
    END { print "[global]"; for (name in found) print name " = " found[name] }' >"$work/pip.conf"
secrets=(--secret "id=pip.conf,src=$work/pip.conf")
authorities=$(sed -n 's/^cert = //p' "$work/pip.conf")
if [ -n "$authorities" ]; then
    sed 's|^cert = .*|cert = /run/secrets/ca.pem|' "$work/pip.conf" >"$work/pip.inside" && mv "$work/pip.inside" "$work/pip.conf"
    secrets+=(--secret "id=ca.pem,src=$authorities")
fi

engine=${ENGINE:-$(docker info >/dev/null 2>&1 && echo docker || echo buildah)}
if [ "$engine" = docker ]; then
    DOCKER_BUILDKIT=1 docker build ${BASE:+--build-arg "BASE=$BASE"} ${EXTRA:+--build-arg "EXTRA=$EXTRA"} "${secrets[@]}" \
        --file deploy/image/Dockerfile --tag "moderation-worker:$TAG" .
    echo "moderation-worker:$TAG: $(docker image inspect --format '{{.Size}}' "moderation-worker:$TAG") bytes"
    exit
fi

command -v buildah >/dev/null || { echo "neither a Docker engine nor buildah: make ci-tools installs buildah" >&2; exit 1; }
mkdir -p .cache build
# Works as root inside a container too, where overlay mounts and namespaces may not be had.
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
buildah() { command buildah --root "$PWD/.cache/containers/root" --runroot "$PWD/.cache/containers/run" --storage-driver vfs "$@"; }

if [ -z "${BASE:-}" ]; then
    BASE=localhost/debian-python:$SUITE-$(cksum <<<"$PACKAGES" | cut -d' ' -f1)
    if ! buildah inspect --type image "$BASE" >/dev/null 2>&1; then
        mmdebstrap --quiet --variant=essential --include="$PACKAGES" \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
            --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' "$SUITE" "$work/base.tar"
        container=$(buildah from scratch)
        buildah add --quiet "$container" "$work/base.tar" / >/dev/null
        buildah commit --quiet --rm "$container" "$BASE" >/dev/null
    fi
fi
buildah bud --quiet --build-arg "BASE=$BASE" ${EXTRA:+--build-arg "EXTRA=$EXTRA"} "${secrets[@]}" --ignorefile deploy/image/Dockerfile.dockerignore \
    --file deploy/image/Dockerfile --tag "localhost/moderation-worker:$TAG" .
rm -f build/moderation-worker.oci.tar
buildah push --quiet "localhost/moderation-worker:$TAG" "oci-archive:build/moderation-worker.oci.tar:moderation-worker:$TAG"
buildah rmi --prune >/dev/null  # the image that had this tag before
unpacked=$(buildah inspect --type image --format '{{.FromImageID}}' "localhost/moderation-worker:$TAG")
echo "moderation-worker:$TAG: $(buildah images --format '{{.Size}}' "$unpacked") unpacked;" \
    "build/moderation-worker.oci.tar: $(stat --format %s build/moderation-worker.oci.tar) bytes"
