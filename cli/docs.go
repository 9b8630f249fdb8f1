package cli

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"maestro/docs"
)

// docsCommand prints the manual, which is inside the binary.
func (a *app) docsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "docs [PAGE]", Short: "Print a page of the manual", Args: cobra.MaximumNArgs(1),
		Long: "Prints a page of the manual, in Markdown. Without a page it lists them.",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				names, err := fs.Glob(docs.Pages, "*.md")
				if err != nil {
					return err
				}
				for _, name := range names {
					if _, err := fmt.Fprintln(a.out, strings.TrimSuffix(name, ".md")); err != nil {
						return err
					}
				}
				return nil
			}
			page, err := docs.Pages.ReadFile(strings.TrimSuffix(args[0], ".md") + ".md")
			if err != nil {
				return fmt.Errorf("the manual has no page %q: maestro docs lists them", args[0])
			}
			_, err = a.out.Write(page)
			return err
		},
	}
}
