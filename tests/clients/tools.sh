# crane, oras and regctl. Sourced by run.sh.

try_crane() {
    local name=$registry/crane/app digest first
    rm -rf "$directory/one" "$directory/crane.tar" "$directory/crane-layout"
    skopeo copy -q "oci:$directory/layout:v1" "oci:$directory/one:v1"
    tar -C "$directory/context" -cf "$directory/layer.tar" hello.c
    check "crane pushes a layout" "^$name@sha256:[0-9a-f]{64}$" crane push "$directory/one" "$name:v1"
    digest=$(crane digest "$name:v1")
    same "crane knows the digest" "$digest" "$(raw crane/app:v1 | digest_of)"
    check "crane pulls" '' crane pull "$name:v1" "$directory/crane.tar"
    check "crane pushes a tarball" "^$name@sha256:" crane push "$directory/crane.tar" "$name:tarball"
    check "crane validates it with every layer" 'PASS' crane validate --remote "$name:v1"
    check "crane has the files" '^hello$' exported "$name:v1"
    check "crane reads a configuration" '"Entrypoint":\["/hello"\]' crane config "$name:v1"
    check "crane reads a blob" '"rootfs"' crane blob "$name@$(crane manifest "$name:v1" | jq -r .config.digest)"
    check "crane appends a layer" "^$name@sha256:" crane append -b "$name:v1" -f "$directory/layer.tar" -t "$name:appended"
    check "crane changes labels" "^$name@sha256:" crane mutate "$name:v1" -t "$name:labelled" -l a=b
    check "crane flattens" "^$name@sha256:" crane flatten "$name:appended" -t "$name:flat"
    check "crane validates that" 'PASS' crane validate --remote "$name:flat"
    check "crane tags" '' crane tag "$name@$digest" moved
    same "the tag is there" "$digest" "$(crane digest "$name:moved")"
    check "crane copies all platforms" '' crane_copy_index
    check "crane makes an index" "^$name@sha256:" crane index append -m "$name:v1" -m "$name:flat" -t "$name:index"
    check "crane lists tags" '^moved$' crane ls "$name"
    check "crane lists the registry" '^crane/app$' crane catalog "$registry"
    check "crane copies every tag" '' crane cp -a "$name" "$registry/crane/copied"
    same "the copy has the same tags" "$(crane ls "$name")" "$(crane ls "$registry/crane/copied")"
    same "and the same digests" "$(crane digest "$name:index")" "$(crane digest "$registry/crane/copied:index")"
    check "crane deletes a tag" '' crane delete "$name:moved"
    refuse "that tag is gone" 'MANIFEST_UNKNOWN' crane manifest "$name:moved"
    check "the manifest is not" '"layers"' crane manifest "$name@$digest"
    check "crane deletes a manifest" '' crane delete "$name@$digest"
    refuse "so are its tags" 'MANIFEST_UNKNOWN' crane manifest "$name:v1"
    refuse "crane hears of an unknown name" 'NAME_UNKNOWN' crane ls "$registry/crane/none"
    check "eight at a time" '^8$' crane_crowd
}

exported() {
    crane export "$1" - | tar -t
}

crane_copy_index() {
    rm -rf "$directory/two"
    skopeo copy -q --all "oci:$directory/layout:all" "oci:$directory/two:all"
    crane push --index "$directory/two" "$registry/crane/two:all" &&
        crane cp "$registry/crane/two:all" "$registry/crane/app:all" &&
        crane validate --remote "$registry/crane/app:all"
}

# Eight clients push different images with one layer in common to one name at a time.
crane_crowd() {
    local number running=()
    for number in 1 2 3 4 5 6 7 8; do
        echo "$number" >"$directory/crowd-$number"
        tar -C "$directory" -cf "$directory/crowd-$number.tar" "crowd-$number" context/data
        crane append -f "$directory/crowd-$number.tar" -t "$registry/crane/crowd:$number" >/dev/null 2>&1 &
        running+=($!)
    done
    wait "${running[@]}"
    for number in 1 2 3 4 5 6 7 8; do
        crane validate --remote "$registry/crane/crowd:$number" 2>&1
    done | grep -c PASS
    rm -f "$directory"/crowd-*
}

# What the server acknowledged before it was killed is there when it runs again.
try_killed() {
    local round number running acknowledged=$directory/acknowledged
    : >"$acknowledged"
    serve killed
    for round in 1 2 3 4 5; do
        running=()
        for number in 1 2 3 4; do
            push_until_killed "$round-$number" >>"$acknowledged" 2>/dev/null &
            running+=($!)
        done
        sleep "1.$RANDOM"
        kill -KILL "$server"
        wait "$server" 2>/dev/null
        wait "${running[@]}"
        serve killed
    done
    check "pushes were acknowledged before each kill" '^5$' rounds_of "$acknowledged"
    check "all of them are there, whole ($(wc -l <"$acknowledged"))" '^0$' lost_of "$acknowledged"
    check "nothing else has a tag and is damaged" '^0$' damaged
}

push_until_killed() {
    local number=0 pushed work=$directory/kill-$1
    mkdir -p "$work"
    while :; do
        number=$((number + 1))
        head -c 300000 /dev/urandom >"$work/data"
        tar -C "$work" -cf "$work/layer.tar" data
        pushed=$(timeout 5 crane append -f "$work/layer.tar" -t "$registry/killed/app:$1-$number") || break
        echo "$1-$number ${pushed#*@}"
    done
    rm -rf "$work"
}

rounds_of() {
    cut -d - -f 1 "$1" | sort -u | wc -l
}

lost_of() {
    local tag digest
    while read -r tag digest; do
        [ "$(crane digest "$registry/killed/app:$tag")" = "$digest" ] && crane validate --remote \
            "$registry/killed/app:$tag" >/dev/null 2>&1 ||
            echo "$tag"
    done <"$1" | wc -l
}

damaged() {
    local tag
    for tag in $(crane ls "$registry/killed/app"); do
        crane validate --remote "$registry/killed/app:$tag" >/dev/null 2>&1 || echo "$tag"
    done | wc -l
}

try_oras() {
    local name=$registry/oras/app plain=--plain-http digest signature
    (
        cd "$directory" || exit
        oras push --no-tty $plain "$name:artifact" --artifact-type application/vnd.test.thing sbom.json:application/spdx+json
    ) >"$directory/oras.log" 2>&1
    check "oras pushes an artifact" 'ArtifactType: application/vnd.test.thing' cat "$directory/oras.log"
    check "oras pulls it" 'Pulled' oras pull --no-tty $plain -o "$directory/oras" "$name:artifact"
    same "it is the same" "$(cat "$directory/sbom.json")" "$(cat "$directory/oras/sbom.json")"
    check "oras copies an image" 'Digest: sha256:' oras cp --no-tty --from-oci-layout "$directory/layout:all" \
        --to-plain-http "$name:v1"
    digest=$(oras resolve $plain "$name:v1")
    same "oras resolves it" "$digest" "$(raw oras/app:v1 | digest_of)"
    check "oras attaches" 'Attached' oras attach --no-tty $plain --disable-path-validation --artifact-type application/spdx+json \
        --annotation key=value "$name:v1" "$directory/sbom.json:application/spdx+json"
    check "oras attaches without the listing" 'Attached' oras attach --no-tty $plain --disable-path-validation \
        --distribution-spec v1.1-referrers-tag \
        --artifact-type application/vnd.test.signature "$name:v1" "$directory/sbom.json"
    signature=$(oras discover $plain --format json "$name:v1" | jq -r \
        '.referrers[] | select(.artifactType == "application/vnd.test.signature").digest')
    check "oras attaches to what is attached" 'Attached' oras attach --no-tty $plain --disable-path-validation \
        --artifact-type application/vnd.test.second \
        "$name@$signature" "$directory/sbom.json"
    check "oras discovers both" '^2$' counted oras discover $plain --format json --depth 1 "$name:v1"
    check "oras discovers one kind" '^1$' counted oras discover $plain --format json --depth 1 \
        --artifact-type application/spdx+json "$name:v1"
    check "oras discovers none of another" '^0$' counted oras discover $plain --format json \
        --artifact-type application/none "$name:v1"
    check "oras draws the tree" 'application/vnd.test.second' oras discover $plain "$name:v1"
    check "oras copies with all that is attached" 'Digest: sha256:' oras cp --no-tty -r --from-plain-http \
        --to-plain-http "$name:v1" "$registry/oras/copied:v1"
    check "the copy has both" '^2$' counted oras discover $plain --format json --depth 1 "$registry/oras/copied:v1"
    check "oras tags" 'Tagged' oras tag $plain "$name:v1" one two
    check "oras lists tags" '^two$' oras repo tags $plain "$name"
    check "oras lists names" '^oras/app$' oras repo ls $plain "$registry"
    check "oras lists names below another" '^app$' oras repo ls $plain "$registry/oras/"
    check "oras pushes a blob" 'Pushed|Uploaded|Exists' oras blob push --no-tty $plain "$name" "$directory/sbom.json"
    check "oras fetches a blob" 'SPDX' oras blob fetch --no-tty $plain -o - "$name@$(digest_of <"$directory/sbom.json")"
    check "oras fetches a manifest" 'image\.index' oras manifest fetch $plain "$name:v1"
    check "oras fetches a configuration" 'Entrypoint' oras manifest fetch-config $plain --platform linux/amd64 "$name:v1"
    check "oras makes an index" 'Created|Pushed' oras manifest index create $plain "$name:index" artifact
    check "oras backs up" 'backed up' oras backup $plain --no-tty --include-referrers -o "$directory/oras-backup" "$name:v1"
    check "oras restores" 'restored' oras restore $plain --no-tty --input "$directory/oras-backup" "$registry/oras/restored:v1"
    check "oras deletes a manifest" 'Deleted' oras manifest delete $plain -f "$name@$signature"
    check "it is no longer attached" '^1$' counted oras discover $plain --format json --depth 1 \
        --distribution-spec v1.1-referrers-api "$name:v1"
    check "oras deletes a blob" 'Deleted' oras blob delete $plain \
        -f "$registry/oras/restored@$(digest_of <"$directory/sbom.json")"
    refuse "oras hears of an unknown tag" 'not found' oras resolve $plain "$name:none"
}

counted() {
    "$@" | jq '.referrers | length'
}

try_regctl() {
    local name=$registry/regctl/app digest
    regctl registry set --tls disabled "$registry"
    check "regctl copies an image" '' regctl image copy "ocidir://$directory/layout:all" "$name:v1"
    digest=$(regctl image digest "$name:v1")
    same "regctl knows the digest" "$digest" "$(raw regctl/app:v1 | digest_of)"
    # Small enough that every layer goes in many pieces.
    regctl registry set --tls disabled --blob-max 100000 --blob-chunk 1000000 "$registry"
    check "regctl copies in chunks" '' regctl image copy "ocidir://$directory/layout:v1" "$registry/regctl/chunked:v1"
    check "regctl puts a blob in chunks" '^sha256:' regctl_blob
    check "regctl reads the image" '' regctl image get-file "$name:v1" /hello "$directory/hello-again" --platform linux/amd64
    same "the file is the same" "$(digest_of <"$directory/context/hello")" "$(digest_of <"$directory/hello-again")"
    check "regctl inspects" 'Entrypoint' regctl image inspect -p linux/amd64 "$name:v1"
    check "regctl puts an artifact" '' regctl artifact put --artifact-type application/vnd.test.thing \
        -f "$directory/sbom.json" "$name:artifact"
    check "regctl gets it" 'SPDX' regctl artifact get "$name:artifact"
    check "regctl attaches" '' regctl artifact put --artifact-type application/spdx+json --subject "$name:v1" \
        -f "$directory/sbom.json"
    check "regctl lists what is attached" 'application/spdx\+json' regctl artifact list "$name:v1"
    check "regctl gets what is attached" 'SPDX' regctl artifact get --subject "$name:v1" \
        --filter-artifact-type application/spdx+json
    check "regctl draws the tree" 'application/spdx\+json' regctl artifact tree "$name:v1"
    check "regctl copies with all that is attached" '' regctl image copy --referrers --digest-tags "$name:v1" \
        "$registry/regctl/copied:v1"
    check "the copy has it" 'application/spdx\+json' regctl artifact list "$registry/regctl/copied:v1"
    check "regctl changes an image" '' regctl image mod "$name:v1" --create changed --label a=b
    check "regctl makes an index" '' regctl index create --ref "$name:v1" "$name:index"
    check "regctl lists tags" '^changed$' regctl tag ls "$name"
    check "regctl lists tags in pages" '^artifact$' regctl tag ls --limit 1 "$name"
    check "regctl lists names" '^regctl/app$' regctl repo ls "$registry"
    check "regctl exports" '' regctl image export -p linux/amd64 "$name:v1" "$directory/regctl.tar"
    check "regctl imports" '' regctl image import "$registry/regctl/imported:v1" "$directory/regctl.tar"
    check "regctl heads a manifest" 'sha256:' regctl manifest head "$name:v1"
    check "regctl goes over to sha512 and gets that" '^sha512:[0-9a-f]{128}$' regctl_sha512
    check "regctl deletes a tag" '' regctl tag delete "$name:changed"
    refuse "that tag is gone" 'not found' regctl manifest get "$name:changed"
    check "the others are not" "$digest" regctl image digest "$name:v1"
    check "regctl deletes a manifest" '' regctl manifest delete "$name@$digest"
    refuse "so are its tags" 'not found' regctl manifest get "$name:v1"
}

regctl_blob() {
    regctl blob put "$registry/regctl/app" <"$directory/context/data" && regctl blob get "$registry/regctl/app" \
        "$(digest_of <"$directory/context/data")" | cmp - "$directory/context/data"
}

regctl_sha512() {
    regctl image mod "$registry/regctl/app:v1" --create "$registry/regctl/long:v1" --digest-algo sha512 &&
        regctl image digest "$registry/regctl/long:v1" &&
        regctl image copy "$registry/regctl/long:v1" "ocidir://$directory/long:v1"
}
