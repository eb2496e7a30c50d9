"""Google's client library for Artifact Registry at work on a registry of our own. Called by run.sh.

client.py BASE TOKENFILE, where project p has a repository `own` in `us` with a package `lib` of two tagged versions.
"""

import sys

from google.api_core import exceptions
from google.cloud import artifactregistry_v1 as ar
from google.cloud.artifactregistry_v1.services.artifact_registry.transports import ArtifactRegistryRestTransport
from google.oauth2.credentials import Credentials

scheme, host = sys.argv[1].split("://")
with open(sys.argv[2], encoding="ascii") as file:
    credentials = Credentials(token=file.read())
client = ar.ArtifactRegistryClient(
    transport=ArtifactRegistryRestTransport(host=host, credentials=credentials, url_scheme=scheme)
)
parent = "projects/p/locations/us"
repository = ar.Repository(format_=ar.Repository.Format.DOCKER, description="x", labels={"k": "v"})
made = client.create_repository(parent=parent, repository_id="py", repository=repository).result()
assert made.name == f"{parent}/repositories/py", made
assert made.mode == ar.Repository.Mode.STANDARD_REPOSITORY, made
assert "py" in [found.name.rsplit("/", 1)[1] for found in client.list_repositories(parent=parent)]
made.description = "new"
made.cleanup_policies = {
    "old": ar.CleanupPolicy(
        action=ar.CleanupPolicy.Action.DELETE,
        condition=ar.CleanupPolicyCondition(tag_state=ar.CleanupPolicyCondition.TagState.UNTAGGED),
    )
}
changed = client.update_repository(repository=made, update_mask={"paths": ["description", "cleanup_policies"]})
assert changed.description == "new" and changed.cleanup_policies["old"].action == 1, changed
for attempt, expected in [
    (lambda: client.get_repository(name=f"{parent}/repositories/none"), exceptions.NotFound),
    (
        lambda: client.create_repository(parent=parent, repository_id="py", repository=repository),
        exceptions.Conflict,
    ),
]:
    try:
        attempt()
        raise AssertionError(expected)
    except expected as error:
        assert "py" in error.message or "none" in error.message, error

policy = client.get_iam_policy(request={"resource": made.name})
policy.bindings.add(role="roles/artifactregistry.reader", members=["allUsers"])
assert client.set_iam_policy(request={"resource": made.name, "policy": policy}).etag != policy.etag
try:
    client.set_iam_policy(request={"resource": made.name, "policy": policy})
    raise AssertionError("set twice from one reading")
except exceptions.Conflict:
    pass
asked = ["artifactregistry.repositories.get"]
assert client.test_iam_permissions(request={"resource": made.name, "permissions": asked}).permissions == asked

package = f"{parent}/repositories/own/packages/lib"
assert client.get_package(name=package).display_name == "lib"
versions = list(client.list_versions(request={"parent": package, "view": "FULL", "page_size": 1}))
assert len(versions) == 2 and all(version.related_tags for version in versions), versions
assert dict(versions[0].metadata)["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
tag = client.create_tag(parent=package, tag_id="py", tag=ar.Tag(version=versions[0].name))
tag.version = versions[1].name
assert client.update_tag(tag=tag, update_mask={"paths": ["version"]}).version == versions[1].name
assert len(list(client.list_tags(parent=package))) == 3
client.delete_tag(name=tag.name)
images = [image for image in client.list_docker_images(parent=f"{parent}/repositories/own") if "/lib@" in image.uri]
assert len(images) == 2 and images[0].build_time.year == 2024, images
assert client.get_docker_image(name=images[0].name).uri == images[0].uri
assert [place.name.rsplit("/", 1)[1] for place in client.list_locations({"name": "projects/p"}).locations]
client.batch_delete_versions(request={"parent": package, "names": [versions[0].name]}).result()
client.delete_package(name=package).result()
client.delete_repository(name=made.name).result()
print("all done")
