import json
import unittest

from policy import allowed


class AllowedTest(unittest.TestCase):
    """Images of gcr.io/dasyure-* are ours."""

    def test_ours(self):
        # gcr.io without project is refused elsewhere
        self.assertTrue(allowed("gcr.io/dasyure-prod/api"))
        self.assertTrue(allowed("asia.gcr.io/dasyure-prod/api:1"))

    def test_others(self):
        self.assertFalse(allowed("docker.io/library/nginx"), "only gcr.io is allowed")
        self.assertFalse(allowed("gcr.io.evil.example/dasyure-prod/api"))
        self.assertFalse(allowed("ghcr.io/dasyure/api"))

    def test_mirror(self):
        self.assertTrue(allowed("mirror.gcr.io/library/nginx"))

    def test_docker_config(self):
        config = json.loads('{"credHelpers": {"gcr.io": "gcloud"}}')
        self.assertEqual(list(config), ["credHelpers"])
