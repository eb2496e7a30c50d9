plugins {
    `java-library`
    `maven-publish`
    id("com.google.cloud.artifactregistry.gradle-plugin") version "2.2.1"
    id("com.google.cloud.tools.jib") version "3.4.0"
}

publishing {
    repositories {
        maven("artifactregistry://europe-west1-maven.pkg.dev/sienna/maven")
    }
    publications.create<MavenPublication>("gcr") {
        artifactId = "gcr"
        from(components["java"])
    }
}

jib {
    // no gcr.io here: see decision 14
    from.image = "cgr.dev/chainguard/jre:latest"
    to.image = "registry.sienna.example/gcr/app"
}
