#!/usr/bin/env bash
# Makes the recordings beside it anew, with the notary client against a notary
# server. What that holds under the names below is deleted. Needs notary, openssl and curl on
# PATH and the environment variables
#   NOTARY_SERVER  the server's address, http://… or https://…
#   NOTARY_CA      a PEM file with the certificate of an https server's authority
# Names and digests are made up: the client signs what it is told, and no image
# is looked at. Each folder is what the server held at one moment, file by file.
set -euo pipefail
cd "$(dirname "$0")"
: "${NOTARY_SERVER:?}"
trust=$(mktemp -d)
trap 'rm -rf "$trust"' EXIT
export NOTARY_ROOT_PASSPHRASE=recording NOTARY_TARGETS_PASSPHRASE=recording \
  NOTARY_SNAPSHOT_PASSPHRASE=recording NOTARY_DELEGATION_PASSPHRASE=recording
ca=()
[[ -z ${NOTARY_CA:-} ]] || ca=(--tlscacert "$NOTARY_CA")
host=registry.example.com

notary_() { notary -s "$NOTARY_SERVER" "${ca[@]}" -d "$trust" "$@" >"$trust/log" 2>&1 || { cat "$trust/log" >&2; return 1; }; }
digest() { printf %s "$1" | openssl dgst -sha256 -r | cut -d' ' -f1; }
sign() { # GUN TAG CONTENT [ROLE]: an image whose manifest is the bytes CONTENT
  notary_ addhash "$1" "$2" ${#3} --sha256 "$(digest "$3")" ${4:+--roles "$4"} --publish
}
fetch() { curl -fsS ${NOTARY_CA:+--cacert "$NOTARY_CA"} "$NOTARY_SERVER/v2/$1/_trust/tuf/$2" -o "$3" 2>/dev/null; }
record() { # FOLDER GUN: everything the server would tell a reader now
  local dir=$1 gun=$2 n role
  rm -rf "$dir"
  mkdir -p "$dir"
  for role in root timestamp snapshot targets; do fetch "$gun" $role.json "$dir/$role.json"; done
  for ((n = 1; n < 10; n++)); do fetch "$gun" "$n.root.json" "$dir/$n.root.json" || break; done
  for role in $(grep -o '"targets/[^"]*"' "$dir/snapshot.json" | tr -d '"' | sort -u); do
    mkdir -p "$dir/${role%/*}"
    fetch "$gun" "$role.json" "$dir/$role.json"
  done
  printf '{"gun":"%s","at":"%s"}\n' "$gun" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$dir/about.json"
}
person() { # NAME [rsa]: a key and a certificate of its own, as a delegate has them
  local kind=(ec -pkeyopt ec_paramgen_curve:P-256)
  [[ ${2:-} != rsa ]] || kind=(rsa:2048)
  openssl req -x509 -newkey "${kind[@]}" -nodes -days 3650 -subj "/CN=$1" \
    -keyout "$trust/$1.key" -out "$trust/$1.crt" 2>/dev/null
  # The client reads a key in the form of its curve.
  [[ ${2:-} == rsa ]] || openssl ec -in "$trust/$1.key" -out "$trust/$1.key" 2>/dev/null
}
hold() { notary_ key import "$trust/$1.key" --role "$2"; } # the person's own machine

for name in plain delegated rotated; do
  curl -fsS -X DELETE ${NOTARY_CA:+--cacert "$NOTARY_CA"} "$NOTARY_SERVER/v2/$host/dct/$name/_trust/tuf/" -o "$trust/log" || true
done

# One repository, signed by its own targets key: two tags on one image.
gun=$host/dct/plain
notary_ init "$gun" --publish
record empty "$gun"
sign "$gun" v1 "plain image one"
record plain-1 "$gun"
sign "$gun" latest "plain image one"
sign "$gun" v2 "plain image two"
record plain-2 "$gun"

# Delegates: a team's role with a certificate each of ECDSA and RSA, a person's
# with its own paths, and one of a delegate's own.
gun=$host/dct/delegated
notary_ init "$gun" --publish
notary_ key rotate "$gun" snapshot --server-managed
person alice
person bob rsa
notary_ delegation add "$gun" targets/releases "$trust/alice.crt" --all-paths --publish
notary_ delegation add "$gun" targets/bob "$trust/bob.crt" --paths nightly- --publish
hold alice targets/releases
hold bob targets/bob
sign "$gun" v1 "delegated image one" targets/releases
sign "$gun" nightly-1 "delegated image two" targets/bob
sign "$gun" v3 "delegated image three" targets
sign "$gun" v3 "delegated image three" targets/releases
record delegated-1 "$gun"
# Alice leaves: her key goes, what she signed stays. The client tells a key by
# the id of what is in its certificate.
alice=$(notary -s "$NOTARY_SERVER" "${ca[@]}" -d "$trust" delegation list "$gun" | grep '^targets/releases ' | grep -oE '[0-9a-f]{64}')
person carol
notary_ delegation add "$gun" targets/releases "$trust/carol.crt" --all-paths --publish
notary_ delegation remove "$gun" targets/releases "$alice" --yes --publish
record delegated-2 "$gun"

# Every key is replaced, the root's twice.
gun=$host/dct/rotated
notary_ init "$gun" --publish
sign "$gun" v1 "rotated image one"
record rotated-1 "$gun"
notary_ key rotate "$gun" root
notary_ key rotate "$gun" targets
notary_ key rotate "$gun" snapshot --server-managed
notary_ key rotate "$gun" timestamp --server-managed
notary_ key rotate "$gun" root
sign "$gun" v2 "rotated image two"
record rotated-2 "$gun"
