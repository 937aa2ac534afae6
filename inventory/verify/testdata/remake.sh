#!/usr/bin/env bash
# Makes the fixtures again, with the real tools: cosign2, cosign3, crane, curl, jq
# and openssl on PATH, and two empty registries on loopback:
#
#   NATIVE=host:port   one that has the OCI 1.1 referrers API   (olareg was used)
#   PLAIN=host:port    one that has not                         (distribution 3 was used)
#
# Every fixture is one repository, written as an OCI image layout into a folder
# of its name; the keys go to keys/. Private keys are made anew and thrown away.
set -euo pipefail
cd "$(dirname "$0")"
: "${NATIVE:?host:port of a registry with the referrers API}" "${PLAIN:?host:port of a registry without it}"
export COSIGN_PASSWORD=fixture DOCKER_CONFIG TUF_ROOT
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
DOCKER_CONFIG=$WORK/docker TUF_ROOT=$WORK/tuf
mkdir -p keys "$DOCKER_CONFIG"

# --- keys ---------------------------------------------------------------------
openssl ecparam -name prime256v1 -genkey -noout -out "$WORK/p256.pem"
openssl ecparam -name secp384r1 -genkey -noout -out "$WORK/p384.pem"
openssl ecparam -name secp521r1 -genkey -noout -out "$WORK/p521.pem"
openssl genrsa -out "$WORK/rsa.pem" 2048 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$WORK/ed25519.pem"
openssl ecparam -name prime256v1 -genkey -noout -out "$WORK/other.pem"
for k in p256 p384 p521 rsa ed25519 other; do
  openssl pkey -in "$WORK/$k.pem" -pubout -out "keys/$k.pub" 2>/dev/null
  for c in cosign2 cosign3; do
    if ! $c import-key-pair -y -k "$WORK/$k.pem" -o "$WORK/$c-$k" >/dev/null 2>&1; then echo "$c can't import $k"; fi
  done
done
# A certificate as a keyless signer would have one, made by nobody known.
openssl req -new -x509 -key "$WORK/other.pem" -days 36500 -subj / -out "$WORK/cert.pem" \
  -config <(printf '[req]\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n[v3]\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\nsubjectAltName=critical,email:dev@example.com\n1.3.6.1.4.1.57264.1.1=ASN1:UTF8String:https://issuer.example\n1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:https://issuer.example\n')
cp "$WORK/cert.pem" keys/keyless-cert.pem

# With these two empty files cosign 3 talks to the registry alone.
echo '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}' >"$WORK/sc.json"
echo '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[],"certificateAuthorities":[],"ctlogs":[],"timestampAuthorities":[]}' >"$WORK/tr.json"

# --- verbs --------------------------------------------------------------------
. ./verbs.sh
R=fixture/$$ # both registries keep what they get: a fresh name each time
sign2() { local ref key=$2; ref=$(at "$1"); shift 2; cosign2 sign -y --key "$WORK/cosign2-$key.key" --tlog-upload=false --allow-http-registry "$@" "$ref" >"$WORK/log" 2>&1 || { cat "$WORK/log"; return 1; }; }
sign3() { local ref key=$2; ref=$(at "$1"); shift 2; cosign3 sign -y --key "$WORK/cosign3-$key.key" --signing-config "$WORK/sc.json" --trusted-root "$WORK/tr.json" --allow-http-registry "$@" "$ref" >"$WORK/log" 2>&1 || { cat "$WORK/log"; return 1; }; }
attest2() { local ref; ref=$(at "$1"); cosign2 attest -y --key "$WORK/cosign2-$2.key" --tlog-upload=false --allow-http-registry --type "$3" --predicate "$4" "$ref" >"$WORK/log" 2>&1 || { cat "$WORK/log"; return 1; }; }
attest3() { local ref; ref=$(at "$1"); cosign3 attest -y --key "$WORK/cosign3-$2.key" --signing-config "$WORK/sc.json" --trusted-root "$WORK/tr.json" --allow-http-registry --type "$3" --predicate "$4" "$ref" >"$WORK/log" 2>&1 || { cat "$WORK/log"; return 1; }; }

# --- fixtures -----------------------------------------------------------------
for k in p256 p384 p521 rsa ed25519 other; do
  n=legacy-$k; image "$NATIVE/$R/$n:v1"
  if sign2 "$NATIVE/$R/$n:v1" $k; then keep $n "$NATIVE/$R/$n"; fi
  n=bundle-$k; image "$NATIVE/$R/$n:v1"
  if sign3 "$NATIVE/$R/$n:v1" $k; then keep $n "$NATIVE/$R/$n"; fi
done

n=unsigned; image "$NATIVE/$R/$n:v1"; keep $n "$NATIVE/$R/$n"

n=legacy-three; image "$NATIVE/$R/$n:v1" # one signer twice, another once
sign2 "$NATIVE/$R/$n:v1" p256; sign2 "$NATIVE/$R/$n:v1" p256 -a run=2; sign2 "$NATIVE/$R/$n:v1" rsa; keep $n "$NATIVE/$R/$n"

n=bundle-three; image "$NATIVE/$R/$n:v1"
sign3 "$NATIVE/$R/$n:v1" p256; sign3 "$NATIVE/$R/$n:v1" p256 -a run=2; sign3 "$NATIVE/$R/$n:v1" rsa; keep $n "$NATIVE/$R/$n"

n=legacy-and-bundle; image "$NATIVE/$R/$n:v1"
sign2 "$NATIVE/$R/$n:v1" p256; sign3 "$NATIVE/$R/$n:v1" p256; keep $n "$NATIVE/$R/$n"

n=legacy-oci11; image "$NATIVE/$R/$n:v1"
COSIGN_EXPERIMENTAL=1 sign2 "$NATIVE/$R/$n:v1" p256 --registry-referrers-mode oci-1-1; keep $n "$NATIVE/$R/$n"

n=bundle-fallback; image "$PLAIN/$R/$n:v1"; sign3 "$PLAIN/$R/$n:v1" p256; keep $n "$PLAIN/$R/$n"
n=legacy-oci11-fallback; image "$PLAIN/$R/$n:v1"
COSIGN_EXPERIMENTAL=1 sign2 "$PLAIN/$R/$n:v1" p256 --registry-referrers-mode oci-1-1; keep $n "$PLAIN/$R/$n"

n=index; image "$NATIVE/$R/$n:amd64"; image "$NATIVE/$R/$n:arm64" linux/arm64
crane index append --insecure -m "$NATIVE/$R/$n:amd64" -m "$NATIVE/$R/$n:arm64" -t "$NATIVE/$R/$n:v1" >/dev/null 2>&1
sign2 "$NATIVE/$R/$n:v1" p256; sign3 "$NATIVE/$R/$n:v1" p256; keep $n "$NATIVE/$R/$n"

echo '{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}' >"$WORK/sbom.json"
n=bundle-sbom-only; image "$NATIVE/$R/$n:v1"; attest3 "$NATIVE/$R/$n:v1" p256 cyclonedx "$WORK/sbom.json"; keep $n "$NATIVE/$R/$n"
n=legacy-att-only; image "$NATIVE/$R/$n:v1"; attest2 "$NATIVE/$R/$n:v1" p256 cyclonedx "$WORK/sbom.json"; keep $n "$NATIVE/$R/$n"
n=legacy-sbom-tag; image "$NATIVE/$R/$n:v1"
cosign2 attach sbom --allow-http-registry --sbom "$WORK/sbom.json" "$(at "$NATIVE/$R/$n:v1")" >/dev/null 2>&1; keep $n "$NATIVE/$R/$n"

n=legacy-certificate; image "$NATIVE/$R/$n:v1" # as a keyless signature looks, its certificate made by nobody
sign2 "$NATIVE/$R/$n:v1" other --certificate "$WORK/cert.pem"; keep $n "$NATIVE/$R/$n"
n=bundle-certificate; image "$NATIVE/$R/$n:v1"
if sign3 "$NATIVE/$R/$n:v1" other --certificate "$WORK/cert.pem"; then keep $n "$NATIVE/$R/$n"; fi
