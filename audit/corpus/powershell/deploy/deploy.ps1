Param([string]$Environment = "staging")

$Config = @{
    staging    = @{ Project = "bellows-staging"; Image = "eu.gcr.io/bellows-staging/api" }
    production = @{ Project = "bellows-prod";    Image = "eu.gcr.io/bellows-prod/api" }
}
$Image = $Config[$Environment].Image
$Proxy = 'gcr.io/cloudsql-docker/gce-proxy:1.33.0-windows'

gcloud run deploy api `
    --image "$($Image):$env:BUILD_NUMBER" `
    --region europe-west1 `
    --project $Config[$Environment].Project

if (-not $?) {
    Write-Error "deploy failed: is eu.gcr.io/... there?"
    exit 1
}
gcloud docker -- pull gcr.io/bellows-prod/tools
