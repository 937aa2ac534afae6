#!/usr/bin/env bash
# Makes the fixtures again with the real signer: notation, crane, oras, curl and
# openssl on PATH, and two services on loopback:
#
#   REGISTRY=host:port   a registry with the OCI 1.1 referrers API
#   TSA=url              an RFC 3161 timestamp authority that answers
#                        $TSA/certchain with its certificates, root last
#
# Every fixture is one signed image, written as an OCI image layout into a folder
# of its name; the roots go to stores/. Private keys are thrown away.
set -euo pipefail
cd "$(dirname "$0")"
: "${REGISTRY:?host:port of a registry}" "${TSA:?address of a timestamp authority}"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export XDG_CONFIG_HOME=$WORK/xdg DOCKER_CONFIG=$WORK/docker NOTATION_CONFIG=$WORK/xdg/notation
mkdir -p stores "$NOTATION_CONFIG" "$DOCKER_CONFIG"
R=$REGISTRY/notation/$$

# --- certificates ---------------------------------------------------------------
key() { # NAME ALGORITHM
  case $2 in
    rsa:*) openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:${2#rsa:}" -out "$WORK/$1.key" 2>/dev/null ;;
    *) openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -out "$WORK/$1.key" 2>/dev/null ;;
  esac
}
CA='basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign'
LEAF='keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning'
root() { # NAME ALGORITHM
  key "$1" "$2"
  openssl req -new -x509 -key "$WORK/$1.key" -days 36500 -subj "/C=XX/O=Acme/CN=Acme $1" -out "$WORK/$1.pem" \
    -config <(printf '[req]\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n[v3]\n'"$CA"'\nsubjectKeyIdentifier=hash\n')
  cp "$WORK/$1.pem" "$WORK/$1.chain"
  cp "$WORK/$1.pem" "stores/$1.pem"
}
issue() { # NAME ALGORITHM ISSUER EXTENSIONS END
  key "$1" "$2"
  openssl req -new -key "$WORK/$1.key" -subj "/C=XX/O=Acme/CN=$1" -out "$WORK/csr" -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n')
  : >"$WORK/db"
  openssl ca -batch -notext -in "$WORK/csr" -out "$WORK/$1.pem" -keyfile "$WORK/$3.key" -cert "$WORK/$3.pem" -md sha384 \
    -startdate "$(date -u -d "-1 hour" +%Y%m%d%H%M%SZ)" -enddate "$5" -extfile <(printf "$4\n") -config <(
      printf '[ca]\ndefault_ca=c\n[c]\ndatabase=%s\nnew_certs_dir=%s\npolicy=p\nunique_subject=no\nrand_serial=yes\n[p]\nC=optional\nO=optional\nCN=supplied\n' "$WORK/db" "$WORK"
    ) 2>"$WORK/log" || { cat "$WORK/log"; return 1; }
  cat "$WORK/$1.pem" "$WORK/$3.chain" >"$WORK/$1.chain"
}
LATE=21200101000000Z
root ec-root secp384r1
root rsa-root rsa:3072
root strange-root prime256v1 # nobody relies on it
issue ec-sub secp384r1 ec-root "$CA" $LATE
issue build-ec prime256v1 ec-root "$LEAF" $LATE
issue build-sub secp384r1 ec-sub "$LEAF" $LATE
issue build-rsa rsa:2048 rsa-root "$LEAF" $LATE
issue build-strange prime256v1 strange-root "$LEAF" $LATE
openssl req -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-521 -nodes -keyout "$WORK/self.key" -days 36500 -subj "/C=XX/O=Acme/CN=self" -out "$WORK/self.pem" \
  -config <(printf '[req]\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n[v3]\n'"$LEAF"'\n') 2>/dev/null
cp "$WORK/self.pem" "$WORK/self.chain"
cp "$WORK/self.pem" stores/self.pem
rm stores/strange-root.pem
curl -fsS -m 20 "$TSA/certchain" | awk '/BEGIN/ {c = ""} {c = c $0 "\n"} /END/ {last = c} END {printf "%s", last}' >stores/tsa.pem

# --- verbs ----------------------------------------------------------------------
sleep 2 # a timestamp is exact to a second: let it be after every root

image() { # NAME
  printf '%s' "$1 $$" >"$WORK/content"
  tar -C "$WORK" --owner=0 --group=0 --mtime=@0 -cf "$WORK/layer.tar" content
  crane append --insecure --oci-empty-base -f "$WORK/layer.tar" -t "$R/$1:v1" >/dev/null 2>&1
}
sign() { # NAME KEY [FLAGS]
  local name=$1 key=$2
  shift 2
  printf '{"default":"k","keys":[{"name":"k","keyPath":"%s","certPath":"%s"}]}' "$WORK/$key.key" "$WORK/$key.chain" >"$NOTATION_CONFIG/signingkeys.json"
  notation sign --insecure-registry --force-referrers-tag=false "$@" "$R/$name@$(crane digest --insecure "$R/$name:v1")" >"$WORK/log" 2>&1 || { cat "$WORK/log"; return 1; }
}
keep() { # NAME
  rm -rf "$1"
  oras copy --recursive --from-plain-http "$R/$1:v1" --to-oci-layout "$1:v1" >"$WORK/log" 2>&1 || { cat "$WORK/log"; return 1; }
  rm -rf "$1/ingest"
}
fixture() { # NAME KEY [FLAGS]
  image "$1"
  sign "$@"
  keep "$1"
}
STAMP=(--timestamp-url "$TSA" --timestamp-root-cert stores/tsa.pem)

# --- fixtures -------------------------------------------------------------------
for form in jws cose; do
  fixture $form-ec build-ec --signature-format $form
  fixture $form-rsa build-rsa --signature-format $form
  fixture $form-sub build-sub --signature-format $form
  fixture $form-self self --signature-format $form
  fixture $form-strange build-strange --signature-format $form
  fixture $form-stamped build-ec --signature-format $form "${STAMP[@]}"
  fixture $form-expiry build-ec --signature-format $form --expiry 1m
  fixture $form-late build-ec --signature-format $form --expiry 876000h
  issue short-$form prime256v1 ec-root "$LEAF" "$(date -u -d '+20 seconds' +%Y%m%d%H%M%SZ)" # runs out soon
  fixture $form-short short-$form --signature-format $form
  fixture $form-short-stamped short-$form --signature-format $form "${STAMP[@]}"
done
fixture said build-ec --user-metadata build=42 --user-metadata "ticket=<b>SEC-1</b>"
image both
sign both build-ec --signature-format jws
sign both build-rsa --signature-format cose
keep both
