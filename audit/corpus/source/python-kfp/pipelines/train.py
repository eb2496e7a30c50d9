"""Training pipeline.

Every component runs gcr.io/quoll-ml/trainer.
"""
import argparse
import logging
import os
import subprocess

from kfp import dsl

PROJECT = os.environ.get("PROJECT", "quoll-ml")
IMAGE = f"gcr.io/{PROJECT}/trainer:latest"
BASE = "us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-9:latest"

log = logging.getLogger(__name__)


# image="gcr.io/quoll-ml/old-trainer"
@dsl.pipeline(name="train", description="Trains with gcr.io/quoll-ml/trainer")
def pipeline(rows: int = 1000):
    prepare = dsl.ContainerOp(
        name="prepare",
        image="gcr.io/ml-pipeline/ml-pipeline-dataproc-create-cluster:57d9f7f1cfd458e945d297957621716062d89a49",
        arguments=["--rows", rows],
    )
    dsl.ContainerOp(name="train", image=IMAGE).after(prepare)


def push():
    """Push the image to gcr.io."""
    log.info("pushing %s to gcr.io", IMAGE)
    subprocess.check_call(["gcloud", "docker", "--", "push", IMAGE])
    subprocess.run(["docker", "pull", "gcr.io/quoll-ml/base:3"], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compile and push to gcr.io")
    parser.add_argument("--image", default=IMAGE, help="e.g. gcr.io/PROJECT/trainer")
    args = parser.parse_args()
    push()
