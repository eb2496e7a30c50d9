"""Infrastructure of the catalogue. Images: gcr.io/teasel-prod."""
import pulumi
import pulumi_gcp as gcp

config = pulumi.Config()
project = gcp.config.project

# bucket behind gcr.io
BUCKET = f"artifacts.{project}.appspot.com"

registry = gcp.container.Registry("registry", location="US")
gcp.storage.BucketIAMMember(
    "nodes-pull",
    bucket=BUCKET,
    role="roles/storage.objectViewer",
    member="serviceAccount:nodes@teasel-prod.iam.gserviceaccount.com",
)
gcp.storage.BucketIAMBinding(
    "ci-push",
    bucket="us.artifacts.teasel-prod.appspot.com",
    role="roles/storage.admin",
    members=["serviceAccount:ci@teasel-prod.iam.gserviceaccount.com"],
)
service = gcp.cloudrun.Service(
    "catalogue",
    location="us-central1",
    template={"spec": {"containers": [{"image": "us.gcr.io/teasel-prod/catalogue:42"}]}},
)
pulumi.export("url", service.statuses[0]["url"])
pulumi.log.info("images come from us.gcr.io")
