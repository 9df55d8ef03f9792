. ./lib.sh

# The iControl surface of the target, with curl and openssl as its clients: what was deployed through it
# is what its listener shows, also after a restart.
start() {
    rm -f "$TMP/port"
    env "LIVE_TEST=$TMP" "$SHAKEDOWN" target --f5 --db "sqlite:$TMP/f5.db" --port-file "$TMP/port" \
        --quiet >>"$TMP/target" 2>&1 </dev/null &
    TARGET=$!
    check "$1" until_true test -s "$TMP/port"
    PORT=$(cat "$TMP/port")
}

stop() {
    kill -TERM $TARGET
    wait $TARGET
    check "$1" test $? -eq 0
}

# ask CODE NAME PATH [curl's options]: the answer is in $TMP/answer
ask() {
    want=$1 name=$2 path=$3
    shift 3
    code=$(curl -sk --max-time 20 -o "$TMP/answer" -w '%{http_code}' -H "X-F5-Auth-Token: $token" \
        "$@" "https://127.0.0.1:$PORT/mgmt/$path")
    check "$name" test "$code" = "$want"
}

answers() {
    check "$1" grep -qF "$2" "$TMP/answer"
}

shows() {
    subject=$(openssl s_client -connect "127.0.0.1:$PORT" </dev/null 2>/dev/null |
        openssl x509 -noout -subject)
    check "$1" test "$subject" = "subject=CN = $2.example.test"
}

profile=tm/ltm/profile/client-ssl/~Common~clientssl
uploads=shared/file-transfer/uploads
for pair in a b; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$TMP/$pair.key" \
        -out "$TMP/$pair.crt" -subj "/CN=$pair.example.test" -days 2 2>/dev/null
done

token=none
start "a BIG-IP starts"
ask 401 "without a login nothing is told" $profile
ask 401 "an empty password is none" shared/authn/login -d '{"username":"admin","password":""}'
ask 200 "any other one is taken" shared/authn/login -d '{"username":"admin","password":"x"}'
token=$(sed 's/.*"token":{"token":"\([0-9A-F]*\)".*/\1/' "$TMP/answer")

for pair in a b; do
    for kind in crt key; do
        ask 200 "$pair.$kind is uploaded" $uploads/$pair.$kind --data-binary "@$TMP/$pair.$kind"
    done
done
size=$(stat -c %s "$TMP/a.crt")
half=$((size / 2))
head -c $half "$TMP/a.crt" >"$TMP/first"
tail -c +$((half + 1)) "$TMP/a.crt" >"$TMP/second"
ask 200 "a first chunk" $uploads/a.crt --data-binary "@$TMP/first" \
    -H "Content-Range: 0-$((half - 1))/$size"
ask 200 "and its second" $uploads/a.crt --data-binary "@$TMP/second" \
    -H "Content-Range: $half-$((size - 1))/$size"
answers "nothing remains" '"remainingByteCount":0'
ask 400 "a chunk that does not follow" $uploads/a.crt --data-binary "@$TMP/second" \
    -H "Content-Range: $half-$((size - 1))/$size"
ask 400 "a chunk of another size than it says" $uploads/a.crt --data-binary "@$TMP/second" \
    -H "Content-Range: 0-1/$size"

for pair in a b; do
    ask 200 "certificate $pair is installed" tm/sys/crypto/cert -d \
        "{\"command\":\"install\",\"name\":\"$pair\",\"from-local-file\":\"/var/config/rest/downloads/$pair.crt\"}"
    ask 200 "key $pair is installed" tm/sys/crypto/key -d \
        "{\"command\":\"install\",\"name\":\"$pair\",\"from-local-file\":\"/var/config/rest/downloads/$pair.key\"}"
done
ask 400 "a key is no certificate" tm/sys/crypto/cert -d \
    '{"command":"install","name":"c","from-local-file":"/var/config/rest/downloads/a.key"}'
ask 404 "a file that is not there" tm/sys/crypto/cert -d \
    '{"command":"install","name":"c","from-local-file":"/var/config/rest/downloads/c.crt"}'

ask 200 "a transaction" tm/transaction -d '{}'
id=$(sed 's/.*"transId":\([0-9]*\).*/\1/' "$TMP/answer")
ask 200 "a change in it" $profile -X PATCH -H "X-F5-REST-Coordination-Id: $id" \
    -d '{"cert":"/Common/a","key":"/Common/a"}'
answers "it is not made yet" '"cert":"none"'
ask 200 "the transaction is committed" tm/transaction/"$id" -X PATCH -d '{"state":"VALIDATING"}'
answers "all of it" '"state":"COMPLETED"'
shows "what was deployed is shown" a
ask 404 "it is over" tm/transaction/"$id" -X PATCH -d '{"state":"VALIDATING"}'

ask 200 "another transaction" tm/transaction -d '{}'
id=$(sed 's/.*"transId":\([0-9]*\).*/\1/' "$TMP/answer")
ask 200 "a good change" $profile -X PATCH -H "X-F5-REST-Coordination-Id: $id" \
    -d '{"cert":"/Common/b","key":"/Common/b"}'
ask 200 "and one whose key is another's" $profile -X PATCH -H "X-F5-REST-Coordination-Id: $id" \
    -d '{"cert":"/Common/b","key":"/Common/a"}'
ask 400 "it is refused" tm/transaction/"$id" -X PATCH -d '{"state":"VALIDATING"}'
answers "with the reason" "the key is not the certificate's"
ask 200 "and nothing of it stays" $profile
answers "the profile is as it was" '"cert":"/Common/a","key":"/Common/a"'
shows "so is what is shown" a

ask 400 "a certificate in use is kept" tm/sys/file/ssl-cert/~Common~a -X DELETE
ask 200 "a change at once" $profile -X PATCH -d '{"cert":"/Common/b","key":"/Common/b"}'
shows "is shown at once" b
ask 200 "what is not in use can go" tm/sys/file/ssl-cert/~Common~a -X DELETE
ask 404 "once" tm/sys/file/ssl-cert/~Common~a -X DELETE
ask 404 "any other path" nothing
stop "it ends with 0"
start "it starts again"
shows "what was deployed is still shown" b
stop "it ends again"
