package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"

	"maestro/problem"
	"maestro/registry"
	"maestro/tenancy"
)

func hashOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func putText(tenant *Tenant, id tenancy.ID, content string) (registry.Artifact, bool, error) {
	return tenant.PutContent(background, id, NewContent{Body: strings.NewReader(content), Size: -1})
}

func mustUpload(t testing.TB, tenant *Tenant, id tenancy.ID, content string) registry.Artifact {
	t.Helper()
	a, _, err := putText(tenant, id, content)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func download(t testing.TB, tenant *Tenant, id tenancy.ID) string {
	t.Helper()
	content, err := tenant.OpenContent(background, id)
	if err != nil {
		t.Fatal(err)
	}
	defer content.File.Close()
	all, err := io.ReadAll(content.File)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// files lists what lies in the directory of blobs, relative to it.
func files(t testing.TB, s *Store) (names []string) {
	t.Helper()
	root := filepath.Join(s.dir, "blobs")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(root, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func held(t testing.TB, tenant *Tenant) int64 {
	t.Helper()
	return count(t, tenant.Store, "SELECT storage_bytes FROM tenant_use WHERE tenant_id = $1", tenant.scope.Tenant())
}

// wantHeld fails unless the tenant is charged for so many bytes, the store has so
// many files, and nothing contradicts itself.
func wantHeld(t testing.TB, tenant *Tenant, bytes int64, nfiles int) {
	t.Helper()
	if got := held(t, tenant); got != bytes {
		t.Errorf("the tenant is charged for %d bytes, want %d", got, bytes)
	}
	if got := files(t, tenant.Store); len(got) != nfiles {
		t.Errorf("there are files %v, want %d", got, nfiles)
	}
	checkIntegrity(t, tenant.Store)
}

func TestContentComesBackAsItWasUploaded(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	a := newArtifact(t, tenant, "model", func(f *registry.ArtifactFields) { f.MediaType = "text/x-old" })
	_, err := tenant.OpenContent(background, a.ID)
	wantCode(t, err, problem.NotFound)

	big := make([]byte, 3*copyBufferSize+17)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(big)
	after, isFirst, err := tenant.PutContent(background, a.ID, NewContent{Body: iotest.HalfReader(bytes.NewReader(big)), Size: int64(len(big)),
		Hashes: []string{hashOf(string(big)), hashOf(string(big))}, MediaType: "application/x-model"})
	if err != nil || !isFirst {
		t.Fatal(err, isFirst)
	}
	if *after.ContentHash != hashOf(string(big)) || *after.SizeBytes != int64(len(big)) || after.MediaType != "application/x-model" || after.Revision != 2 {
		t.Errorf("the artifact is %+v", after)
	}
	if got := download(t, tenant, a.ID); got != string(big) {
		t.Error("other bytes came back")
	}
	name := tenant.scope.Tenant().String() + "/sha256/" + (*after.ContentHash)[:2] + "/" + (*after.ContentHash)[2:]
	if got := files(t, s); len(got) != 1 || got[0] != name {
		t.Errorf("files are %v, want %s", got, name)
	}
	info, err := os.Stat(filepath.Join(s.dir, "blobs", name))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}

	// Nothing at all is content too.
	again, isFirst, err := putText(tenant, a.ID, "")
	if err != nil || isFirst || *again.SizeBytes != 0 || again.MediaType != "application/x-model" {
		t.Fatal(err, isFirst, again)
	}
	if got := download(t, tenant, a.ID); got != "" {
		t.Errorf("came back as %q", got)
	}
	wantHeld(t, tenant, 0, 1)
}

func TestTheSameContentIsKeptAndCountedOnce(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxStorageBytes = 10 }), newTenant(t, s, "beta")
	a, b, c := newArtifact(t, acme, "a"), newArtifact(t, acme, "b"), newArtifact(t, beta, "c")
	mustUpload(t, acme, a.ID, "12345678")
	mustUpload(t, acme, b.ID, "12345678") // fits, because it is there
	wantHeld(t, acme, 8, 1)
	mustUpload(t, acme, b.ID, "12345678") // again, and nothing changes
	wantHeld(t, acme, 8, 1)
	mustUpload(t, beta, c.ID, "12345678") // another tenant's is its own
	wantHeld(t, beta, 8, 2)

	if err := acme.DeleteArtifact(background, a.ID, nil); err != nil {
		t.Fatal(err)
	}
	if got := download(t, acme, b.ID); got != "12345678" {
		t.Errorf("the other's content came back as %q", got)
	}
	wantHeld(t, acme, 8, 2)
	mustUpload(t, acme, b.ID, "abc") // replaces the last that had it
	wantHeld(t, acme, 3, 2)
	if err := acme.DeleteArtifact(background, b.ID, nil); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, acme, 0, 1)
	if got := download(t, beta, c.ID); got != "12345678" {
		t.Errorf("another tenant's content came back as %q", got)
	}
}

func TestRefusedContentLeavesNoTrace(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxStorageBytes = 10 })
	declared := newArtifact(t, tenant, "declared", func(f *registry.ArtifactFields) { f.ContentHash = ptr(hashOf("good")) })
	a := newArtifact(t, tenant, "a")
	gone := tenancy.NewID()
	cut := errors.New("the line went dead")
	body := func(text string) io.Reader { return strings.NewReader(text) }
	for _, test := range []struct {
		name    string
		id      tenancy.ID
		content NewContent
		want    problem.Code
	}{
		{"an artifact that is not there", gone, NewContent{Body: body("x"), Size: 1}, problem.NotFound},
		{"a digest that is another's", a.ID, NewContent{Body: body("x"), Size: 1, Hashes: []string{hashOf("y")}}, problem.DigestMismatch},
		{"one digest right and one wrong", a.ID, NewContent{Body: body("x"), Size: 1, Hashes: []string{hashOf("x"), hashOf("y")}}, problem.DigestMismatch},
		{"not what the artifact was created with", declared.ID, NewContent{Body: body("bad"), Size: 3}, problem.DigestMismatch},
		{"announced as not what it was created with", declared.ID, NewContent{Body: body("bad"), Size: 3, Hashes: []string{hashOf("bad")}}, problem.DigestMismatch},
		{"announced too large", a.ID, NewContent{Body: iotest.ErrReader(errors.New("was read")), Size: 11}, problem.LimitReached},
		{"turns out too large", a.ID, NewContent{Body: body("12345678901"), Size: -1}, problem.LimitReached},
		{"a precondition that does not hold", a.ID, NewContent{Body: body("x"), Size: 1, Match: func(held string) bool { return held != "" }}, problem.PreconditionFailed},
		{"a line that goes dead", a.ID, NewContent{Body: io.MultiReader(body("123"), iotest.ErrReader(cut)), Size: -1}, problem.Internal},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := tenant.PutContent(background, test.id, test.content)
			wantCode(t, err, test.want)
			if test.want == problem.LimitReached {
				var e *problem.Error
				if errors.As(err, &e); e.Limit == nil || *e.Limit != (problem.Limit{Resource: "storage_bytes", Limit: 10}) {
					t.Errorf("the limit is told as %+v", e.Limit)
				}
			}
			wantHeld(t, tenant, 0, 0)
		})
	}
	_, _, err := tenant.PutContent(background, a.ID, NewContent{Body: iotest.ErrReader(cut), Size: -1})
	if !errors.Is(err, cut) {
		t.Errorf("the reader's own error came as %v", err)
	}
	mustUpload(t, tenant, declared.ID, "good")
	// What is there stays when something else is refused.
	_, _, err = putText(tenant, declared.ID, "12345678901")
	wantCode(t, err, problem.LimitReached)
	if got := download(t, tenant, declared.ID); got != "good" {
		t.Errorf("came back as %q", got)
	}
	mustUpload(t, tenant, declared.ID, "1234567890") // in its own place there is room
	wantHeld(t, tenant, 10, 1)
}

// TestWhatChangesDuringAnUploadDecides changes the artifact while its content is
// on the way: the transaction has the last word.
func TestWhatChangesDuringAnUploadDecides(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxStorageBytes = 10 })

	for _, test := range []struct {
		name   string
		during func(t *testing.T, id tenancy.ID)
		match  ContentMatch
		want   problem.Code
	}{
		{"it is deleted", func(t *testing.T, id tenancy.ID) {
			if err := tenant.DeleteArtifact(background, id, nil); err != nil {
				t.Fatal(err)
			}
		}, nil, problem.NotFound},
		{"it gets content", func(t *testing.T, id tenancy.ID) { mustUpload(t, tenant, id, "x") }, func(held string) bool { return held == "" }, problem.PreconditionFailed},
		{"its content is declared", func(t *testing.T, id tenancy.ID) {
			_, err := tenant.UpdateArtifact(background, id, nil, func(f *registry.ArtifactFields) error { f.ContentHash = ptr(hashOf("other")); return nil })
			if err != nil {
				t.Fatal(err)
			}
		}, nil, problem.DigestMismatch},
		{"its room is taken away", func(t *testing.T, _ tenancy.ID) {
			_, err := s.UpdateTenant(background, tenant.scope.Tenant(), nil, func(f *tenancy.TenantFields) error { f.MaxStorageBytes = 6; return nil })
			if err != nil {
				t.Fatal(err)
			}
		}, nil, problem.LimitReached},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newArtifact(t, tenant, test.name)
			during := readerFunc(func([]byte) (int, error) { test.during(t, a.ID); return 0, io.EOF })
			_, _, err := tenant.PutContent(background, a.ID, NewContent{Body: io.MultiReader(strings.NewReader("content"), during), Size: -1, Match: test.match})
			wantCode(t, err, test.want)
			for _, name := range files(t, s) {
				if strings.HasSuffix(name, hashOf("content")[2:]) || strings.Contains(name, "/tmp/") {
					t.Errorf("%s is left", name)
				}
			}
			checkIntegrity(t, s)
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestTheHashOfHeldContentIsNotTheCallersToSay(t *testing.T) {
	tenant := newTenant(t, openStore(t), "acme")
	a := newArtifact(t, tenant, "a")
	mustUpload(t, tenant, a.ID, "content")
	set := func(hash *string) error {
		_, err := tenant.UpdateArtifact(background, a.ID, nil, func(f *registry.ArtifactFields) error { f.ContentHash = hash; return nil })
		return err
	}
	wantCode(t, set(nil), problem.Validation)
	wantCode(t, set(ptr(hashOf("other"))), problem.Validation)
	if err := set(ptr(hashOf("content"))); err != nil {
		t.Error("its own hash is refused:", err)
	}
	_, err := tenant.UpdateArtifact(background, a.ID, nil, func(f *registry.ArtifactFields) error { f.ContentHash, f.Name = nil, ""; return nil })
	var e *problem.Error
	if !errors.As(err, &e) || len(e.Violations) != 2 {
		t.Errorf("both wrong values should be named: %v", err)
	}
	b := newArtifact(t, tenant, "b", func(f *registry.ArtifactFields) { f.ContentHash = ptr(hashOf("x")) })
	if _, err := tenant.UpdateArtifact(background, b.ID, nil, func(f *registry.ArtifactFields) error { f.ContentHash = nil; return nil }); err != nil {
		t.Error("a hash without content is the caller's:", err)
	}
}

// TestTheLastBytesHaveOneWinner races 200 uploads of different content for room
// that only one of them fits.
func TestTheLastBytesHaveOneWinner(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxStorageBytes = 1500 })
	var ids []tenancy.ID
	for i := range 200 {
		ids = append(ids, newArtifact(t, tenant, fmt.Sprint("racer ", i)).ID)
	}
	var won, refused atomic.Int64
	var racers sync.WaitGroup
	for i, id := range ids {
		racers.Go(func() {
			_, _, err := putText(tenant, id, fmt.Sprintf("%01000d", i))
			switch problem.CodeOf(err) {
			case "":
				won.Add(1)
			case problem.LimitReached:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	racers.Wait()
	if won.Load() != 1 || refused.Load() != 199 {
		t.Errorf("%d won and %d were refused, want 1 and 199", won.Load(), refused.Load())
	}
	wantHeld(t, tenant, 1000, 1)
}

// TestTheLargestContentIsTheTenantsOwn bounds what a full tenant may send by what it
// holds itself: how much is read of an upload would tell how large the content of
// others is.
func TestTheLargestContentIsTheTenantsOwn(t *testing.T) {
	s := openStore(t)
	full, other := newTenant(t, s, "full", func(l *tenancy.Limits) { l.MaxStorageBytes = 10 }), newTenant(t, s, "other")
	if _, _, err := putText(other, newArtifact(t, other, "large").ID, strings.Repeat("x", 1000)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := putText(full, newArtifact(t, full, "small").ID, "0123456789"); err != nil {
		t.Fatal(err)
	}
	if bound, err := full.contentBound(background, new(storedArtifact)); err != nil || bound != 10 {
		t.Errorf("a full tenant may send %d bytes, %v; want 10", bound, err)
	}
}

// TestTheSameContentFromManyAtOnce uploads one content for 20 artifacts while
// others that have it are deleted: whoever has it can read it, always.
func TestTheSameContentFromManyAtOnce(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	content := strings.Repeat("the same ", 5000)
	var uploads sync.WaitGroup
	for i := range 20 {
		uploads.Go(func() {
			for round := range 5 {
				a := newArtifact(t, tenant, fmt.Sprint("a", i, " ", round))
				if _, _, err := putText(tenant, a.ID, content); err != nil {
					t.Error(err)
					return
				}
				open, err := tenant.OpenContent(background, a.ID)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := io.ReadAll(open.File); err != nil || string(got) != content {
					t.Errorf("%d bytes came back, %v", len(got), err)
				}
				open.File.Close()
				if i > 0 || round < 4 {
					if err := tenant.DeleteArtifact(background, a.ID, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	uploads.Wait()
	wantHeld(t, tenant, int64(len(content)), 1)
	if n := len(s.files.locks) + len(s.files.uploads); n != 0 {
		t.Errorf("%d locks and uploads are remembered", n)
	}
}

// TestManyContentsOfOneArtifact replaces content from many sides at once: one of
// them stays, and nothing else.
func TestManyContentsOfOneArtifact(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	a := newArtifact(t, tenant, "a")
	var uploads sync.WaitGroup
	for i := range 30 {
		uploads.Go(func() {
			if _, _, err := putText(tenant, a.ID, fmt.Sprintf("content %02d", i%7)); err != nil {
				t.Error(err)
			}
			if open, err := tenant.OpenContent(background, a.ID); err != nil {
				t.Error(err)
			} else {
				open.File.Close()
			}
		})
	}
	uploads.Wait()
	wantHeld(t, tenant, 10, 1)
	if got := download(t, tenant, a.ID); !strings.HasPrefix(got, "content ") {
		t.Errorf("came back as %q", got)
	}
}

func TestAWithdrawnUploadLeavesNoTrace(t *testing.T) {
	s := openStandingStore(t)
	tenant := newTenant(t, s, "acme")
	a := newArtifact(t, tenant, "a")
	ctx, cancel := context.WithCancel(background)
	release := hold(t, s)
	done := make(chan error)
	go func() {
		_, _, err := tenant.PutContent(ctx, a.ID, NewContent{Body: strings.NewReader("late"), Size: 4})
		done <- err
	}()
	for s.writer.depth() == 0 {
		// until the upload waits for the writer
		select {
		case err := <-done:
			t.Fatal("the upload did not wait:", err)
		default:
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("withdrawn as %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, tenant, 0, 0)
}

func TestDamagedStorageIsNotNotFound(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	a := newArtifact(t, tenant, "a")
	mustUpload(t, tenant, a.ID, "content")
	if err := os.RemoveAll(filepath.Join(s.dir, "blobs", tenant.scope.Tenant().String())); err != nil {
		t.Fatal(err)
	}
	_, err := tenant.OpenContent(background, a.ID)
	wantCode(t, err, problem.Internal)
	// Uploading the same again mends it.
	mustUpload(t, tenant, a.ID, "content")
	if got := download(t, tenant, a.ID); got != "content" {
		t.Errorf("came back as %q", got)
	}
	wantHeld(t, tenant, 7, 1)
}

// TestADirectoryThatCannotBeMadeRefusesUploads puts files where directories
// belong.
func TestADirectoryThatCannotBeMadeRefusesUploads(t *testing.T) {
	s := openStore(t)
	tenant, other := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	a, b := newArtifact(t, tenant, "a"), newArtifact(t, other, "b")
	shard := other.scope.Tenant().String() + "/sha256/" + hashOf("content")[:2]
	inTheWay := []string{tenant.scope.Tenant().String() + "/tmp", shard}
	for _, name := range inTheWay {
		leave(t, s, name)
	}
	_, _, err := putText(tenant, a.ID, "content")
	wantCode(t, err, problem.Internal)
	_, _, err = putText(other, b.ID, "content")
	wantCode(t, err, problem.Internal)
	for _, tenant := range []*Tenant{tenant, other} {
		wantHeld(t, tenant, 0, len(inTheWay))
	}
	if n := len(s.files.locks) + len(s.files.uploads); n != 0 {
		t.Errorf("%d locks and uploads are remembered", n)
	}
}

func TestAFullDiskHasItsCode(t *testing.T) {
	wantCode(t, diskError(&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}), problem.StorageFull)
	wantCode(t, diskError(syscall.EDQUOT), problem.StorageFull)
	wantCode(t, diskError(fs.ErrPermission), problem.Internal)
	if diskError(nil) != nil {
		t.Error("no error became one")
	}
}
