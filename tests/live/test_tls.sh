# seconds: 30
. ./lib.sh

expired() {
    mkdir "$TMP/ca" && : >"$TMP/ca/index" && echo 01 >"$TMP/ca/serial" &&
        printf '%s\n' '[ca]' 'default_ca=d' '[d]' "database=$TMP/ca/index" "serial=$TMP/ca/serial" \
            "new_certs_dir=$TMP/ca" 'default_md=sha256' 'policy=p' 'x509_extensions=x' '[p]' 'commonName=supplied' \
            '[x]' 'subjectAltName=DNS:gate.example.com' >"$TMP/ca/conf" &&
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$TMP/ca/key" -out "$TMP/ca/csr" \
            -subj /CN=gate.example.com &&
        openssl ca -batch -notext -selfsign -config "$TMP/ca/conf" -keyfile "$TMP/ca/key" -in "$TMP/ca/csr" \
            -startdate 20200101000000Z -enddate 20210101000000Z -out "$TMP/ca/cert"
}
check "an expired certificate can be made" expired

# Runs phases of the suite by themselves; what it says in the end is in $OUT/summary.txt.
phase() {
    want=$1 what=$2
    shift 2
    for name; do
        shift
        set -- "$@" --only "$name"
    done
    run "$want" "$what" tests/live/suites/tls.yaml "$@" --set "expired_cert=$TMP/ca/cert" --set "expired_key=$TMP/ca/key"
}

says() {
    tr -s ' \n' ' ' <"$OUT/summary.txt" | grep -qF "$1"
}

phase 0 "nginx: facts, and the same certificate again" nginx-facts nginx-again
check "the facts are in the result" /usr/bin/python3 -c '
import json, sys
facts = json.load(open(sys.argv[1]))["phases"][0]["steps"][0]["facts"]
assert facts["protocol"] == "1.3" and facts["key"] == "EC P-256" and facts["group"] == "X25519" and facts["days_left"] == "6", facts
assert len(facts["fingerprint"]) == 64 and facts["not_after"].endswith("Z"), facts
' "$OUT/result.json"
phase 0 "nginx: a load of full handshakes, none resumed" nginx-load
phase 0 "nginx: resumed handshakes, TLS 1.3" nginx-resumed
phase 0 "nginx: resumed handshakes, TLS 1.2" nginx-resumed-12
phase 0 "requests on resumed connections, and on none" requests-resumed requests-full
phase 1 "a server that hands out no sessions" nothing-to-resume
check "it says so" says "the server gave no session to resume"
phase 0 "auto: HTTP/1.1 where the server does not choose HTTP/2" falls-back
phase 3 "h2: a server that does not choose it" no-http2
check "it says why" says "the server did not choose h2"
phase 1 "a certificate that expires too soon" nginx-short
check "it says when" says "the certificate expires in 7d"
phase 1 "a chain to nobody trusted" nginx-foreign
check "it says which" says "self-signed certificate in certificate chain"
phase 0 "an unverified chain that was expected" nginx-unverified
phase 1 "an unverified chain that was not" nginx-wanted

phase 0 "openssl: version, cipher, group, protocol and name as chosen" openssl-choices
phase 1 "another name than the certificate's" openssl-name
check "it says so" says "hostname mismatch"
phase 1 "another name than the expected one" openssl-expected-name
phase 1 "another version than the expected one" openssl-version
phase 1 "another fingerprint" openssl-print

phase 0 "a client certificate that is welcome" strict-welcome
phase 3 "no client certificate, TLS 1.3: the alert comes behind the handshake" strict-refused
check "it names the alert" says "alert certificate_required received"
phase 3 "no client certificate, TLS 1.2" strict-refused-12
check "it names this alert" says "alert handshake_failure received"

phase 1 "an expired certificate" expired-refused
check "it says that it has expired" says "certificate has expired"
phase 1 "an expired certificate that is only looked at" expired-seen
check "it says since when" says "the certificate expired"
