REGISTRY = gcr.io
