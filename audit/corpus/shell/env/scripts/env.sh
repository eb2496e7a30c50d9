# Source this file: . scripts/env.sh
# shellcheck disable=SC2155
if [ -z "${BASH_VERSION:-}" ] && [ -z "${ZSH_VERSION:-}" ]; then
  echo "needs bash or zsh" >&2
fi

export REPO_ROOT=$(git rev-parse --show-toplevel)
export PYTHONPATH="$REPO_ROOT/src"
export KUBECONFIG="$HOME/.kube/nightjar"
export GCP_PROJECT=nightjar-ml
export DOCKER_HOST_PREFIX=gcr.io/$GCP_PROJECT
export KFP_IMAGE=gcr.io/ml-pipeline/api-server:1.8.5
export NOTEBOOK="gcr.io/kubeflow-images-public/tensorflow-1.15.2-notebook-cpu:1.0.0"
export DATALAB='gcr.io/cloud-datalab/datalab:latest'
export PATH="$PATH:/opt/gcr.io/bin"
export no_proxy="localhost,127.0.0.1,metadata.google.internal,.gcr.io,.nightjar.internal"
export HTTPS_PROXY=http://proxy.nightjar.internal:3128
