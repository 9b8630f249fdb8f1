package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"maestro/problem"
	"maestro/secrets"
)

// sourceOptions say where the references of secrets lead. A server has them among
// its options; a client takes them from the environment.
var sourceOptions = []option[secrets.Config]{
	sourceText("vault-address", "URL", "HashiCorp Vault or OpenBao that vault:// secrets are read from", func(c *secrets.Config) *string { return &c.Vault.Address }),
	sourceText("vault-ca", "FILE", "authorities (PEM) that its certificate must come from; the system's unless set", func(c *secrets.Config) *string { return &c.Vault.Roots }),
	sourceText("vault-namespace", "NAME", "its namespace", func(c *secrets.Config) *string { return &c.Vault.Namespace }),
	sourceSecret("vault-token", "token to read with; instead of an AppRole", func(c *secrets.Config) *string { return &c.Vault.Token }),
	sourceText("vault-role-id", "ID", "AppRole to log in as, with vault-secret-id", func(c *secrets.Config) *string { return &c.Vault.RoleID }),
	sourceSecret("vault-secret-id", "secret id of the AppRole", func(c *secrets.Config) *string { return &c.Vault.SecretID }),
	sourceText("vault-auth-mount", "PATH", "where the AppRole method is mounted; approle unless set", func(c *secrets.Config) *string { return &c.Vault.AuthMount }),
	sourceText("aws-region", "REGION", "region of the AWS Secrets Manager that awssm:// secrets are read from", func(c *secrets.Config) *string { return &c.AWS.Region }),
	sourceText("aws-endpoint", "URL", "its address, where it is not the region's own", func(c *secrets.Config) *string { return &c.AWS.Endpoint }),
	sourceText("aws-ca", "FILE", "authorities (PEM) that its certificate must come from; the system's unless set", func(c *secrets.Config) *string { return &c.AWS.Roots }),
	sourceText("aws-access-key-id", "ID", "access key to read with; no others are looked for", func(c *secrets.Config) *string { return &c.AWS.AccessKeyID }),
	sourceSecret("aws-secret-access-key", "its secret half", func(c *secrets.Config) *string { return &c.AWS.SecretAccessKey }),
	sourceSecret("aws-session-token", "session token of a temporary access key", func(c *secrets.Config) *string { return &c.AWS.SessionToken }),
	{name: "secrets-timeout", preset: secrets.DefaultTimeout.String(), unit: "DURATION", help: "how long the reading of one secret from Vault or AWS may take, with every try", apply: func(c *secrets.Config, text string) (err error) {
		c.Timeout, err = time.ParseDuration(text)
		if err != nil || c.Timeout < time.Second || c.Timeout > secrets.MaxTimeout {
			return fmt.Errorf("must be a duration from 1s to %s", secrets.MaxTimeout)
		}
		return nil
	}},
}

func sourceText(name, unit, help string, field func(*secrets.Config) *string) option[secrets.Config] {
	return option[secrets.Config]{name: name, unit: unit, help: help, apply: func(c *secrets.Config, text string) error {
		*field(c) = text
		return nil
	}}
}

func sourceSecret(name, help string, field func(*secrets.Config) *string) option[secrets.Config] {
	o := sourceText(name, "", help, field)
	o.secret = true
	return o
}

// serveSourceOptions are the same, as options of a server, which only looks
// whether they can be read: its secrets have been read by then.
func serveSourceOptions() []option[ServeSettings] {
	var all []option[ServeSettings]
	for _, o := range sourceOptions {
		all = append(all, option[ServeSettings]{name: o.name, preset: o.preset, unit: o.unit, secret: o.secret, help: o.help,
			apply: func(_ *ServeSettings, text string) error { return o.apply(new(secrets.Config), text) }})
	}
	return all
}

// unread is a secret that its source did not give.
type unread struct {
	option  string
	problem string // where it was to come from, and why it did not
	later   bool   // another try may help
}

// readSecrets puts the values into texts that the references there lead to, and
// returns those that could not be read. What is wrong with the sources' own
// options is among the problems.
func readSecrets[S any](ctx context.Context, table []option[S], texts map[string]setting, flags *pflag.FlagSet, lookup func(string) (string, bool), file layer) (failed []unread, problems []string) {
	needed := func(o option[S]) bool { return o.secret && secrets.IsReference(texts[o.name].text) }
	if !slices.ContainsFunc(table, needed) {
		return nil, nil
	}
	reader, failed, problems := openSources(ctx, flags, lookup, file)
	for _, o := range table {
		if !needed(o) || slices.ContainsFunc(failed, func(u unread) bool { return u.option == o.name }) {
			continue
		}
		if isSource(o.name) { // which was read already, from this machine
			texts[o.name] = setting{redacted, texts[o.name].source}
			continue
		}
		if len(failed) > 0 && secrets.IsRemote(texts[o.name].text) && slices.ContainsFunc(failed, func(u unread) bool { return isSource(u.option) }) {
			continue // for want of a credential that is named already
		}
		if failure := readOne(ctx, reader, o.name, texts); failure != nil {
			failed = append(failed, *failure)
		}
	}
	return failed, problems
}

func isSource(name string) bool {
	return slices.ContainsFunc(sourceOptions, func(o option[secrets.Config]) bool { return o.name == name })
}

// openSources returns a reader of what the options of the sources name. Their own
// secrets come from this machine: there must be a first one.
func openSources(ctx context.Context, flags *pflag.FlagSet, lookup func(string) (string, bool), file layer) (*secrets.Reader, []unread, []string) {
	var failed []unread
	texts, problems := resolve(sourceOptions, flags, lookup, file)
	local := secrets.NewReader(secrets.Config{Lookup: lookup})
	for _, o := range sourceOptions {
		switch text := texts[o.name]; {
		case !o.secret || !secrets.IsReference(text.text):
		case secrets.IsRemote(text.text):
			failed = append(failed, unread{option: o.name, problem: text.source + ": must come from this machine: a file, a variable or a credential of systemd"})
			texts[o.name] = setting{}
		default:
			if failure := readOne(ctx, local, o.name, texts); failure != nil {
				failed = append(failed, *failure)
				texts[o.name] = setting{}
			}
		}
	}
	config, wrong := apply(sourceOptions, texts)
	config.Lookup = lookup
	return secrets.NewReader(config), failed, append(problems, wrong...)
}

// readOne replaces a reference among texts by its value.
func readOne(ctx context.Context, reader *secrets.Reader, name string, texts map[string]setting) *unread {
	reference := texts[name]
	value, err := reader.Read(ctx, reference.text)
	if err == nil {
		texts[name] = setting{value, reference.source}
		return nil
	}
	var p *problem.Error
	why := err.Error()
	if errors.As(err, &p) {
		why = p.Detail
	}
	if secrets.Check(reference.text) == nil {
		why = reference.text + ": " + why // a reference is no secret, but what only looks like one may be
	}
	return &unread{option: name, problem: reference.source + ": " + why, later: problem.CodeOf(err) == problem.Unavailable}
}
