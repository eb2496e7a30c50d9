# Logging in with each kind of credential, by every client. Sourced by run.sh.

make_administrator() {
    "$lightship" account create admin --admin --password-stdin --data "$directory/closed" <<<"$1"
}

make_another() {
    "$lightship" account create eve --admin --password-stdin --data "$directory/closed" <<<x
}

# A token for everything that the administrator may.
token_of() {
    curl -s -u "$1:$2" "http://$registry/v2/token?service=$registry&scope=https://www.googleapis.com/auth/cloud-platform" |
        jq -r .token
}

try_logins() {
    local open=$registry password='correct horse: battery' token
    rm -rf "$directory/closed"
    check "the first administrator is made offline" 'made user:admin' make_administrator "$password"
    serve closed
    refuse "no second one while the server runs" 'in use by another process' make_another
    token=$(token_of admin "$password")
    same "a Bearer challenge is asked" "$(challenge)" \
        "Bearer realm=\"http://$registry/v2/token\",service=\"$registry\""
    login_all admin "$password" "a password"
    login_all _token "$token" "a token"
    login_all oauth2accesstoken "$token" "a token as gcloud gives it"
    try_key_file "$password"
    ! command -v skopeo >/dev/null || skopeo_pushes admin "$password"
    ! command -v podman >/dev/null || podman_pushes admin "$password"
    ! command -v crane >/dev/null || crane_pushes admin "$password"
    ! command -v oras >/dev/null || oras_pushes admin "$password"
    lightship_pushes admin "$password"
    registry=$open
}

# try_key_file PASSWORD: a service account proves who it is by a key file, until its key is gone.
try_key_file() {
    local DOCKER_CONFIG=$directory/administrator key=$directory/ci.json
    export DOCKER_CONFIG
    mkdir -p "$DOCKER_CONFIG"
    rm -f "$key"
    "$lightship" login -q -u admin --password-stdin "$registry" <<<"$1"
    check "an account for a program is made" '' "$lightship" account create ci --service-account --registry "$registry"
    check "it gets a key, whose private half stays here" '' "$lightship" key create ci -o "$key" --registry "$registry"
    check "and the right to push" '' "$lightship" iam grant serviceAccount:ci writer registry --registry "$registry"
    login_all _json_key "$(cat "$key")" "a key file"
    check "skopeo pushes with the key file" '' skopeo copy -q --dest-tls-verify=false \
        --dest-creds "_json_key:$(cat "$key")" "oci:$directory/layout:v1" "docker://$registry/logins/key:v1"
    refuse "a writer deletes nothing" 'denied' skopeo delete --tls-verify=false --creds "_json_key:$(cat "$key")" \
        "docker://$registry/logins/key:v1"
    check "the key is taken back" '' "$lightship" key delete ci "$(jq -r .private_key_id "$key")" --registry "$registry"
    refuse "and counts no longer" '401|unauthorized|authentication' skopeo inspect --tls-verify=false \
        --creds "_json_key:$(cat "$key")" "docker://$registry/logins/key:v1"
}

challenge() {
    curl -s -o "$directory/challenge" -D - "http://$registry/v2/" | tr -d '\r' | sed -n 's/^www-authenticate: //Ip'
}

# login_all USER SECRET WHAT: every client there is logs in, and none with a wrong secret.
login_all() {
    local user=$1 secret=$2 what=$3 client
    for client in podman buildah skopeo docker crane oras regctl lightship; do
        if [ "$client" != lightship ] && ! command -v "$client" >/dev/null; then
            skip "$client is not installed"
            continue
        fi
        check "$client logs in with $what" '' log_in "$client" "$user" "$secret"
        # Others than before each time: whoever guesses at one name is slowed down.
        refuse "$client refuses a wrong one" '401|[Uu]nauthorized|authentication|denied|invalid|wrong' \
            log_in "$client" "$user-$client-$RANDOM" "$secret.wrong"
    done
}

log_in() {
    local client=$1 user=$2 secret=$3 config
    config=$(mktemp -d "$directory/login.XXXXXX")
    case $client in
        podman | buildah | skopeo)
            "$client" login --tls-verify=false --authfile "$config/auth.json" -u "$user" --password-stdin "$registry" <<<"$secret"
            ;;
        docker) DOCKER_CONFIG=$config docker login -u "$user" --password-stdin "$registry" <<<"$secret" ;;
        crane) DOCKER_CONFIG=$config crane_login "$user" "$secret" ;;
        oras) DOCKER_CONFIG=$config oras login --plain-http -u "$user" --password-stdin "$registry" <<<"$secret" ;;
        regctl)
            REGCTL_CONFIG=$config/regctl.json regctl registry set --tls disabled --skip-check "$registry" &&
                REGCTL_CONFIG=$config/regctl.json regctl registry login -u "$user" --pass-stdin "$registry" <<<"$secret"
            ;;
        lightship) DOCKER_CONFIG=$config "$lightship" login -u "$user" --password-stdin "$registry" <<<"$secret" ;;
    esac
}

# crane keeps what it is given without asking the registry, so that a listing has to follow.
crane_login() {
    crane auth login "$registry" -u "$1" -p "$2" && crane catalog "$registry"
}

skopeo_pushes() {
    local name=docker://$registry/logins/skopeo:v1
    check "skopeo pushes with a password" '' skopeo copy -q --dest-tls-verify=false --dest-creds "$1:$2" \
        "oci:$directory/layout:v1" "$name"
    check "skopeo pulls with it" '"Digest"' skopeo inspect --tls-verify=false --creds "$1:$2" "$name"
    refuse "skopeo does not without" 'unauthorized|authentication required' skopeo inspect --tls-verify=false --no-creds "$name"
    check "skopeo deletes with it" '' skopeo delete --tls-verify=false --creds "$1:$2" "$name"
}

podman_pushes() {
    local auth=$directory/podman-auth.json
    engine login --tls-verify=false --authfile "$auth" -u "$1" --password-stdin "$registry" <<<"$2" >/dev/null
    check "podman pushes when it is logged in" '' engine push -q --tls-verify=false --authfile "$auth" \
        localhost/app:v1 "$registry/logins/podman:v1"
    check "podman logs out" '' engine logout --authfile "$auth" "$registry"
    refuse "podman does not push then" 'unauthorized|authentication required|denied' engine push -q --tls-verify=false \
        --authfile "$auth" localhost/app:v1 "$registry/logins/podman:v2"
}

crane_pushes() {
    local DOCKER_CONFIG=$directory/crane-login
    export DOCKER_CONFIG
    mkdir -p "$DOCKER_CONFIG"
    rm -rf "$directory/one"
    skopeo copy -q "oci:$directory/layout:v1" "oci:$directory/one:v1"
    refuse "crane pushes nothing without a login" '401 Unauthorized|UNAUTHORIZED' crane push "$directory/one" "$registry/logins/crane:v1"
    crane auth login "$registry" -u "$1" -p "$2" 2>/dev/null
    check "crane pushes when it is logged in" '@sha256:' crane push "$directory/one" "$registry/logins/crane:v1"
    check "crane copies" '' crane cp "$registry/logins/crane:v1" "$registry/logins/copied:v1"
    check "crane deletes" '' crane delete "$registry/logins/copied:v1"
}

oras_pushes() {
    check "oras copies with a password" 'Digest: sha256:' oras cp --no-tty --from-oci-layout "$directory/layout:all" \
        --to-plain-http --to-username "$1" --to-password "$2" "$registry/logins/oras:v1"
}

lightship_pushes() {
    local DOCKER_CONFIG=$directory/lightship-login
    export DOCKER_CONFIG
    mkdir -p "$DOCKER_CONFIG"
    refuse "lightship copies nothing without a login" 'login' "$lightship" copy "oci:$directory/layout:all" "$registry/logins/own:v1"
    "$lightship" login -q -u "$1" --password-stdin "$registry" <<<"$2"
    check "lightship copies when it is logged in" '' "$lightship" copy "oci:$directory/layout:all" "$registry/logins/own:v1"
}
