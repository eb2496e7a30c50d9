// Package deploy rolls images out. Images are in gcr.io/PROJECT.
package deploy

import (
	"context"
	"fmt"
	"log"
	"os/exec"
	"strings"
)

const (
	defaultRegistry = "gcr.io"
	pauseImage      = "k8s.gcr.io/pause:3.5"
	// debugImage = "gcr.io/axolotl-dev/debug"
	debugImage = "ghcr.io/axolotl/debug:1"
)

// Image returns the full name, for example gcr.io/axolotl-prod/api:v1.
func Image(project, name, tag string) string {
	return fmt.Sprintf("eu.gcr.io/%s/%s:%s", project, name, tag)
}

// IsLegacy tells whether an image is in Container Registry.
func IsLegacy(image string) bool {
	return strings.HasPrefix(image, "gcr.io/") || strings.Contains(image, "us.gcr.io/")
}

func Push(ctx context.Context, image string) error {
	log.Printf("pushing %s to gcr.io", image)
	cmd := exec.CommandContext(ctx, "gcloud", "auth", "configure-docker", "--quiet")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot configure docker for gcr.io: %w", err)
	}
	return exec.CommandContext(ctx, "docker", "push", image).Run()
}
