#!/usr/bin/env bash
# Makes the fixtures that come from a whole Sigstore: keyless signatures, and
# logged ones by keys. Needs what remake.sh needs, and the services of one private
# instance on loopback, which its trusted root vouches for:
#
#   NATIVE, PLAIN           registries, as in remake.sh
#   FULCIO REKOR1 REKOR2 TSA  addresses: certificate authority, log of version 1
#                           and of version 2, timestamp authority (with its path)
#   ISSUER                  the OpenID issuer; TOKEN is a command that prints an ID token
#   TRUSTED_ROOT            trusted_root.json of the instance
#   FULCIO_ROOT CT_KEY REKOR1_KEY   the same in pieces, as PEM, for cosign 2
#
# Certificates live for ten minutes and are good for as long as the log or the
# timestamp authority says that they were used in that time.
set -euo pipefail
cd "$(dirname "$0")"
: "${NATIVE:?}" "${PLAIN:?}" "${FULCIO:?}" "${REKOR1:?}" "${REKOR2:?}" "${TSA:?}" "${ISSUER:?}" "${TOKEN:?}" "${TRUSTED_ROOT:?}"
export SIGSTORE_ROOT_FILE=${FULCIO_ROOT:?} SIGSTORE_CT_LOG_PUBLIC_KEY_FILE=${CT_KEY:?} SIGSTORE_REKOR_PUBLIC_KEY=${REKOR1_KEY:?}
export COSIGN_PASSWORD=fixture DOCKER_CONFIG TUF_ROOT
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
DOCKER_CONFIG=$WORK/docker TUF_ROOT=$WORK/tuf
mkdir -p keys domains "$DOCKER_CONFIG"
. ./verbs.sh
R=fixture/$$
cp "$TRUSTED_ROOT" domains/private.json

# --- keys: their signatures are logged ------------------------------------------
openssl ecparam -name prime256v1 -genkey -noout -out "$WORK/p256.pem"
openssl ecparam -name secp384r1 -genkey -noout -out "$WORK/p384.pem"
openssl genrsa -out "$WORK/rsa.pem" 2048 2>/dev/null
for k in p256 p384 rsa; do
  openssl pkey -in "$WORK/$k.pem" -pubout -out "keys/logged-$k.pub" 2>/dev/null
  for c in cosign2 cosign3; do
    if ! $c import-key-pair -y -k "$WORK/$k.pem" -o "$WORK/$c-$k" >/dev/null 2>&1; then echo "$c can't import $k"; fi
  done
done

# --- signing configurations for cosign 3 ----------------------------------------
since='"validFor":{"start":"2020-01-01T00:00:00Z"},"operator":"fixture"'
config() { # NAME LOGS-JSON LOG-SELECTOR TSA?
  local tsa='"tsaConfig":{}'
  if [[ -n $4 ]]; then tsa="\"tsaUrls\":[{\"url\":\"$TSA\",\"majorApiVersion\":1,$since}],\"tsaConfig\":{\"selector\":\"EXACT\",\"count\":1}"; fi
  printf '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","caUrls":[{"url":"%s","majorApiVersion":1,%s}],"oidcUrls":[{"url":"%s","majorApiVersion":1,%s}],%s"rekorTlogConfig":%s,%s}' \
    "$FULCIO" "$since" "$ISSUER" "$since" "$2" "$3" "$tsa" >"$WORK/$1.json"
}
any='{"selector":"ANY"}'
config rekor1 "\"rekorTlogUrls\":[{\"url\":\"$REKOR1\",\"majorApiVersion\":1,$since}]," "$any" ''
config rekor2 "\"rekorTlogUrls\":[{\"url\":\"$REKOR2\",\"majorApiVersion\":2,$since}]," "$any" tsa
config tsa '' '{}' tsa

# --- verbs ----------------------------------------------------------------------
run() { timeout 120 "$@" >"$WORK/log" 2>&1 || { echo "failed: $*" | cut -c1-200; tail -3 "$WORK/log"; return 1; }; }
new2() { run cosign2 "$1" -y --fulcio-url "$FULCIO" --rekor-url "$REKOR1" --allow-http-registry "${@:3}" "$(at "$2")"; }
new3() { run cosign3 "$1" -y --trusted-root "$TRUSTED_ROOT" --allow-http-registry --signing-config "$WORK/$3.json" "${@:4}" "$(at "$2")"; }
keyless2() { new2 "$1" "$2" --identity-token "$($TOKEN)" "${@:3}"; }
keyless3() { new3 "$1" "$2" "$3" --identity-token "$($TOKEN)" "${@:4}"; }
key2() { new2 "$1" "$2" --key "$WORK/cosign2-$3.key" "${@:4}"; }
key3() { new3 "$1" "$2" "$3" --key "$WORK/cosign3-$4.key" "${@:5}"; }

# made NAME COMMAND...: one fixture, with IMG for the image in its registry.
made() { local n=$1; IMG=$NATIVE/$R/$n:v1; image "$IMG"; if "${@:2}"; then keep "$n" "$NATIVE/$R/$n"; fi; }
plain() { local n=$1; IMG=$PLAIN/$R/$n:v1; image "$IMG"; if "${@:2}"; then keep "$n" "$PLAIN/$R/$n"; fi; }

# --- keyless --------------------------------------------------------------------
f() { keyless2 sign "$IMG"; }; made keyless-legacy f
f() { keyless2 sign "$IMG" --timestamp-server-url "$TSA"; }; made keyless-legacy-timestamp f
f() { keyless2 sign "$IMG" --timestamp-server-url "$TSA" --tlog-upload=false; }; made keyless-legacy-timestamp-only f
f() { keyless2 sign "$IMG" --tlog-upload=false; }; made keyless-legacy-nothing f
f() { COSIGN_EXPERIMENTAL=1 keyless2 sign "$IMG" --registry-referrers-mode oci-1-1; }; made keyless-legacy-oci11 f
f() { keyless2 sign "$IMG" && keyless2 sign "$IMG" -a run=2 && key2 sign "$IMG" p256; }; made keyless-legacy-three f
f() { keyless3 sign "$IMG" rekor1; }; made keyless-bundle-rekor1 f; plain keyless-bundle-fallback f
f() { keyless3 sign "$IMG" rekor2; }; made keyless-bundle-rekor2 f
f() { keyless3 sign "$IMG" tsa; }; made keyless-bundle-timestamp-only f
f() { keyless2 sign "$IMG" && keyless3 sign "$IMG" rekor1 && keyless3 sign "$IMG" rekor2; }; made keyless-both f

# --- keys with log entries --------------------------------------------------------
# The logs refuse what cosign makes with the other keys: SHA-256 with P-384 in
# version 1, and plain Ed25519 in either.
for k in p256 rsa; do
  f() { key2 sign "$IMG" $k; }; made logged-legacy-$k f
  f() { key3 sign "$IMG" rekor1 $k; }; made logged-bundle-rekor1-$k f
done
for k in p256 p384 rsa; do
  f() { key3 sign "$IMG" rekor2 $k; }; made logged-bundle-rekor2-$k f
done

# --- attestations -----------------------------------------------------------------
slsa02='{"builder":{"id":"https://builder.example/v1"},"buildType":"https://build.example/container@v1","invocation":{"configSource":{"uri":"git+https://git.example/team/app@refs/heads/main","digest":{"sha1":"3f0c2a7e6b1d4c5f8a9b0c1d2e3f4a5b6c7d8e9f"},"entryPoint":"release.yml"}},"metadata":{"buildInvocationId":"run/17"},"materials":[{"uri":"git+https://git.example/team/app@refs/heads/main","digest":{"sha1":"3f0c2a7e6b1d4c5f8a9b0c1d2e3f4a5b6c7d8e9f"}}]}'
slsa1='{"buildDefinition":{"buildType":"https://build.example/container@v1","externalParameters":{"workflow":{"ref":"refs/heads/main","repository":"https://git.example/team/app","path":".workflows/release.yml"}},"resolvedDependencies":[{"uri":"git+https://git.example/team/app@refs/heads/main","digest":{"gitCommit":"3f0c2a7e6b1d4c5f8a9b0c1d2e3f4a5b6c7d8e9f"}}]},"runDetails":{"builder":{"id":"https://builder.example/v1"},"metadata":{"invocationId":"https://builder.example/run/17"}}}'
vex='{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://vex.example/1","author":"team","timestamp":"2026-01-01T00:00:00Z","version":1,"statements":[{"vulnerability":{"name":"CVE-2026-1"},"products":[{"@id":"pkg:oci/app"}],"status":"not_affected","justification":"component_not_present"},{"vulnerability":{"name":"CVE-2026-2"},"products":[{"@id":"pkg:oci/app"}],"status":"fixed"},{"vulnerability":{"name":"CVE-2026-3"},"products":[{"@id":"pkg:oci/app"}],"status":"affected","action_statement":"Update."}]}'
vsa='{"verifier":{"id":"https://verifier.example"},"timeVerified":"2026-01-01T00:00:00Z","resourceUri":"oci://registry.example/team/app","policy":{"uri":"https://policy.example/1"},"verificationResult":"PASSED","verifiedLevels":["SLSA_BUILD_LEVEL_3"]}'
vuln='{"invocation":{"parameters":[],"uri":"","event_id":"","builder.id":""},"scanner":{"uri":"pkg:github/scanner/scanner@1","version":"0.50.0","db":{"uri":"","version":""},"result":{"findings":[]}},"metadata":{"scanStartedOn":"2026-01-01T00:00:00Z","scanFinishedOn":"2026-01-01T00:00:01Z"}}'
spdx='{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"app","documentNamespace":"https://sbom.example/app","creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: fixture"]},"packages":[],"relationships":[]}'
cdx='{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{"type":"library","name":"left"},{"type":"library","name":"right"}]}'
for p in slsa02 slsa1 vex vsa vuln spdx cdx; do printf '%s' "${!p}" >"$WORK/$p"; done

f() { keyless2 attest "$IMG" --type slsaprovenance02 --predicate "$WORK/slsa02"; }; made keyless-att-dsse f
f() { keyless2 attest "$IMG" --type slsaprovenance1 --predicate "$WORK/slsa1" --rekor-entry-type intoto; }; made keyless-att-intoto f
f() { keyless2 attest "$IMG" --type slsaprovenance1 --predicate "$WORK/slsa1" --timestamp-server-url "$TSA" --tlog-upload=false; }; made keyless-att-timestamp-only f
f() { keyless3 attest "$IMG" rekor1 --type slsaprovenance1 --predicate "$WORK/slsa1"; }; made keyless-attest-rekor1 f
f() {
  keyless3 attest "$IMG" rekor2 --type slsaprovenance1 --predicate "$WORK/slsa1" && keyless3 attest "$IMG" rekor2 --type openvex --predicate "$WORK/vex" &&
    keyless3 attest "$IMG" rekor2 --type https://slsa.dev/verification_summary/v1 --predicate "$WORK/vsa" && keyless3 attest "$IMG" rekor2 --type vuln --predicate "$WORK/vuln" &&
    keyless3 attest "$IMG" rekor2 --type spdxjson --predicate "$WORK/spdx" && keyless3 attest "$IMG" rekor2 --type cyclonedx --predicate "$WORK/cdx"
}
made keyless-attest-many f
f() { key2 attest "$IMG" p256 --type slsaprovenance02 --predicate "$WORK/slsa02"; }; made logged-att f
f() { key3 attest "$IMG" rekor2 p256 --type slsaprovenance1 --predicate "$WORK/slsa1"; }; made logged-attest f
