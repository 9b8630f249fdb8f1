package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"maestro/tenancy"
)

// leave puts a file into the directory of blobs as a crash would.
func leave(t testing.TB, s *Store, name string) {
	t.Helper()
	path := filepath.Join(s.dir, "blobs", filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sweepAll sweeps to the end and returns how many passes and removals it took.
func sweepAll(t testing.TB, s *Store, limit int) (passes, removed int) {
	t.Helper()
	for {
		sweep, err := s.SweepBlobs(background, limit)
		if err != nil {
			t.Fatal(err)
		}
		passes++
		removed += sweep.Removed
		if sweep.Done {
			return passes, removed
		}
		if passes > 1000 {
			t.Fatal("the sweep does not come to its end")
		}
	}
}

func TestTheSweepRemovesWhatNothingRefersTo(t *testing.T) {
	dir := t.TempDir()
	s := reopenStore(t, dir)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	a, b := newArtifact(t, acme, "a"), newArtifact(t, beta, "b")
	mustUpload(t, acme, a.ID, "kept")
	mustUpload(t, beta, b.ID, "kept too")
	kept := files(t, s)

	inAcme, inBeta, gone := acme.scope.Tenant().String(), beta.scope.Tenant().String(), tenancy.NewID().String()
	orphan := func(tenant, content string) string {
		hash := hashOf(content)
		return tenant + "/sha256/" + hash[:2] + "/" + hash[2:]
	}
	rubbish := []string{
		inAcme + "/tmp/CUTSHORT", inBeta + "/tmp/CUTSHORT", gone + "/tmp/CUTSHORT",
		orphan(inAcme, "placed, and then the lights went out"), orphan(inAcme, "kept too"), orphan(inBeta, "another"), orphan(gone, "of a tenant that is gone"),
	}
	for i := range 30 {
		rubbish = append(rubbish, orphan(inAcme, fmt.Sprint("more ", i)))
	}
	for _, name := range rubbish {
		leave(t, s, name)
	}
	notOurs := []string{"README", "lost+found/x", inAcme + "/sha256/README", inAcme + "/sha256/zz/" + strings.Repeat("a", 62), inAcme + "/sha256/ab/short"}
	for _, name := range notOurs {
		leave(t, s, name)
	}
	passes, removed := sweepAll(t, s, 5)
	if removed != len(rubbish) || passes < 4 {
		t.Errorf("removed %d files in %d passes, want %d in several", removed, passes, len(rubbish))
	}
	left := map[string]bool{}
	for _, name := range files(t, s) {
		left[name] = true
	}
	for _, name := range append(kept, notOurs...) {
		if !left[name] {
			t.Errorf("%s is gone", name)
		}
		delete(left, name)
	}
	if len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	if _, err := os.Stat(filepath.Join(dir, "blobs", gone)); !os.IsNotExist(err) {
		t.Errorf("the directory of a tenant that is gone: %v", err)
	}
	if download(t, acme, a.ID) != "kept" || download(t, beta, b.ID) != "kept too" {
		t.Error("content changed")
	}
	if passes, removed := sweepAll(t, s, 1000); passes != 1 || removed != 0 {
		t.Errorf("the next sweep took %d passes and removed %d files", passes, removed)
	}
}

// TestTheSweepMindsUploads sweeps while content comes and goes: nothing that
// somebody has is removed.
func TestTheSweepMindsUploads(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	stop := make(chan struct{})
	var sweeping, uploads sync.WaitGroup
	sweeping.Go(func() {
		for {
			if _, err := s.SweepBlobs(background, 3); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for i := range 8 {
		uploads.Go(func() {
			a := newArtifact(t, tenant, fmt.Sprint("a", i))
			for round := range 10 {
				content := fmt.Sprint("content ", (i+round)%4)
				if _, _, err := putText(tenant, a.ID, content); err != nil {
					t.Error(err)
					continue
				}
				if got := download(t, tenant, a.ID); got != content {
					t.Errorf("%q came back as %q", content, got)
				}
			}
		})
	}
	uploads.Wait()
	close(stop)
	sweeping.Wait()
	checkIntegrity(t, s)
	distinct := count(t, s, "SELECT count(*) FROM blobs")
	if got := files(t, s); int64(len(got)) != distinct {
		t.Errorf("%d contents are in %d files", distinct, len(got))
	}
}

func TestMaintenanceSweeps(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	leave(t, s, tenant.scope.Tenant().String()+"/tmp/CUTSHORT")
	if err := s.Maintain(background); err != nil {
		t.Fatal(err)
	}
	if got := files(t, s); len(got) != 0 {
		t.Errorf("left are %v", got)
	}
}

// TestADeletedTenantsLibraryIsRemoved deletes a tenant with content and waits
// for its rows, its words and its files to go; its neighbour keeps all.
func TestADeletedTenantsLibraryIsRemoved(t *testing.T) {
	s := openStore(t)
	doomed, stays := newTenant(t, s, "doomed"), newTenant(t, s, "stays")
	for _, tenant := range []*Tenant{doomed, stays} {
		p := newProject(t, tenant, "p")
		for i := range 5 {
			a := newArtifact(t, tenant, fmt.Sprint("feature ", i))
			mustUpload(t, tenant, a.ID, fmt.Sprint("content ", i))
			play(t, tenant, a.ID, p.ID, ptr(50.0))
		}
	}
	if err := s.DeleteTenant(background, doomed.scope.Tenant(), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Maintain(background); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"artifacts", "artifact_usage", "blobs"} {
		if n := count(t, s, "SELECT count(*) FROM "+table+" WHERE tenant_id = $1", doomed.scope.Tenant()); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	if n := count(t, s, "SELECT count(*) FROM artifact_search_docsize"); n != 5 {
		t.Errorf("%d rows are in the search index, want 5", n)
	}
	wantHeld(t, stays, int64(len("content 0")*5), 5)
	found, err := stays.SearchArtifacts(background, Search{Query: "feat"}, Page{Limit: 10})
	if err != nil || len(found.Items) != 5 {
		t.Errorf("the neighbour finds %d, %v", len(found.Items), err)
	}
}
