// Package verify refuses images of gcr.io.
//
// It knows nothing about gcr.io/PROJECT itself: the list of hosts is a file.
package verify

import (
	"errors"
	"fmt"
	"log/slog"

	"example.com/nilgai/gcr"
)

// ErrLegacy is returned for images of gcr.io.
var ErrLegacy = errors.New("images of gcr.io are not allowed")

/*
   gcr.io/nilgai/app  -> refused
   ghcr.io/nilgai/app -> fine
*/
func Check(image string, hosts gcr.Hosts) error {
	if hosts.Legacy(image) {
		slog.Warn("image is still on gcr.io", "image", image)
		return fmt.Errorf("%s: move it from gcr.io: %w", image, ErrLegacy)
	}
	return nil
}
