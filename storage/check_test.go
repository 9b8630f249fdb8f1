package storage

import (
	"strings"
	"testing"
)

func TestCheckFindsWhatContradictsItself(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	newProject(t, tenant, "p")
	if err := s.Check(background); err != nil {
		t.Fatal("a sound database:", err)
	}
	for _, damage := range []struct{ statement, want string }{
		{"UPDATE tenant_use SET projects = projects + 1 WHERE tenant_id = $1", "counts 2 projects and has 1"},
		{"UPDATE tenant_use SET storage_bytes = 7, artifacts = 3, projects = 1 WHERE tenant_id = $1", "counts 7 bytes and has 0"},
	} {
		err := s.writer.do(background, tenant.scope.Tenant(), func(tx *Tx) error {
			_, err := tx.exec(damage.statement, tenant.scope.Tenant())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(background); err == nil || !strings.Contains(err.Error(), damage.want) {
			t.Errorf("found %v, want %q", err, damage.want)
		}
	}
}
