registry = "us.gcr.io"
project  = "lumen-otter-prod"
