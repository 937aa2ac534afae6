# shellcheck shell=bash
# What both scripts that make fixtures do: put an image into a registry, and keep
# a repository as an OCI image layout. Needs WORK, a folder for scratch files.

image() { # REGISTRY/REPO:TAG [PLATFORM]
  printf '%s' "$1" | sed 's/^[^/]*//' >"$WORK/content"
  tar -C "$WORK" --owner=0 --group=0 --mtime=@0 -cf "$WORK/layer.tar" content
  crane append --insecure --oci-empty-base -f "$WORK/layer.tar" -t "$1" >/dev/null 2>&1
  crane mutate --insecure --set-platform "${2:-linux/amd64}" "$1" -t "$1" >/dev/null 2>&1
}
at() { echo "${1%:*}@$(crane digest --insecure "$1")"; }
# keep NAME REGISTRY/REPO: writes the repository as an OCI image layout.
ACCEPT='Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json'
keep() {
  local name=$1 host=${2%%/*} repo=${2#*/} tag d
  rm -rf "$name"
  mkdir -p "$name/blobs/sha256"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$name/oci-layout"
  : >"$WORK/index"
  for tag in $(crane ls --insecure "$2" | sort); do
    d=$(crane digest --insecure "$2:$tag")
    fetch "$name" "$host" "$repo" "$d" "$tag"
  done
  jq -s '{schemaVersion:2,mediaType:"application/vnd.oci.image.index.v1+json",manifests:.}' <"$WORK/index" >"$name/index.json"
}
fetch() { # NAME HOST REPO DIGEST [TAG]: a manifest, all that it names, all that refers to it
  local name=$1 host=$2 repo=$3 d=$4 tag=${5:-} f b r
  f=$name/blobs/sha256/${d#sha256:}
  local seen=
  [[ -f $f ]] && seen=1
  curl -fsS -m 20 -H "$ACCEPT" "http://$host/v2/$repo/manifests/$d" >"$f"
  jq -c --arg d "$d" --arg t "$tag" --argjson s "$(wc -c <"$f")" \
    '{mediaType:(.mediaType // "application/vnd.oci.image.manifest.v1+json"),digest:$d,size:$s} + (if $t=="" then {} else {annotations:{"org.opencontainers.image.ref.name":$t}} end)' "$f" >"$WORK/line"
  if [[ -n $tag ]] || ! grep -q "$d" "$WORK/index"; then cat "$WORK/line" >>"$WORK/index"; fi
  [[ -n $seen ]] && return
  for b in $(jq -r '(.config // empty),(.layers // [])[] | .digest' "$f"); do
    [[ -f $name/blobs/sha256/${b#sha256:} ]] || curl -fsSL -m 20 "http://$host/v2/$repo/blobs/$b" >"$name/blobs/sha256/${b#sha256:}"
  done
  for b in $(jq -r '(.manifests // [])[].digest' "$f"); do fetch "$name" "$host" "$repo" "$b"; done
  for r in $(curl -sS -m 20 "http://$host/v2/$repo/referrers/$d" | jq -r '(.manifests // [])[].digest' 2>/dev/null || true); do fetch "$name" "$host" "$repo" "$r"; done
}
