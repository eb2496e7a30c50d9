import com.google.cloud.tools.jib.gradle.JibExtension

plugins {
    kotlin("jvm") version "1.9.22"
    id("com.google.cloud.tools.jib") version "3.4.0"
}

/** Images end up in eu.gcr.io/vermilion-prod. */
val registry: String by lazy { System.getenv("REGISTRY") ?: "eu.gcr.io" }
val gcpProject = providers.gradleProperty("gcpProject").getOrElse("vermilion-prod")

jib {
    from.image = "europe-docker.pkg.dev/vermilion-prod/base/jre@sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
    to {
        image = "$registry/$gcpProject/app"
        tags = setOf("latest", project.version.toString())
    }
    container {
        mainClass = "example.vermilion.MainKt"
    }
}

tasks.register<Exec>("pushDebug") {
    group = "publishing"
    description = "Pushes the debug image to eu.gcr.io"
    commandLine("docker", "push", "eu.gcr.io/vermilion-prod/app-debug:$version")
}

tasks.named("jib") {
    doFirst { logger.lifecycle("pushing to eu.gcr.io/vermilion-prod") }
}
