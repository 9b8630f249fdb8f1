package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPasswordLine bounds what is read of standard input for a password.
const maxPasswordLine = 4096

// password reads a password: the first line of standard input, or what is typed
// unseen.
func (a *app) password(stdin bool, prompt string) (string, error) {
	if stdin {
		text, err := io.ReadAll(io.LimitReader(a.in, maxPasswordLine))
		if err != nil {
			return "", err
		}
		line, _, _ := strings.Cut(string(text), "\n")
		return strings.TrimSuffix(line, "\r"), nil
	}
	if !isTerminal(a.in) {
		return "", usage("the password is asked for on a terminal: use --password-stdin otherwise")
	}
	fmt.Fprint(a.err, prompt)
	text, err := term.ReadPassword(int(a.in.Fd()))
	fmt.Fprintln(a.err)
	return string(text), err
}

// addPasswordFlags gives a command that sets a password the ways to say it. There
// is none on the command line, which everybody on the machine can read.
func addPasswordFlags(c *cobra.Command) {
	c.Flags().Bool("password-stdin", false, "read the password from standard input, to the end of its first line")
	c.Flags().String("password-file", "", "read the password from a file")
	c.MarkFlagsMutuallyExclusive("password-stdin", "password-file")
}

// newPassword reads a password that is to be set; on a terminal twice, because
// nobody sees what is typed.
func (a *app) newPassword(cmd *cobra.Command, email string) (string, error) {
	stdin, err := cmd.Flags().GetBool("password-stdin")
	if err != nil {
		return "", err
	}
	path, err := cmd.Flags().GetString("password-file")
	if err != nil {
		return "", err
	}
	if path != "" {
		return readSecretFile(path)
	}
	password, err := a.password(stdin, "New password of "+email+": ")
	if err != nil || stdin {
		return password, err
	}
	again, err := a.password(false, "Again: ")
	if err == nil && again != password {
		err = usage("the two are not the same: nothing was changed")
	}
	return password, err
}
