#!/bin/bash -e
NAME=$1
gcloud services enable container.googleapis.com containerregistry.googleapis.com compute.googleapis.com

# devstorage.read_only is for gcr.io
gcloud container clusters create "$NAME" \
  --zone us-central1-b \
  --num-nodes 3 \
  --machine-type n1-standard-4 \
  --scopes=storage-ro,logging-write,monitoring

gcloud container node-pools create big --cluster "$NAME" \
  --scopes "https://www.googleapis.com/auth/devstorage.read_only,https://www.googleapis.com/auth/logging.write" \
  --machine-type n1-highmem-8

gcloud compute instances create-with-container proxy \
  --container-image=gcr.io/kumquat-edge/envoy:1.20 \
  --scopes=cloud-platform
