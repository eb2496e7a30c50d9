name := "chital"
version := "0.4.2"
scalaVersion := "2.13.12"

enablePlugins(JavaAppPackaging, DockerPlugin)

// sbt Docker/publish pushes to gcr.io
dockerBaseImage := "gcr.io/distroless/java17"
dockerRepository := Some("eu.gcr.io/chital-events")
dockerUsername := None
dockerUpdateLatest := true
Docker / packageName := "ingest"

// dockerRepository := Some("gcr.io")
