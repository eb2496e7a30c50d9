package cmd

import (
	"errors"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/spf13/cobra"
)

var errHost = errors.New("only gcr.io and pkg.dev are supported")

func newPush() *cobra.Command {
	var registry, base string
	cmd := &cobra.Command{
		Use:     "push IMAGE",
		Short:   "Push an image to gcr.io",
		Long:    `Pushes an image.

The image goes to gcr.io/PROJECT/NAME unless --registry is given.`,
		Example: "  numbat push app --registry gcr.io/my-project",
		RunE: func(cmd *cobra.Command, args []string) error {
			if registry == "" {
				return errHost
			}
			return crane.Copy(args[0], registry+"/"+args[0])
		},
	}
	cmd.Flags().StringVar(&registry, "registry", "gcr.io/numbat-tools", "where to push")
	cmd.Flags().StringVar(&base, "base", "", "base image, for example gcr.io/distroless/base")
	return cmd
}
