project     = "sturgeon-prod"
region      = "asia-northeast1"
api_image   = "asia.gcr.io/sturgeon-prod/api:2024-03-01"
web_image   = "asia-northeast1-docker.pkg.dev/sturgeon-prod/web/web:2024-03-01"
proxy_image = "gcr.io/cloudsql-docker/gce-proxy:1.35.1"

images = {
  cron  = "asia.gcr.io/sturgeon-prod/cron"
  batch = "asia.gcr.io/sturgeon-prod/batch"
  cache = "docker.io/library/redis:7"
}
# staging used gcr.io/sturgeon-staging until the move
