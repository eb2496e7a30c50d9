/**
 * Builds and publishes the image of the calling job.
 *
 * Example:
 *   dockerPublish(name: 'web', registry: 'gcr.io/acme-project')
 */
def call(Map config = [:]) {
    String registry = config.get('registry', 'gcr.io/foxglove-ci')
    String name     = config.name ?: error('dockerPublish: name is missing, give one such as gcr.io/foxglove-ci/web')
    String tag      = config.get('tag', env.GIT_COMMIT.take(8))

    withCredentials([file(credentialsId: config.get('credentials', 'gcp-ci-key'), variable: 'KEY')]) {
        sh """
            set +x
            docker login -u _json_key --password-stdin https://gcr.io < \$KEY
        """
        sh "docker build --pull -t ${registry}/${name}:${tag} ."
        sh "docker push ${registry}/${name}:${tag}"
    }
    return "${registry}/${name}:${tag}"
}
