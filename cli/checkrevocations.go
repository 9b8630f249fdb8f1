package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"maestro/auth"
)

const checkRevocationsName = "check-revocations"

// checkRevocations returns the check of the file of revocations that runs this
// program once more: what a damaged file ends is that process.
func checkRevocations() (func(path string) error, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's file: %w", err)
	}
	return auth.CheckInChild(program, checkRevocationsName), nil
}

// checkRevocationsCommand is the other end of checkRevocations.
func (a *app) checkRevocationsCommand() *cobra.Command {
	return &cobra.Command{Use: checkRevocationsName + " FILE", Short: "Look for damage in a file of revocations", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return auth.CheckRevocationFile(args[0]) }}
}
