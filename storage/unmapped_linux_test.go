package storage

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatReadsTheDatabaseThroughDoesNotMapIt: removing the mapping at the end would
// keep every write waiting.
func TestWhatReadsTheDatabaseThroughDoesNotMapIt(t *testing.T) {
	s := largeStore(t)
	tenant := newTenant(t, s, "acme")
	newProject(t, tenant, "one")
	mapped := func() int {
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(maps), filepath.Join(s.dir, databaseName)+"\n")
	}
	before := mapped() // by the store's own connections, which stay
	if before == 0 {
		t.Fatal("the store's connections have the database mapped: the test does not see it")
	}
	for name, work := range map[string]func(look func()) error{
		"the copy for a backup": func(look func()) error {
			_, err := s.Backup(background, io.Discard, BackupOptions{Temp: t.TempDir(), sync: func(*os.File) error { look(); return nil }})
			return err
		},
		"the export of a tenant": func(look func()) error {
			return s.ExportTenant(background, tenant.scope.Tenant().String(), writerFunc(func(p []byte) (int, error) { look(); return len(p), nil }), ExportOptions{Temp: t.TempDir()})
		},
	} {
		looks := 0
		err := work(func() {
			looks++
			if now := mapped(); now > before {
				t.Errorf("%s maps the database: %d mappings, %d before", name, now, before)
			}
		})
		if err != nil || looks == 0 {
			t.Errorf("%s: %v, looked at %d times", name, err, looks)
		}
	}
}
