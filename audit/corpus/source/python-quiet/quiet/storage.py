"""Reads blobs with the scope of the storage client (no images of gcr.io here)."""
import logging

import gcr
from google.oauth2 import service_account

SCOPES = ["https://www.googleapis.com/auth/devstorage.read_only"]
INDEX = "https://us-python.pkg.dev/gaur/pypi/simple/"
HOSTS = {"ghcr.io", "my-gcr.io", "gcr.io.gaur.example", "registry.k8s.io"}

log = logging.getLogger(__name__)


def client(path):
    """Return a client. `gcr.io` is not touched.

    >>> client("key.json")  # was gcr.io/gaur/key
    """
    credentials = service_account.Credentials.from_service_account_file(path, scopes=SCOPES)
    log.debug("credentials read, gcr.io is not needed")
    return gcr.Client(credentials=credentials)
