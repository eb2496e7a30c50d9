#!/bin/bash
# Lets Google's own clients, and ours, administer a registry of our own.
#
#   tests/administration/run.sh LIGHTSHIP [-d DIRECTORY]
#
# LIGHTSHIP is the program. gcloud is used where it is installed; Google's Python client for Artifact Registry where pip can
# install it (into DIRECTORY, which is kept when it is named). What is missing is told and skipped. Loopback only.
#
# Exit status: 0 all as expected, 1 something was not, 2 wrong usage.
set -u
shopt -s inherit_errexit

usage() {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 1 ] || usage
lightship=$(realpath "$1")
shift
directory='' keep=yes
while getopts d: option; do
    case $option in
        d) directory=$(realpath -m "$OPTARG") ;;
        *) usage ;;
    esac
done
[ -n "$directory" ] || { directory=$(mktemp -d) keep=no; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$directory/home/.docker"
export HOME=$directory/home DOCKER_CONFIG=$directory/home/.docker NO_COLOR=1
unset XDG_RUNTIME_DIR REGISTRY_AUTH_FILE
checks=0 failures=0 skipped=0 server=''
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    wait 2>/dev/null
    [ $keep = yes ] || rm -rf "$directory"
}
trap finish EXIT
limited() { timeout 120 "$@"; }
# shellcheck source=tests/clients/expect.sh
. "$here/../clients/expect.sh"

cd "$directory" || exit 1
rm -rf data
echo correct-horse | "$lightship" account create root --admin --data data --password-stdin --quiet || exit 1
"$lightship" serve --listen 127.0.0.1:0 --data data 2>serve.log &
server=$!
for _ in $(seq 200); do
    address=$(sed -n 's/.*serves http:\/\/\([0-9.:]*\).*/\1/p' serve.log)
    [ -n "$address" ] && break
    sleep 0.1
done
[ -n "$address" ] || { cat serve.log >&2; exit 1; }
base=http://$address
token=$(curl -sf -u root:correct-horse \
    "$base/v2/token?service=$address&scope=https://www.googleapis.com/auth/cloud-platform" |
    sed 's/.*"token":"\([^"]*\)".*/\1/')
[ -n "$token" ] || { echo "no token" >&2; exit 1; }
printf %s "$token" >token

# push HOST NAME TAG CONTENT: an image of one layer, by curl; its digest.
blob() {
    local digest
    digest=sha256:$(printf %s "$3" | sha256sum | cut -d' ' -f1)
    curl -sf -o /dev/null -u root:correct-horse -H "Host: $1" -H 'Content-Type: application/octet-stream' \
        --data-binary "$3" "$base/v2/$2/blobs/uploads/?digest=$digest" && echo "$digest"
}
push() {
    local config layer manifest
    config='{"architecture":"amd64","os":"linux","created":"2024-05-06T07:08:09Z","rootfs":{"type":"layers","diff_ids":[]}}'
    manifest='{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"'$(blob "$1" "$2" "$config")'","size":'${#config}'},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"'$(blob "$1" "$2" "$4")'","size":'${#4}'}]}'
    curl -sf -o /dev/null -u root:correct-horse -H "Host: $1" -X PUT --data-binary "$manifest" \
        -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' "$base/v2/$2/manifests/$3" &&
        echo "sha256:$(printf %s "$manifest" | sha256sum | cut -d' ' -f1)"
}

ours() { "$lightship" "$@" --registry "$address"; }
refuse "lightship: strangers see nothing" 'lightship login' ours repo list
check "lightship: login" 'logged in' sh -c "echo correct-horse | '$lightship' login $address -u root --password-stdin"
check "lightship: a repository" 'us-docker.pkg.dev/p/own' ours repo create p/us/own --description ours --immutable-tag 'v*'
check "lightship: it is listed" 'p/us/own' ours repo list --project p
check "lightship: it is changed" 'quota +1.0 MB' ours repo update p/us/own --quota 1000000
first=$(push us-docker.pkg.dev p/own/app latest one)
second=$(push us-docker.pkg.dev p/own/app latest two)
check "lightship: tags" "latest +$second" ours repo tags us-docker.pkg.dev/p/own/app
check "lightship: images" 'us-docker.pkg.dev/p/own/app' ours repo images p/us/own
check "lightship: what a tag named" "$first +$second" ours repo history us-docker.pkg.dev/p/own/app:latest
check "lightship: a tag goes back" "latest: $first" ours repo restore-tag us-docker.pkg.dev/p/own/app:latest
check "lightship: an account" 'serviceAccount:ci' ours account create ci --service-account --group builders
check "lightship: a key" '_json_key' ours key create ci -o "$directory/ci.json"
refuse "lightship: a key file is not written over" 'never written over' ours key create ci -o "$directory/ci.json"
check "lightship: a grant" 'serviceAccount:ci' ours iam grant serviceAccount:ci reader p/us/own
check "lightship: why somebody may" '^yes: ' ours iam check serviceAccount:ci pull p/us/own
refuse "lightship: why somebody may not" '^no: ' ours iam check serviceAccount:ci push p/us/own
check "lightship: the key logs in" 'logged in' \
    sh -c "'$lightship' login $address -u _json_key --password-stdin <'$directory/ci.json'"
refuse "lightship: and may no more than it may" 'PERMISSION_DENIED' ours repo delete p/us/own --yes
check "lightship: login again" 'logged in' sh -c "echo correct-horse | '$lightship' login $address -u root --password-stdin"
check "lightship: a disabled account" 'disabled' ours account disable ci
refuse "lightship: does not log in" 'refuses' \
    sh -c "'$lightship' login $address -u _json_key --password-stdin <'$directory/ci.json'"
check "lightship: a collection" 'would free' ours gc --dry-run
check "lightship: a scrub" '0 findings' ours scrub
refuse "lightship: not beside a server" 'in use' "$lightship" scrub --data data
rm -f ci.json

if command -v gcloud >/dev/null; then
    export CLOUDSDK_CONFIG=$directory/gcloud CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY=$base/
    export CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=$directory/token CLOUDSDK_CORE_PROJECT=p CLOUDSDK_CORE_DISABLE_PROMPTS=1
    export CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1
    artifacts() { gcloud artifacts "$@"; }
    in=(--location us) of=(--repository g --location us)
    check "gcloud: create" 'Created repository' artifacts repositories create g "${in[@]}" --repository-format docker --labels a=b
    first=$(push us-docker.pkg.dev p/g/team/app v1 one)
    second=$(push us-docker.pkg.dev p/g/team/app v2 two)
    check "gcloud: list" 'STANDARD_REPOSITORY' artifacts repositories list
    check "gcloud: describe" 'registryUri: us-docker.pkg.dev/p/g' artifacts repositories describe g "${in[@]}"
    refuse "gcloud: describe what is not there" 'NOT_FOUND' artifacts repositories describe none "${in[@]}"
    check "gcloud: update" 'description: new' artifacts repositories update g "${in[@]}" --description new --update-labels c=d
    check "gcloud: add a binding" 'user:ann@example.com' artifacts repositories add-iam-policy-binding g "${in[@]}" \
        --member user:ann@example.com --role roles/artifactregistry.reader
    artifacts repositories get-iam-policy g "${in[@]}" --format json >policy.json
    check "gcloud: set a policy" 'user:ann@example.com' artifacts repositories set-iam-policy g policy.json "${in[@]}"
    refuse "gcloud: but not twice from one reading" 'changed by somebody else' \
        artifacts repositories set-iam-policy g policy.json "${in[@]}"
    echo '[{"name":"old","action":{"type":"Delete"},"condition":{"tagState":"untagged","olderThan":"30d"}},
        {"name":"new","action":{"type":"Keep"},"mostRecentVersions":{"keepCount":5}}]' >cleanup.json
    check "gcloud: set cleanup policies" 'old' artifacts repositories set-cleanup-policies g "${in[@]}" --policy cleanup.json
    check "gcloud: list cleanup policies" '2592000s' artifacts repositories list-cleanup-policies g "${in[@]}" --format json
    check "gcloud: packages" 'team/app' artifacts packages list "${of[@]}"
    check "gcloud: versions" "$second" artifacts versions list --package team/app "${of[@]}"
    check "gcloud: tags" "v1 +$first" artifacts tags list --package team/app "${of[@]}"
    check "gcloud: a new tag" 'v3' artifacts tags create v3 --version "$first" --package team/app "${of[@]}"
    check "gcloud: without it" '' artifacts tags delete v3 --package team/app "${of[@]}"
    check "gcloud: images" "app +$second +v2" artifacts docker images list us-docker.pkg.dev/p/g --include-tags
    check "gcloud: the newest image" "$second" artifacts docker images list us-docker.pkg.dev/p/g/team/app \
        --include-tags --sort-by '~UPDATE_TIME' --limit 1
    # It first asks whether a project has Google's analysis of containers, at another of its services.
    described() { CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE=$base/ artifacts docker images describe "$@"; }
    check "gcloud: describe an image by its tag" "fully_qualified_digest: us-docker.pkg.dev/p/g/team/app@$second" \
        described us-docker.pkg.dev/p/g/team/app:v2
    check "gcloud: describe an image by its digest" "digest: $first" described "us-docker.pkg.dev/p/g/team/app@$first"
    refuse "gcloud: describe an image that is not there" 'NOT_FOUND|not found' described us-docker.pkg.dev/p/g/team/app:none
    check "gcloud: docker tags" 'v1' artifacts docker tags list us-docker.pkg.dev/p/g/team/app
    check "gcloud: add a docker tag" 'Added tag' artifacts docker tags add us-docker.pkg.dev/p/g/team/app:v2 \
        us-docker.pkg.dev/p/g/team/app:v4
    check "gcloud: delete a docker tag" 'Deleted tag' artifacts docker tags delete us-docker.pkg.dev/p/g/team/app:v4
    refuse "gcloud: a tagged version stays" 'has tag' artifacts versions delete "$first" --package team/app "${of[@]}"
    check "gcloud: delete an image" 'done' artifacts docker images delete us-docker.pkg.dev/p/g/team/app:v2 --delete-tags
    check "gcloud: delete a package" '' artifacts packages delete team/app "${of[@]}"
    check "gcloud: delete" 'Deleted repository' artifacts repositories delete g "${in[@]}"
else
    skip "gcloud is not installed"
fi

if [ -d python ] || python3 -m venv python >/dev/null 2>&1 &&
    python/bin/pip install --quiet google-cloud-artifact-registry >/dev/null 2>&1; then
    push us-docker.pkg.dev p/own/lib one one >/dev/null
    push us-docker.pkg.dev p/own/lib two two >/dev/null
    check "python: Google's client library" 'all done' python/bin/python "$here/client.py" "$base" "$directory/token"
else
    skip "Google's Python client cannot be installed"
fi

echo "$checks checks, $failures failed, $skipped skipped"
[ "$failures" -eq 0 ]
