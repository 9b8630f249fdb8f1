package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"maestro/audit"
	"maestro/client"
	"maestro/storage"
	"maestro/tenancy"
)

func (a *app) auditCommand() *cobra.Command {
	return remote(a.group("audit", "Read and verify the audit trail", a.auditList(), a.auditVerify()))
}

var eventColumns = []column[client.AuditEvent]{
	{name: "time", value: func(e *client.AuditEvent) any { return instant(e.Time) }},
	{name: "sequence", value: func(e *client.AuditEvent) any { return e.Sequence }, extra: true},
	{name: "actor", value: func(e *client.AuditEvent) any { return actorOf(e) }},
	{name: "credential_id", value: func(e *client.AuditEvent) any { return e.CredentialID }, extra: true},
	{name: "address", value: func(e *client.AuditEvent) any { return e.Address }},
	{name: "action", value: func(e *client.AuditEvent) any { return e.Action }},
	{name: "outcome", value: func(e *client.AuditEvent) any { return e.Outcome }},
	{name: "object", value: func(e *client.AuditEvent) any { return e.Object }},
	{name: "before", value: func(e *client.AuditEvent) any { return e.Before }, extra: true},
	{name: "after", value: func(e *client.AuditEvent) any { return e.After }, extra: true},
	{name: "request_id", value: func(e *client.AuditEvent) any { return e.RequestID }, extra: true},
	{name: "hash", value: func(e *client.AuditEvent) any { return e.Hash }, extra: true},
}

// actorOf is who acted: a user's id, or the kind of what is no user.
func actorOf(e *client.AuditEvent) string {
	if e.ActorID == nil {
		return e.ActorKind
	}
	return *e.ActorID
}

func (a *app) auditList() *cobra.Command {
	var params client.ListAuditEventsParams
	var limit int
	var user string
	var installation bool
	c := &cobra.Command{Use: "list", Short: "List who did what, the newest first", Args: cobra.NoArgs,
		Example: "  maestro audit list --action project.delete --from 2026-11-01\n  maestro audit list --outcome denied --limit 0 -o csv > denied.csv",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usage("--limit must not be negative")
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			if user != "" {
				found, err := findUser(cmd.Context(), c, user)
				if err != nil {
					return err
				}
				params.ActorID = found.ID
			}
			params.Limit = pageSize
			if limit > 0 {
				params.Limit = int64(min(limit, pageSize))
			}
			events := c.AllAuditEvents(cmd.Context(), params)
			if installation {
				events = c.AllInstallationEvents(cmd.Context(), client.ListInstallationEventsParams(params))
			}
			found, err := collect(events, limit)
			if err != nil {
				return err
			}
			return printList(a.out, a.form, eventColumns, found)
		}}
	flags := c.Flags()
	flags.StringVar(&user, "user", "", "only what this user did, by id or e-mail")
	flags.StringVar(&params.Action, "action", "", "only this action, such as project.create; or a kind, such as project")
	flags.StringVar(&params.Object, "object", "", "only what was done to the object of this id or name")
	flags.StringVar(&params.Outcome, "outcome", "", "only success, or only denied")
	flags.StringVar(&params.From, "from", "", "only events of this time or later: RFC 3339, or a date")
	flags.StringVar(&params.Until, "until", "", "only events before this time")
	flags.IntVar(&limit, "limit", 50, "at most so many; 0 for all")
	flags.BoolVar(&installation, "installation", false, "the installation's own trail (operator)")
	return c
}

// chainColumns are what a verification prints of each chain. The anchor is to be
// noted elsewhere.
var chainColumns = []column[storage.ChainReport]{
	{name: "chain", value: func(r *storage.ChainReport) any { return chainOf(r) }},
	{name: "events", value: func(r *storage.ChainReport) any { return r.Events }},
	{name: "pruned", value: func(r *storage.ChainReport) any { return r.Pruned.Sequence }},
	{name: "verdict", value: func(r *storage.ChainReport) any { return verdictOf(r) }},
	{name: "anchor", value: func(r *storage.ChainReport) any { return anchorOf(r) }},
}

func chainOf(r *storage.ChainReport) string {
	switch {
	case r.Slug != "":
		return r.Slug
	case r.Tenant != nil:
		return r.Tenant.String()
	}
	return "installation"
}

func verdictOf(r *storage.ChainReport) string {
	if r.Fault == nil {
		return "sound"
	}
	return fmt.Sprintf("broken at event %d", r.Fault.Sequence)
}

func anchorOf(r *storage.ChainReport) string {
	if r.Fault != nil || r.Head.Sequence == 0 {
		return ""
	}
	anchor := audit.Anchor{Sequence: r.Head.Sequence, Hash: r.Head.Hash}
	if r.Tenant != nil {
		anchor.Tenant = *r.Tenant
	}
	return anchor.String()
}

func (a *app) auditVerify() *cobra.Command {
	var dir string
	var noted []string
	var installation bool
	c := &cobra.Command{Use: "verify", Short: "Verify that no event of the audit trail was altered, removed or added", Args: cobra.NoArgs,
		Long: "Reads the audit trail of your tenant from the server and computes every hash anew; with --installation the installation's own\n" +
			"(operator). With --data it verifies every chain in a data directory, whether its server runs or not. It ends with 65 when a chain\n" +
			"is broken, and names the first event that is not as it was written.\n\n" +
			"Whoever can write the database can write a whole chain anew. So note the anchor that is printed where they cannot write, and give\n" +
			"it to a later verification: it shows that the trail up to it is still the one that you saw.",
		Example: "  maestro audit verify --data /var/lib/maestro\n  maestro audit verify --anchor installation:41:9f86d0…",
		RunE: func(cmd *cobra.Command, _ []string) error {
			anchors, err := parseAnchors(noted)
			if err != nil {
				return err
			}
			var reports []storage.ChainReport
			if dir != "" {
				reports, err = verifyDir(cmd.Context(), dir, anchors)
			} else {
				reports, err = a.verifyTrail(cmd, installation, anchors)
			}
			if err != nil {
				return err
			}
			if err := printList(a.out, a.form, chainColumns, reports); err != nil {
				return err
			}
			var faults []error
			for _, r := range reports {
				if r.Fault != nil {
					faults = append(faults, r.Fault)
				}
			}
			return errors.Join(faults...)
		}}
	flags := c.Flags()
	flags.StringVar(&dir, "data", "", "data directory: verify every chain in it")
	flags.BoolVar(&installation, "installation", false, "the installation's own trail (operator)")
	flags.StringArrayVar(&noted, "anchor", nil, "an anchor that was noted before; may be given several times")
	c.MarkFlagsMutuallyExclusive("data", "installation")
	return c
}

func parseAnchors(texts []string) (anchors []audit.Anchor, err error) {
	for _, text := range texts {
		anchor, err := audit.ParseAnchor(text)
		if err != nil {
			return nil, usage("--anchor " + err.Error())
		}
		anchors = append(anchors, anchor)
	}
	return anchors, nil
}

func verifyDir(ctx context.Context, dir string, anchors []audit.Anchor) (reports []storage.ChainReport, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	err = onDirectory(dir, func() (err error) {
		reports, err = verifyServed(ctx, dir, anchors)
		return err
	}, func() (err error) {
		reports, err = storage.VerifyAuditDir(ctx, dir, anchors...)
		return err
	})
	return reports, err
}

func verifyServed(ctx context.Context, dir string, anchors []audit.Anchor) (reports []storage.ChainReport, err error) {
	query := url.Values{}
	for _, anchor := range anchors {
		query.Add("anchor", anchor.String())
	}
	body, err := control(ctx, dir, "/audit?"+query.Encode())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	err = json.NewDecoder(body).Decode(&reports)
	return reports, err
}

// verifyTrail reads a chain from the server and follows it by itself.
func (a *app) verifyTrail(cmd *cobra.Command, installation bool, anchors []audit.Anchor) ([]storage.ChainReport, error) {
	c, err := a.connect(cmd)
	if err != nil {
		return nil, err
	}
	shown := a.showProgress("verifying", -1, false)
	defer shown.end()
	report, err := followBack(c.AuditTrail(cmd.Context(), installation), anchors, shown)
	if err != nil {
		return nil, err
	}
	if report.Tenant == nil && !installation {
		return nil, errors.New("the server sent another trail than that of your tenant")
	}
	return []storage.ChainReport{report}, nil
}

// followBack follows a chain from its last event to its first. The first that is not
// as it was written is the last that it finds.
func followBack(events iter.Seq2[json.RawMessage, error], anchors []audit.Anchor, shown *progress) (report storage.ChainReport, err error) {
	var newer *audit.Event
	missed := make(map[audit.Anchor]bool)
	for _, anchor := range anchors {
		missed[anchor] = true
	}
	for raw, err := range events {
		if err != nil {
			return report, err
		}
		shown.add(1)
		e, err := readEvent(raw)
		if err != nil {
			return report, err
		}
		if newer == nil {
			report.Tenant, report.Head = e.TenantID, e.Link()
		} else if fault := newer.Follows(e.Link()); fault != nil {
			report.Fault = fault
		}
		if through, ok := e.Pruned(); ok && report.Pruned.Sequence == 0 {
			report.Pruned = through
		}
		for anchor := range missed {
			if anchor.Sequence == e.Sequence && anchor.Tenant == e.Anchor().Tenant {
				delete(missed, anchor)
				if anchor.Hash != e.Hash {
					report.Fault = anchor.Moved()
				}
			}
		}
		report.Events++
		newer = &e
	}
	if newer != nil {
		if fault := newer.Follows(report.Pruned); fault != nil {
			report.Fault = fault
		}
	}
	for anchor := range missed {
		if newer != nil && anchor.Tenant != newer.Anchor().Tenant {
			return report, usage("--anchor " + anchor.String() + " is of another chain")
		}
		if report.Fault == nil {
			report.Fault = anchor.Check(report.Pruned, report.Head)
		}
	}
	return report, nil
}

// readEvent reads an event as its hash was made of it.
func readEvent(raw json.RawMessage) (e audit.Event, err error) {
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, fmt.Errorf("the server sent an event that cannot be read: %w", err)
	}
	for _, side := range []*tenancy.Object{&e.Before, &e.After} {
		if strings.TrimSpace(string(*side)) == "{}" {
			*side = nil
		}
	}
	return e, nil
}
