package storage

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestCheckFindsEveryWrongCounter makes each counter one too high, and sound
// again, in a tenant that has one of everything.
func TestCheckFindsEveryWrongCounter(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	createUser(t, tenant, "one@example.com")
	p, a := newProject(t, tenant, "p"), newArtifact(t, tenant, "a")
	mustUpload(t, tenant, a.ID, "content")
	play(t, tenant, a.ID, p.ID, ptr(50.0))
	if _, _, err := tenant.AddPoint(background, point(p.ID, "commits", 1, 1), Idempotency{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(background); err != nil {
		t.Fatal("a sound database:", err)
	}

	damages := map[string]struct {
		table, column string
		actual        int64
	}{
		"users":                               {"tenant_use", "users", 1},
		"projects":                            {"tenant_use", "projects", 1},
		"artifacts":                           {"tenant_use", "artifacts", 1},
		"bytes":                               {"tenant_use", "storage_bytes", int64(len("content"))},
		"bytes of records":                    {"tenant_use", "record_bytes", 442},
		"points of a series":                  {"series", "points", 1},
		"bytes of metadata of a series":       {"series", "metadata_bytes", 0},
		"usages of an artifact":               {"artifacts", "usage_count", 1},
		"billionths of impact of an artifact": {"artifacts", "impact_sum", 50 * unitsPerScore},
		"scores of an artifact":               {"artifacts", "impact_count", 1},
		"artifacts with a content":            {"blobs", "refs", 1},
	}
	change := func(table, column string, by int) {
		t.Helper()
		err := tenant.write(background, func(tx *Tx) error {
			_, err := tx.exec(fmt.Sprintf("UPDATE %s SET %s = %s + $2 WHERE tenant_id = $1", table, column, column), tenant.scope.Tenant(), by)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, counter := range counters {
		damage, ok := damages[counter.name]
		if !ok {
			t.Errorf("nothing damages the counter of %s", counter.name)
			continue
		}
		change(damage.table, damage.column, 1)
		want := fmt.Sprintf("tenant %s counts %d %s and has %d", tenant.scope.Tenant(), damage.actual+1, counter.name, damage.actual)
		if err := s.Check(background); err == nil || err.Error() != want {
			t.Errorf("found %v, want %s", err, want)
		}
		change(damage.table, damage.column, -1)
	}
	checkIntegrity(t, s)
}

// TestCheckFindsReferencesToNothing has a row refer to a project that is gone,
// which only a connection that follows no references can bring about.
func TestCheckFindsReferencesToNothing(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	newProject(t, tenant, "p")
	c, err := s.connect([]string{"journal_mode(wal)", "foreign_keys(0)"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.exec("INSERT INTO predictions (tenant_id, id, project_id, created_at) VALUES ($1, $2, $2, 0)", tenant.scope.Tenant(), tenant.scope.Tenant())
	if err := errors.Join(err, c.close()); err != nil {
		t.Fatal(err)
	}
	s.releaseIdleReaders() // whose snapshots are older than a write that the store does not know of
	if err := s.Check(background); err == nil || !strings.Contains(err.Error(), "a row of predictions refers to a row of projects that is not there") {
		t.Errorf("found %v, want the reference to nothing", err)
	}
}
