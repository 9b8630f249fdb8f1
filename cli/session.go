package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maestro/client"
	"maestro/problem"
)

// renewBefore is how long before the end of an access token a new one is asked
// for.
const renewBefore = 30 * time.Second

// session is the credential of the last login. Several commands at once share
// it: one of them refreshes, the others find what it got.
type session struct {
	dir profileDir
	url string
}

// Token implements client.Credential.
func (s *session) Token(ctx context.Context) (string, error) {
	p, err := s.dir.read()
	if err != nil || p == nil || p.URL != s.url {
		return "", err
	}
	if time.Until(p.ExpiresAt) < renewBefore {
		return s.Renew(ctx, p.AccessToken)
	}
	return p.AccessToken, nil
}

// Renew implements client.Credential.
func (s *session) Renew(ctx context.Context, refused string) (token string, err error) {
	err = s.dir.locked(func() error {
		p, err := s.dir.read()
		if err != nil || p == nil || p.URL != s.url {
			return err
		}
		if p.AccessToken != refused && time.Until(p.ExpiresAt) > 0 {
			token = p.AccessToken // another command was first
			return nil
		}
		c, err := p.client()
		if err != nil {
			return err
		}
		grant, err := c.Refresh(ctx, client.RefreshRequest{RefreshToken: p.RefreshToken})
		var answer *client.Error
		if errors.As(err, &answer) && problem.Code(answer.Code()) == problem.Unauthenticated {
			return problem.New(problem.Unauthenticated, "The session of %s has ended. Log in again: maestro login", p.Email)
		}
		if err != nil {
			return err
		}
		p.take(&grant, time.Now())
		token = p.AccessToken
		return s.dir.write(p)
	})
	return token, err
}

// take puts a grant's tokens in the profile.
func (p *profile) take(g *client.Grant, now time.Time) {
	p.AccessToken, p.RefreshToken = g.AccessToken, g.RefreshToken
	p.ExpiresAt = now.Add(time.Duration(g.ExpiresIn) * time.Second).UTC()
}

func (a *app) loginCommand() *cobra.Command {
	var email, tenant, pin string
	var passwordStdin bool
	c := remote(&cobra.Command{
		Use: "login", Short: "Log in, and remember the session", Args: cobra.NoArgs,
		Long: "Asks for e-mail and password, or takes the password from standard input, and keeps the session in the user's\n" +
			"configuration directory in a file that only you can read. Later commands use it and refresh it.",
		Example: "  maestro login --email ann@example.org\n  maestro login --email ann@example.org --password-stdin < password",
		RunE: func(cmd *cobra.Command, _ []string) error {
			credentials := client.LoginRequest{Email: email, Tenant: tenant}
			var err error
			if credentials.Email == "" {
				if credentials.Email, err = a.ask("E-mail: "); err != nil {
					return err
				}
			}
			if credentials.Password, err = a.password(passwordStdin, "Password: "); err != nil {
				return err
			}
			return a.login(cmd, credentials, pin)
		},
	})
	c.Flags().StringVar(&email, "email", "", "whose account")
	c.Flags().StringVar(&tenant, "tenant", "", "its tenant's slug, when the e-mail has accounts in several tenants")
	c.Flags().StringVar(&pin, "pin", "", "SHA-256 of the authority that the server's certificate must come from, as maestro cert root prints it")
	c.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the password from standard input, to the end of its first line")
	return c
}

// login opens a session and keeps it in place of the last one.
func (a *app) login(cmd *cobra.Command, credentials client.LoginRequest, pin string) error {
	settings, err := a.clientSettings(cmd)
	if err != nil {
		return err
	}
	dir, err := findProfileDir()
	if err != nil {
		return err
	}
	last, err := dir.read()
	if err != nil {
		last = nil // whatever it is, this login replaces it
	}
	if settings.url == "" {
		settings.url = defaultURL
		if last != nil {
			settings.url = last.URL
		}
	}
	if last != nil && last.URL == settings.url && strings.EqualFold(last.Email, credentials.Email) {
		credentials.KnownClient = last.RefreshToken
	}
	p := &profile{URL: settings.url, Tenant: credentials.Tenant, Roots: settings.roots}
	if p.Roots == "" && pin == "" && last != nil && last.URL == p.URL {
		p.Roots = last.Roots
	}
	if pin != "" {
		if p.Roots, err = pinned(cmd.Context(), p.URL, pin); err != nil {
			return err
		}
	}
	c, err := p.client()
	if err != nil {
		return &usageError{err}
	}
	grant, err := c.LogIn(cmd.Context(), credentials)
	if err != nil {
		return err
	}
	p.Email = grant.User.Email
	p.take(&grant, time.Now())
	if err := dir.locked(func() error { return dir.write(p) }); err != nil {
		return err
	}
	if last != nil {
		_ = endSession(cmd.Context(), last) // it may have ended, or its server be gone
	}
	a.note("Logged in to %s as %s.", p.URL, p.Email)
	return nil
}

// ask reads a line from the terminal.
func (a *app) ask(prompt string) (string, error) {
	if !isTerminal(a.in) {
		return "", usage(strings.TrimSuffix(prompt, ": ") + " is needed as a flag when standard input is not a terminal")
	}
	fmt.Fprint(a.err, prompt)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(line), nil
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End the session of the last login", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := findProfileDir()
			if err != nil {
				return err
			}
			return dir.locked(func() error {
				p, err := dir.read()
				if p == nil && err == nil {
					a.note("Nobody was logged in.")
					return nil
				}
				// The file goes in any case: a session that cannot be ended ends by itself.
				if err == nil {
					err = endSession(cmd.Context(), p)
				}
				return errors.Join(dir.remove(), err)
			})
		},
	}
}

// endSession ends a session on its server. One that has ended is no error.
func endSession(ctx context.Context, p *profile) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	err = c.LogOut(ctx, client.RefreshRequest{RefreshToken: p.RefreshToken})
	var answer *client.Error
	if errors.As(err, &answer) && problem.Code(answer.Code()) == problem.Unauthenticated {
		return nil
	}
	return err
}

func (a *app) whoamiCommand() *cobra.Command {
	return remote(&cobra.Command{
		Use: "whoami", Short: "Show who you are to the server, and what you may do", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			me, err := c.GetMe(cmd.Context())
			if err != nil {
				return err
			}
			return printOne(a.out, a.form, meColumns, me)
		},
	})
}

var meColumns = []column[client.Me]{
	{name: "email", value: func(m *client.Me) any { return m.User.Email }},
	{name: "name", value: func(m *client.Me) any { return m.User.Name }},
	{name: "tenant", value: func(m *client.Me) any { return m.Tenant.Slug }},
	{name: "roles", value: func(m *client.Me) any { return m.User.Roles }},
	{name: "is_operator", value: func(m *client.Me) any { return m.IsOperator }},
	{name: "permissions", value: func(m *client.Me) any { return m.Permissions }, extra: true},
}
