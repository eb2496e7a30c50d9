#!/usr/bin/env bash
set -eu
VERSION=v0.26.0
kubectl apply -f "https://github.com/knative/serving/releases/download/${VERSION}/serving-core.yaml"

cosign verify \
  --certificate-oidc-issuer=https://accounts.google.com \
  gcr.io/knative-releases/knative.dev/serving/cmd/controller:${VERSION}

docker pull gcr.io/tekton-releases/github.com/tektoncd/pipeline/cmd/controller:v0.29.0
docker pull gcr.io/istio-testing/pilot:latest # nightly
docker pull gcr.io/projectcontour/contour:v1.0.0
docker pull gcr.io/heptio-images/velero:v1.1.0
docker pull docker.io/projectcontour/contour:v1.27.0
helm2 init --tiller-image gcr.io/kubernetes-helm/tiller:v2.17.0
