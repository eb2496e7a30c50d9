# gcrane, and others under the names of Container Registry and Artifact Registry. Sourced by run.sh.

# google COMMAND...: with gcr.io and pkg.dev on this machine.
google() {
    HTTPS_PROXY=http://$proxy SSL_CERT_FILE=$directory/google.pem timeout 120 "$@"
}

start_proxy() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=registry \
        -addext 'subjectAltName=DNS:gcr.io,DNS:*.gcr.io,DNS:*.pkg.dev' \
        -keyout "$directory/google.key" -out "$directory/google.pem" 2>/dev/null || return
    : >"$directory/proxy.out"
    python3 "$here/proxy.py" "$registry" "$directory/google.pem" "$directory/google.key" \
        >"$directory/proxy.out" 2>"$directory/proxy.log" &
    processes+=($!)
    wait_for "$directory/proxy.out" || return
    proxy=$address
}

try_gcrane() {
    local before=$registry proxy='' image=gcr.io/project/app pkg=us-docker.pkg.dev/project digest untagged
    if ! command -v openssl >/dev/null || ! command -v python3 >/dev/null; then
        skip "names of Google: openssl or python3 is not installed"
        return
    fi
    start_proxy || { skip "names of Google: the proxy does not start"; return; }
    rm -rf "$directory/one"
    skopeo copy -q "oci:$directory/layout:v1" "oci:$directory/one:v1"
    refuse "nobody writes under a name of elsewhere" 'DENIED|UNAUTHORIZED|40[13]' google crane push "$directory/one" "$image:v1"
    serve google --anonymous-writes
    start_proxy

    check "gcrane pushes" "^$image@sha256:" google gcrane push "$directory/one" "$image:v1"
    digest=$(google gcrane digest "$image:v1" 2>/dev/null)
    check "gcrane pushes deeper" '' google gcrane cp "$image:v1" "$image/deep/er:v1"
    check "gcrane pushes for a domain" '' google gcrane cp "$image:v1" gcr.io/example.com/project/app:v1
    check "gcrane replaces a tag" '' google gcrane mutate "$image:v1" -t "$image:v1" -l a=b
    check "gcrane lists" "^$image@$digest$" google gcrane ls "$image"
    check "gcrane lists what is below" "^$image/deep/er:v1$" google gcrane ls -r gcr.io/project
    check "gcrane lists a domain's" '^gcr.io/example.com/project/app:v1$' google gcrane ls -r gcr.io/example.com/project
    check "gcrane reads times and sizes" '"imageSizeBytes":"[1-9][0-9]+".*"timeUploadedMs":"1[0-9]{12}"' \
        google gcrane ls --json "$image"
    check "gcrane finds what has no tag" "^$image@$digest$" google gcrane gc "$image"
    check "gcrane finds it from above" "^$image@$digest$" google gcrane gc -r gcr.io/project
    check "the repository is the same by Artifact Registry's name" "^$digest$" google gcrane digest "$pkg/gcr.io/app@$digest"
    check "gcrane lists it there" "^$pkg/gcr.io/app:v1$" google gcrane ls -r "$pkg/gcr.io"
    check "gcrane copies everything below" '' google gcrane cp -r gcr.io/project "$pkg/repository"
    check "the copy has it" "^$pkg/repository/app/deep/er:v1$" google gcrane ls -r "$pkg/repository"
    check "the copy has what has no tag" "^$pkg/repository/app@$digest$" google gcrane gc -r "$pkg/repository"
    check "gcrane copies again" '' google gcrane cp -r gcr.io/project "$pkg/repository"
    check "gcrane copies to another place" '' google gcrane cp -r gcr.io/project eu.gcr.io/project
    untagged=$(google gcrane gc "$image" 2>/dev/null)
    check "gcrane deletes what has no tag" '' google gcrane delete "$untagged"
    check "nothing is without a tag" '^0$' google_untagged "$image"
    check "gcrane copies an index" '' google_index
    # The layout's own index, its only entry, and the platforms of that.
    check "children of an index have no tag" '^3$' google_untagged gcr.io/project/index
    refuse "gcrane hears of an unknown name" 'NAME_UNKNOWN|NOT_FOUND|404' google gcrane ls gcr.io/project/none

    check "skopeo pulls from gcr.io" '' google skopeo copy -q "docker://$image:v1" "oci:$directory/from-google:v1"
    check "podman pushes to gcr.io" '' google_engine engine push -q localhost/app:v1 "docker://gcr.io/project/podman:v1"
    check "podman pulls from pkg.dev" '^[0-9a-f]{64}$' google_engine puller pull -q "$pkg/gcr.io/podman:v1"
    check "podman runs it" '^hello from the image$' run "$pkg/gcr.io/podman:v1"
    if command -v oras >/dev/null; then
        check "oras attaches at gcr.io" 'Attached' google oras attach --no-tty --disable-path-validation \
            --artifact-type application/spdx+json \
            "$image:v1" "$directory/sbom.json"
        check "oras discovers it at pkg.dev" '^1$' counted google oras discover --format json "$pkg/gcr.io/app:v1"
    fi
    strict_google
    registry=$before
}

# What Google's registries refuse; and everything that does not run into it.
strict_google() {
    local image=gcr.io/project/app pkg=us-docker.pkg.dev/project/repository/app first second
    serve strict --anonymous-writes --strict-google
    start_proxy || { skip "strict names of Google: the proxy does not start"; return; }
    check "strict: gcrane pushes" "^$image@sha256:" google gcrane push "$directory/one" "$image:v1"
    first=$(google gcrane digest "$image:v1" 2>/dev/null)
    refuse "strict: what a tag names stays" 'GOOGLE_MANIFEST_DANGLING_TAG' google gcrane delete "$image@$first"
    check "strict: gcrane replaces a tag" '' google gcrane mutate "$image:v1" -t "$image:v1" -l a=b
    check "strict: gcrane finds what has no tag" "^$image@$first$" google gcrane gc "$image"
    check "strict: gcrane deletes it" '' google gcrane delete "$image@$first"
    check "strict: nothing is without a tag" '^0$' google_untagged "$image"
    check "strict: gcrane copies an index" '' google_index
    second=$(google gcrane gc gcr.io/project/index 2>/dev/null | tail -n 1)
    refuse "strict: what an index names stays" 'GOOGLE_MANIFEST_DANGLING_PARENT_IMAGE' google gcrane delete "$second"
    check "strict: gcrane copies everything below" '' google gcrane cp -r gcr.io/project us-docker.pkg.dev/project/repository
    check "strict: skopeo pushes to pkg.dev" '' google skopeo copy -q "oci:$directory/one:v1" "docker://$pkg:skopeo"
    check "strict: podman pushes to pkg.dev" '' google_engine engine push -q localhost/app:v1 "docker://$pkg:podman"
    check "strict: podman pulls from pkg.dev" '^[0-9a-f]{64}$' google_engine puller pull -q "$pkg:podman"
    check "a mirror that is told the host reads from it" '^200$' \
        curl -s -o /dev/null -w '%{http_code}' "http://$registry/v2/project/app/manifests/v1?ns=gcr.io"
}

google_untagged() {
    google gcrane gc "$1" 2>/dev/null | wc -l
}

google_index() {
    rm -rf "$directory/two"
    skopeo copy -q --all "oci:$directory/layout:all" "oci:$directory/two:all"
    google gcrane push --index "$directory/two" gcr.io/project/two:all &&
        google gcrane cp gcr.io/project/two:all gcr.io/project/index:all
}

# The same for functions.
google_engine() {
    HTTPS_PROXY=http://$proxy SSL_CERT_FILE=$directory/google.pem "$@"
}
