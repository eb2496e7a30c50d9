package com.foxglove.ci

/** Image names that jobs share. Everything moved away from gcr.io in spring. */
class Images implements Serializable {
    static final String BUILDER = 'europe-west3-docker.pkg.dev/foxglove-ci/base/builder:7'
    static final String LINT    = 'docker.io/hadolint/hadolint:2.12.0'
    static final String SCAN    = 'ghcr.io/aquasecurity/trivy:0.49.1'

    private final def steps

    Images(steps) { this.steps = steps }

    String byName(String name) {
        switch (name) {
            case 'java':
                return 'gcr.io/distroless/java17-debian12:nonroot'
            case 'pause':
                return 'k8s.gcr.io/pause:3.2'
            default:
                steps.error "no image called ${name}"
        }
    }
}
