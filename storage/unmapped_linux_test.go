package storage

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatReadsTheDatabaseThroughDoesNotMapIt: closing a connection that has mapped the
// database keeps every write waiting (unmapped).
func TestWhatReadsTheDatabaseThroughDoesNotMapIt(t *testing.T) {
	s := largeStore(t)
	tenant := newTenant(t, s, "acme")
	newProject(t, tenant, "one")
	mapped := func() int { return mappings(t, s.dir) }
	before := mapped() // by the store's own connections, which stay
	if before == 0 {
		t.Fatal("no mapping of the store's own connections is seen, so none of others would be")
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

// TestTheCheckOfABackupDoesNotMapIt looks while a backup is checked, again and again.
func TestTheCheckOfABackupDoesNotMapIt(t *testing.T) {
	s := largeStore(t)
	name, temp := filepath.Join(t.TempDir(), "backup.tar"), t.TempDir()
	var file bytes.Buffer
	if _, err := s.Backup(background, &file, BackupOptions{Temp: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	checked := make(chan error, 1)
	go func() {
		_, err := VerifyBackup(background, name, nil, temp)
		checked <- err
	}()
	for looks := 0; ; looks++ {
		if n := mappings(t, temp); n > 0 {
			t.Fatalf("the check has the database mapped, seen at look %d", looks)
		}
		select {
		case err := <-checked:
			if err != nil || looks < 3 {
				t.Errorf("%v, looked %d times", err, looks)
			}
			return
		default:
		}
	}
}

// mappings counts the mappings that this process has of databases below a directory.
func mappings(t *testing.T, dir string) (n int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if _, path, ok := strings.Cut(strings.TrimSpace(line), dir+"/"); ok && filepath.Base(path) == databaseName {
			n++
		}
	}
	return n
}
