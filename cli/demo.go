package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"maestro/client"
)

// demoLogin is an account that the demo made.
type demoLogin struct {
	Tenant   string `json:"tenant"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

var demoLoginColumns = []column[demoLogin]{
	{name: "tenant", value: func(l *demoLogin) any { return l.Tenant }},
	{name: "email", value: func(l *demoLogin) any { return l.Email }},
	{name: "password", value: func(l *demoLogin) any { return l.Password }},
}

func (a *app) demoCommand() *cobra.Command {
	return remote(&cobra.Command{
		Use: "demo", Short: "Fill a server with three histories of real projects", Args: cobra.NoArgs,
		Long: "Creates three tenants through the API (desharnais, china, maxwell), each with its own tenant_admin, and imports into each\n" +
			"the history of real finished projects of that name, with artifacts and their usages. In a clone of git, its history\n" +
			"becomes the process metrics of a project. You need to be logged in as an operator; maestro serve --demo needs nothing.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			var logins []demoLogin
			err = a.fillDemo(cmd.Context(), c, nil, func(l demoLogin) error {
				logins = append(logins, l)
				return nil
			})
			if err != nil {
				return err
			}
			return a.printDemo(c.URL(), logins)
		},
	})
}

// demoLoginsName is the file that keeps the accounts, in the data directory of a
// server that was started with the demo: its later starts print them again.
const demoLoginsName = "demo-logins.json"

// demoOperator names the first operator of such a server, unless one was named.
const demoOperator = "operator@demo.example"

// demo is what serve --demo adds to a server.
type demo struct {
	path   string      // of the accounts
	logins []demoLogin // the operator's first
}

// prepareDemo reads the accounts of an earlier start, or names the operator that
// the appliance is to make.
func prepareDemo(settings *ServeSettings) (*demo, error) {
	d := &demo{path: filepath.Join(settings.Data, demoLoginsName)}
	text, err := os.ReadFile(d.path)
	if err == nil {
		return d, json.Unmarshal(text, &d.logins)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if settings.AdminEmail == "" {
		settings.AdminEmail, settings.AdminPassword = demoOperator, rand.Text()
	}
	d.logins = []demoLogin{{Email: settings.AdminEmail, Password: settings.AdminPassword}}
	return d, nil
}

// fill makes what earlier starts have not made of the demo, on a running
// appliance.
func (d *demo) fill(ctx context.Context, a *app, url string) error {
	if len(d.logins) > len(histories()) {
		return nil
	}
	c, err := loggedIn(ctx, url, d.logins[0])
	if err != nil {
		return fmt.Errorf("the demo needs a new data directory, or MAESTRO_ADMIN_EMAIL and MAESTRO_ADMIN_PASSWORD of its operator: %w", err)
	}
	if err := d.save(); err != nil {
		return err
	}
	return a.fillDemo(ctx, c, d.logins, func(l demoLogin) error {
		d.logins = append(d.logins, l)
		return d.save()
	})
}

func (d *demo) save() error {
	text, err := json.MarshalIndent(d.logins, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(d.path, append(text, '\n'))
}

func (a *app) printDemo(url string, logins []demoLogin) error {
	if a.form != formTable {
		return printList(a.out, a.form, demoLoginColumns, logins)
	}
	fmt.Fprintln(a.out, "\nThe demo is ready. Its accounts:")
	if err := printList(a.out, a.form, demoLoginColumns, logins); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.out, "\nLog in and look around:\n  maestro login --url %s --email %s\n  maestro project list\n  maestro artifact top\n", url, logins[len(logins)-1].Email)
	return err
}

// loggedIn returns a client with a session that is not kept.
func loggedIn(ctx context.Context, url string, login demoLogin) (*client.Client, error) {
	options := client.Options{URL: url, UserAgent: "maestro/" + Version()}
	c, err := client.New(options)
	if err != nil {
		return nil, err
	}
	grant, err := c.LogIn(ctx, client.LoginRequest{Email: login.Email, Password: login.Password, Tenant: login.Tenant})
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", login.Email, err)
	}
	options.Credential = client.Token(grant.AccessToken)
	return client.New(options)
}
