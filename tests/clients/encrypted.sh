# The same over TLS: own authority, every client that can be told of it. Sourced by run.sh.

make_certificates() {
    local at=$directory/tls
    mkdir -p "$at/trusted"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$at/ca.key" -out "$at/trusted/ca.crt" -days 2 -subj /CN=authority \
        -addext basicConstraints=critical,CA:TRUE 2>/dev/null &&
        openssl req -newkey rsa:2048 -nodes -keyout "$at/server.key" -out "$at/server.csr" -subj /CN=localhost 2>/dev/null &&
        openssl x509 -req -in "$at/server.csr" -CA "$at/trusted/ca.crt" -CAkey "$at/ca.key" -CAcreateserial -days 2 \
            -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$at/server.crt" 2>/dev/null
}

try_encrypted() {
    local open=$registry at=$directory/tls name
    make_certificates || { skip "openssl makes no certificates"; return; }
    printf '[tls]\ncertificate = "%s"\nkey = "%s"\n' "$at/server.crt" "$at/server.key" >"$at/server.toml"
    serve encrypted --config "$at/server.toml"
    name=$registry/encrypted/app
    refuse "who does not know the authority gets nothing" 'certificate' skopeo inspect "docker://$name:v1"
    check "skopeo pushes over TLS" '' skopeo copy -q --dest-cert-dir "$at/trusted" "oci:$directory/layout:v1" "docker://$name:v1"
    check "skopeo pulls over TLS" '"Digest"' skopeo inspect --cert-dir "$at/trusted" "docker://$name:v1"
    if command -v podman >/dev/null; then
        check "podman pulls over TLS" '' puller pull -q --cert-dir "$at/trusted" "$name:v1"
        check "and runs it" '^hello from the image$' run --pull never "$name:v1"
    fi
    if command -v crane >/dev/null; then
        check "crane copies over TLS" '' env SSL_CERT_FILE="$at/trusted/ca.crt" crane cp "$name:v1" "$name:crane"
        check "crane validates it" 'PASS' env SSL_CERT_FILE="$at/trusted/ca.crt" crane validate --remote "$name:crane"
    fi
    if command -v oras >/dev/null; then
        check "oras copies over TLS" 'Digest: sha256:' oras cp --no-tty --from-oci-layout "$directory/layout:all" \
            --to-ca-file "$at/trusted/ca.crt" "$name:oras"
        check "oras attaches over TLS" 'Digest: sha256:' oras_attaches "$name:oras" "$at/trusted/ca.crt"
    fi
    ! command -v regctl >/dev/null || check "regctl lists over TLS" '^v1$' regctl_lists "$name" "$at/trusted/ca.crt"
    check "curl speaks HTTP/2" '^2 200$' curl -s -o /dev/null -w '%{http_version} %{http_code}\n' \
        --cacert "$at/trusted/ca.crt" "https://$registry/v2/"
    registry=$open
}

oras_attaches() {
    (cd "$directory/context" && oras attach --no-tty --ca-file "$2" --artifact-type text/x-c "$1" hello.c:text/plain)
}

regctl_lists() {
    local REGCTL_CONFIG=$directory/regctl-tls.json
    export REGCTL_CONFIG
    regctl registry set --skip-check --cacert "$(cat "$2")" "$registry" && regctl tag ls "$1"
}
