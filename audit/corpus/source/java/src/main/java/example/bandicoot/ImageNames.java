package example.bandicoot;

import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Names of images, e.g. {@code gcr.io/bandicoot-prod/api}.
 */
public final class ImageNames {
    private static final Logger LOG = LoggerFactory.getLogger(ImageNames.class);

    public static final String REGISTRY = "asia.gcr.io";
    public static final String API = "asia.gcr.io/bandicoot-prod/api";
    static final List<String> SIDECARS = List.of("gcr.io/istio-release/proxyv2:1.4", "quay.io/jetstack/cert-manager:v1");
    static final Map<String, String> BASES = Map.of(
            "java", "gcr.io/distroless/java17-debian12",
            "node", "node:20-slim"); // not gcr.io/distroless/nodejs

    private ImageNames() {}

    public static String of(String project, String name) {
        LOG.debug("building a name for gcr.io, project {}", project);
        if (name.isBlank()) {
            throw new IllegalArgumentException("name of an image in gcr.io must not be blank");
        }
        return String.format("asia.gcr.io/%s/%s", project, name);
    }
}
