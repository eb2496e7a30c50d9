#!/bin/bash
version=v1.22.2
images=(
  kube-apiserver:${version}
  kube-controller-manager:${version}
  pause:3.5
  etcd:3.5.0-0
)
for i in "${images[@]}"; do
  docker pull registry.cn-hangzhou.aliyuncs.com/google_containers/$i
  docker tag registry.cn-hangzhou.aliyuncs.com/google_containers/$i k8s.gcr.io/$i
  docker rmi registry.cn-hangzhou.aliyuncs.com/google_containers/$i
done
# newer: registry.k8s.io
docker tag coredns/coredns:1.8.4 k8s.gcr.io/coredns/coredns:v1.8.4
docker pull gcr.io/google_containers/pause-amd64:3.1
docker pull quay.io/coreos/flannel:v0.14.0
kubeadm init --kubernetes-version=${version} --pod-network-cidr=10.244.0.0/16
