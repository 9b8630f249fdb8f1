// Maestro is an ML platform server in one file: tenants, projects, reusable
// artifacts, process metrics and predictions.
package main

import (
	"os"

	"maestro/cli"
)

func main() { os.Exit(cli.Main()) }
