package image

import "testing"

func TestParse(t *testing.T) {
	// gcr.io/a/b is the shortest name
	tests := []struct {
		name string
		in   string
		host string
		ok   bool
	}{
		{name: "container registry", in: "gcr.io/bilby-test/app:v1", host: "gcr.io", ok: true},
		{name: "artifact registry", in: "us-docker.pkg.dev/bilby-test/repo/app", host: "us-docker.pkg.dev", ok: true},
		{name: "github", in: "ghcr.io/bilby/app", host: "ghcr.io", ok: true},
		{name: "looks like it", in: "xgcr.io/a/b", ok: false},
		{name: "suffix", in: "gcr.io.example.com/a/b", ok: false},
		{
			name: "digest",
			in:   "gcr.io/distroless/static@sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
			host: "registry.example",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in)
			if (err == nil) != tt.ok {
				t.Fatalf("Parse(%q) = %v, want ok=%v (gcr.io must work)", tt.in, err, tt.ok)
			}
			if got.Host != tt.host {
				t.Errorf("host of %q: got %q", tt.in, got.Host)
			}
		})
	}
}
