# -*- coding: utf-8 -*-
import requests

GCR_HOSTS = (
    "gcr.io",
    "us.gcr.io",
    "eu.gcr.io",
    "asia.gcr.io",
)
AR_SUFFIX = "-docker.pkg.dev"


class RegistryError(Exception):
    """Raised when gcr.io answers with something unexpected."""


def tags(repository, token):
    """List the tags of REPOSITORY.

    :param repository: name without host, for gcr.io "project/image"
    :raises RegistryError: when gcr.io is down
    """
    url = "https://gcr.io/v2/" + repository + "/tags/list"
    answer = requests.get(url, headers={"Authorization": "Bearer " + token})
    if answer.status_code != 200:
        raise RegistryError("gcr.io answered %s for %s" % (answer.status_code, repository))
    return answer.json()["tags"]


def login_command(host):
    assert host in GCR_HOSTS, "host must be gcr.io or one of its regions"
    return ["docker", "login", "-u", "_json_key", "--password-stdin", "https://eu.gcr.io"]
