local images = {
  go: 'golang:1.20',
  jsonnet: 'ghcr.io/peatbog/drone-jsonnet:4',
};

// Releases go to Container Registry (us.gcr.io) under the shared project.
local publish(name, dockerfile) = {
  name: 'publish-' + name,
  image: 'plugins/gcr',
  settings: {
    registry: 'us.gcr.io',
    repo: 'peatbog-dev/' + name,
    dockerfile: dockerfile,
    json_key: { from_secret: 'gcr_admin' },
  },
};

local pipeline(name, steps) = {
  kind: 'pipeline',
  type: 'docker',
  name: name,
  steps: steps,
};

[
  pipeline('test', [
    { name: 'unit', image: images.go, commands: ['go test ./...'] },
  ]),
  pipeline('release', [
    publish('collector', 'cmd/collector/Dockerfile'),
    publish('gateway', 'cmd/gateway/Dockerfile'),
    { name: 'notify', image: 'plugins/slack', settings: { channel: 'releases', template: 'pushed to us.gcr.io/peatbog-dev' } },
  ]) + { trigger: { ref: ['refs/tags/**'] } },
]
