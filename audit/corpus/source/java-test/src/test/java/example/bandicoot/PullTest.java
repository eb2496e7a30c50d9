package example.bandicoot;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.utility.DockerImageName;

class PullTest {
    @Test
    @DisplayName("pulls the emulator from gcr.io")
    void emulator() {
        var image = DockerImageName.parse("gcr.io/google.com/cloudsdktool/cloud-sdk:441.0.0-emulators");
        try (var c = new GenericContainer<>(image)) {
            c.start();
        }
    }

    @Test
    void ownImage() {
        String yaml = """
            containers:
              - name: api
                image: gcr.io/bandicoot-test/api:1
            """;
        assertEquals("gcr.io/bandicoot-test/api:1", Manifests.firstImage(yaml), "wrong image (gcr.io)");
    }
}
