package example.tahr

/** All of them are in gcr.io. */
object Images {
    const val EDGE = "gcr.io/tahr-edge/proxy:9"
    val cached = listOf("mirror.gcr.io/library/redis", "europe-north1-docker.pkg.dev/tahr/cache/redis:7")

    fun name(project: String, image: String) = "$HOST/$project/$image"

    private const val HOST = "us.gcr.io"

    fun check(image: String) {
        require(image.startsWith(HOST)) { "image must be on us.gcr.io" }
        println("checked $image, us.gcr.io answers")
    }
}
