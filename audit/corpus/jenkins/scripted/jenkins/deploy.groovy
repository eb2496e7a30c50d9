import groovy.json.JsonOutput

String PROJECT_ID = 'quarrystone-prod'
String HOST = "https://gcr.io/quarrystone-prod"

def images = ['api', 'worker', 'cron'].collect { "gcr.io/${PROJECT_ID}/${it}" }

stage('push') {
    node('docker') {
        docker.withRegistry(HOST, "gcr:${PROJECT_ID}") {
            images.each { img -> docker.image(img).push('stable') }
        }
        sh label: 'list', script: "gcloud container images list --repository=gcr.io/${PROJECT_ID}"
    }
}

stage('sidecars') {
    node('docker') {
        sh """
        kubectl set image deployment/api \\
            proxy=gcr.io/cloudsql-docker/gce-proxy:1.33.2 \\
            api=${images[0]}:stable
        kubectl rollout status deployment/api
        """
        writeFile file: 'deploy.json', text: JsonOutput.toJson([images: images])
    }
}
