# An authority of the test's own and a certificate by it. Sourced.

# make_authority DIRECTORY NAME...: DIRECTORY/tls/{ca.crt,server.crt,server.key}, for these names and this machine; and
# DIRECTORY/certs.d, as docker and podman keep authorities.
make_authority() {
    local at=$1/tls names="IP:127.0.0.1,DNS:localhost" name
    shift
    for name in "$@"; do names="$names,DNS:$name"; done
    mkdir -p "$at"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$at/ca.key" -out "$at/ca.crt" -days 2 \
        -subj /CN=authority -addext basicConstraints=critical,CA:TRUE 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$at/server.key" -out "$at/server.csr" \
        -subj /CN=registry 2>/dev/null
    openssl x509 -req -in "$at/server.csr" -CA "$at/ca.crt" -CAkey "$at/ca.key" -CAcreateserial -days 2 \
        -extfile <(echo "subjectAltName=$names") -out "$at/server.crt" 2>/dev/null
    for name in "$@"; do
        mkdir -p "$at/../certs.d/$name"
        cp "$at/ca.crt" "$at/../certs.d/$name/ca.crt"
    done
}
