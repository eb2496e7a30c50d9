//! Steps of pipelines to write in place of others. They are only shown: where the placeholders lead, nobody but the user knows.

/// To log in to a registry without a key.
pub(super) const LOGIN: &str = "\
# The job needs: permissions: {contents: read, id-token: write}
- id: auth
  uses: google-github-actions/auth@v2
  with:
    workload_identity_provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER
    service_account: ACCOUNT
    token_format: access_token
- uses: docker/login-action@v3
  with:
    registry: LOCATION-docker.pkg.dev
    username: oauth2accesstoken
    password: ${{ steps.auth.outputs.access_token }}
";

/// To set up gcloud, and docker with it, without a key.
pub(super) const SETUP_GCLOUD: &str = "\
# The job needs: permissions: {contents: read, id-token: write}
- uses: google-github-actions/auth@v2
  with:
    workload_identity_provider: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER
    service_account: ACCOUNT
- uses: google-github-actions/setup-gcloud@v2
- run: gcloud auth configure-docker LOCATION-docker.pkg.dev --quiet
";
