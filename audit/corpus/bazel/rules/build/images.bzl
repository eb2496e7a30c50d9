"""Macros for images.

`gannet_image` pushes to gcr.io/PROJECT/NAME for every project given.
"""

load("@rules_oci//oci:defs.bzl", "oci_push")

_PROJECTS = {
    "dev": "heron-dev",
    "prod": "heron-prod",
}

_REGISTRY = "us.gcr.io"

def heron_image(name, image, tags = []):
    """Declares push targets.

    Args:
      name: e.g. "api", which ends up as us.gcr.io/heron-dev/api
      image: label of the image
      tags: passed on
    """
    for env, project in _PROJECTS.items():
        oci_push(
            name = "%s.push.%s" % (name, env),
            image = image,
            repository = "/".join([_REGISTRY, project, name]),
            tags = tags,
        )

    if not name:
        fail("a name is needed for us.gcr.io")

def default_base():
    return "k8s.gcr.io/build-image/debian-base:buster-v1.6.0"
