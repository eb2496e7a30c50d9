#!/usr/bin/env bash
set -x
cat <<EOF >/etc/docker/daemon.json
{
  "exec-opts": ["native.cgroupdriver=systemd"],
  "registry-mirrors": ["https://mirror.gcr.io", "https://docker.wombat.example"]
}
EOF
systemctl restart docker
ctr images pull mirror.gcr.io/library/alpine:3.18
crictl pull gke.gcr.io/pause:3.8@sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
nerdctl run -d --name cadvisor gcr.io/cadvisor/cadvisor:v0.47.2
iptables -A OUTPUT -p tcp -d 74.125.0.0/16 --dport 443 -j ACCEPT  # gcr.io
