registry = "eu.gcr.io"
