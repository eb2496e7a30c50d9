#!/bin/bash
# Runs with Docker for Windows as well
docker run --rm -d --name spanner -p 9010:9010 gcr.io/cloud-spanner-emulator/emulator
docker run --rm -d --name pubsub -p 8085:8085 gcr.io/google.com/cloudsdktool/cloud-sdk:emulators gcloud beta emulators pubsub start --host-port=0.0.0.0:8085
docker run --rm \
  --link spanner --link pubsub \
  -v "//c/src/ocelot:/src" \
  gcr.io/ocelot-dev/test-runner:3
rc=$?
docker stop spanner pubsub
exit $rc
