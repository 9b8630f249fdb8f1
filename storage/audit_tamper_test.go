package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"maestro/audit"
	"maestro/tenancy"
)

// tampered runs check on a trail that was altered by the statement, and undoes it.
func tampered(t *testing.T, s *Store, check func(reports []ChainReport), statements ...string) {
	t.Helper()
	err := s.writer.do(background, installationChain, func(tx *Tx) error {
		for _, statement := range statements {
			changed, err := tx.exec(statement)
			if err != nil || changed == 0 {
				return fmt.Errorf("%s changed %d rows: %w", statement, changed, err)
			}
		}
		reports, err := verifyAudit(background, tx.conn)
		if err != nil {
			return err
		}
		check(reports)
		return context.Canceled // undoes it
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func idBytes(tenant *Tenant) []byte { id := tenant.scope.Tenant(); return id[:] }

// TestEveryAlterationIsFound alters each column of each event, to a value of the
// same type and to one of another, and does all that can be done to rows.
func TestEveryAlterationIsFound(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	p := newProject(t, acme, "one")
	for i := range 3 {
		newProject(t, beta, fmt.Sprint("b", i))
		newMember(t, acme, p.ID, fmt.Sprint("m", i))
	}
	from := audit.WithOrigin(background, &audit.Origin{Actor: tenancy.Actor{ID: tenancy.ID{1}, Kind: tenancy.ActorUser}, Tenant: acme.scope.Tenant(),
		Credential: tenancy.ID{2}, RequestID: "request"})
	s.RecordDenial(from, audit.Denial{Tenant: acme.scope.Tenant(), Action: audit.AccessDeny, Object: "deleteProject", Reason: "forbidden"})
	wantSound(t, s)

	found := func(what string, sequence int64) func([]ChainReport) {
		return func(reports []ChainReport) {
			for _, r := range reports {
				if fault := r.Fault; fault != nil && (sequence == 0 || fault.Sequence == sequence) {
					return
				}
			}
			t.Errorf("%s is not found at event %d: %+v", what, sequence, reports)
		}
	}
	var columns []string
	type place struct{ position, sequence int64 }
	var places []place
	err := s.read(background, func(c *conn) error {
		err := c.query(background, "SELECT name, type FROM pragma_table_info('audit_events')", nil, func(r row) error {
			columns = append(columns, r.text(0)+" "+r.text(1))
			return nil
		})
		if err != nil {
			return err
		}
		return c.query(background, "SELECT position, sequence FROM audit_events", nil, func(r row) error {
			places = append(places, place{r.int(0), r.int(1)})
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(columns) != 17 || len(places) < 9 {
		t.Fatalf("%d columns and %d events: the test does not test", len(columns), len(places))
	}
	last := places[len(places)-1].position
	for _, at := range places {
		where := fmt.Sprintf(" WHERE position = %d", at.position)
		for _, column := range columns {
			var name, kind string
			_, _ = fmt.Sscan(column, &name, &kind) // two words each
			values := map[string][]string{
				"INTEGER": {name + " + 1", name + " - 1", "coalesce(" + name + ", 0) + 1000000"},
				"TEXT":    {"coalesce(" + name + ", '') || 'x'", "upper(coalesce(" + name + ", '')) || ' '"},
				"BLOB":    {"randomblob(16)", "randomblob(32)", "substr(coalesce(" + name + ", x'00'), 2)", "CASE WHEN " + name + " = zeroblob(16) THEN zeroblob(15) ELSE zeroblob(16) END"},
			}[kind]
			switch name {
			case "position":
				values = []string{fmt.Sprint(last + 1 + at.position)}
			case "before", "after":
				values = append(values, "CASE WHEN "+name+" IS NULL THEN '{}' END", "CASE WHEN "+name+" IS NULL THEN '' ELSE '{}' END")
			case "actor_id", "credential_id":
				values = append(values, "CASE WHEN "+name+" IS NULL THEN x'' END", "CASE WHEN "+name+" IS NULL THEN zeroblob(15) END")
			case "tenant_id":
				values = append(values, fmt.Sprintf("CASE WHEN tenant_id = x'%x' THEN x'%x' ELSE x'%x' END", idBytes(acme), idBytes(beta), idBytes(acme)))
			}
			for _, value := range values {
				tampered(t, s, found(fmt.Sprintf("%s = %s%s", name, value, where), 0), "UPDATE audit_events SET "+name+" = "+value+where)
			}
		}
		sequence := at.sequence
		tampered(t, s, found("a removed event", sequence), "DELETE FROM audit_events"+where)
	}
	for _, tenant := range []*Tenant{acme, beta} {
		mine := fmt.Sprintf(" WHERE tenant_id = x'%x'", idBytes(tenant))
		end := events(t, tenant, EventFilter{})
		n := end[len(end)-1].Sequence
		tampered(t, s, found("a tail cut off", n-1), fmt.Sprintf("DELETE FROM audit_events%s AND sequence >= %d", mine, n-1))
		tampered(t, s, found("a chain cut off", 1), "DELETE FROM audit_events"+mine)
		tampered(t, s, found("a chain without its head", 0), "DELETE FROM audit_chains"+mine)
		tampered(t, s, found("an event added", n+1), fmt.Sprintf(`INSERT INTO audit_events (tenant_id, sequence, previous, time, actor_kind, address, request_id, action, object, outcome, previous_hash, hash)
			SELECT tenant_id, sequence + 1, position, time, actor_kind, address, request_id, action, object, outcome, hash, randomblob(32) FROM audit_events%s AND sequence = %d`, mine, n))
		for _, column := range []string{"position = position + 1", "sequence = sequence + 1", "sequence = sequence - 1", "hash = randomblob(32)", "hash = x''", "time = time + 1",
			"pruned_sequence = 1", "pruned_hash = randomblob(32)", "pruned_time = 1", "tenant_id = randomblob(16)"} {
			tampered(t, s, found("the head's "+column, 0), "UPDATE audit_chains SET "+column+mine)
		}
		// Two events that change places, with all that points to them.
		for first := range n - 1 {
			if first == 0 {
				continue
			}
			swap := fmt.Sprintf("UPDATE audit_events SET sequence = CASE sequence WHEN %d THEN %d ELSE %d END%s AND sequence IN (%d, %d)", first, first+1, first, mine, first, first+1)
			tampered(t, s, found("two events swapped", first), swap)
		}
	}
	// An event of a neighbour, with its hash, in place of one's own.
	tampered(t, s, found("a neighbour's event", 0), fmt.Sprintf(`UPDATE audit_events SET (action, object, after, hash) =
		(SELECT action, object, after, hash FROM audit_events o WHERE o.tenant_id = x'%x' AND o.sequence = 2) WHERE tenant_id = x'%x' AND sequence = 2`,
		idBytes(beta), idBytes(acme)))
	wantSound(t, s)
}

// TestTheFirstBrokenEventIsNamed alters three events of one chain.
func TestTheFirstBrokenEventIsNamed(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	for i := range 6 {
		newProject(t, tenant, fmt.Sprint("p", i))
	}
	tampered(t, s, func(reports []ChainReport) {
		i := slices.IndexFunc(reports, func(r ChainReport) bool { return r.Tenant != nil })
		if fault := reports[i].Fault; fault == nil || fault.Sequence != 2 || *fault.Tenant != tenant.scope.Tenant() {
			t.Errorf("got %v, want event 2 of %v", reports[i].Fault, tenant.scope.Tenant())
		}
		if reports[0].Fault != nil {
			t.Errorf("the installation's chain: %v", reports[0].Fault)
		}
	}, fmt.Sprintf("UPDATE audit_events SET object = 'x' WHERE tenant_id = x'%x' AND sequence IN (2, 4, 5)", idBytes(tenant)))
}

// TestCheckReadsTheTrail damages an event.
func TestCheckReadsTheTrail(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	newProject(t, tenant, "p")
	checkIntegrity(t, s)
	tamper(t, s, "UPDATE audit_events SET object = 'x' WHERE tenant_id = $1", tenant.scope.Tenant())
	want := fmt.Sprintf("the audit trail of tenant %s is broken at event 1: what it says is not what was written", tenant.scope.Tenant())
	if err := s.Check(background); err == nil || err.Error() != want {
		t.Errorf("found %v, want %s", err, want)
	}
}
