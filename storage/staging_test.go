package storage

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"maestro/problem"
	"maestro/tenancy"
)

// during is content that calls f once its first bytes were taken over, and ends.
func during(first string, f func()) io.Reader {
	return io.MultiReader(strings.NewReader(first), readerFunc(func([]byte) (int, error) { f(); return 0, io.EOF }))
}

// wantStaged fails unless so many bytes of the tenant are staged.
func wantStaged(t *testing.T, tenant *Tenant, want int64) {
	t.Helper()
	staging := &tenant.files.staging
	staging.mu.Lock()
	defer staging.mu.Unlock()
	if got := staging.held[tenant.scope.Tenant()]; got != want {
		t.Errorf("%d bytes are staged, want %d", got, want)
	}
}

// TestUploadsUnderWayShareTheRoom: before, each of them could fill what the tenant
// has left, so that many at once filled the disk.
func TestUploadsUnderWayShareTheRoom(t *testing.T) {
	for name, c := range map[string]struct {
		stored            string
		first             NewContent
		came              int64 // of the first, when the second begins
		limit, fits, over int64
	}{
		"by what came":             {first: NewContent{Size: -1}, came: 6, limit: 10, fits: 4, over: 5},
		"by what was announced":    {first: NewContent{Size: 9}, came: 6, limit: 10, fits: 1, over: 2},
		"beside what is kept":      {stored: "xyz", first: NewContent{Size: -1}, came: 6, limit: 10, fits: 1, over: 2},
		"and nothing is left over": {first: NewContent{Size: 10}, came: 6, limit: 10, fits: 0, over: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			tenant, beta := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxStorageBytes = c.limit }), newTenant(t, s, "beta")
			if c.stored != "" {
				mustUpload(t, tenant, newArtifact(t, tenant, "stored").ID, c.stored)
			}
			a, b, others := newArtifact(t, tenant, "a"), newArtifact(t, tenant, "b"), newArtifact(t, beta, "others")
			first := c.first
			first.Body = during(strings.Repeat("1", int(c.came)), func() {
				wantStaged(t, tenant, max(c.first.Size, c.came))
				for _, size := range []int64{-1, c.over} {
					_, _, err := tenant.PutContent(background, b.ID, NewContent{Body: strings.NewReader(strings.Repeat("2", int(c.over))), Size: size})
					var e *problem.Error
					if !errors.As(err, &e) || e.Code != problem.LimitReached || !strings.Contains(e.Detail, "under way") ||
						*e.Limit != (problem.Limit{Resource: "storage_bytes", Limit: c.limit, Current: int64(len(c.stored)) + max(c.first.Size, c.came)}) {
						t.Errorf("what does not fit beside it: %v", err)
					}
				}
				mustUpload(t, tenant, b.ID, strings.Repeat("2", int(c.fits)))
				mustUpload(t, beta, others.ID, strings.Repeat("2", 20)) // another tenant's room is its own
			})
			if _, _, err := tenant.PutContent(background, a.ID, first); err != nil {
				t.Fatal(err)
			}
			wantHeld(t, tenant, int64(len(c.stored))+c.came+c.fits, len(files(t, s)))
			wantStaged(t, tenant, 0)
		})
	}
}

// TestOfTwoUploadsThatMeetAtTheLimitOneGoesOn has the second fail at the bound
// while the first waits there.
func TestOfTwoUploadsThatMeetAtTheLimitOneGoesOn(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxStorageBytes = 10 })
	a, b := newArtifact(t, tenant, "a"), newArtifact(t, tenant, "b")
	rest := strings.NewReader("6789012345"[:4])
	body := io.MultiReader(during("123456", func() {
		_, _, err := putText(tenant, b.ID, "98765")
		wantCode(t, err, problem.LimitReached)
	}), rest)
	if _, _, err := tenant.PutContent(background, a.ID, NewContent{Body: body, Size: -1}); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, tenant, 10, 1)
}

// TestEveryEndGivesTheShareBack: one that stays would take room for ever. Each end has
// a store of its own: what one leaves would be another's end.
func TestEveryEndGivesTheShareBack(t *testing.T) {
	same := func(content NewContent) func(*Store, *Tenant, tenancy.ID) NewContent {
		return func(*Store, *Tenant, tenancy.ID) NewContent { return content }
	}
	panics := readerFunc(func([]byte) (int, error) { panic("a defect") })
	for name, content := range map[string]func(*Store, *Tenant, tenancy.ID) NewContent{
		"kept":                 same(NewContent{Body: strings.NewReader("12345"), Size: 5}),
		"less than announced":  same(NewContent{Body: strings.NewReader("1"), Size: 9}),
		"another digest":       same(NewContent{Body: strings.NewReader("12345"), Size: 5, Hashes: []string{hashOf("x")}}),
		"too large":            same(NewContent{Body: strings.NewReader("12345678901"), Size: -1}),
		"the client is gone":   same(NewContent{Body: io.MultiReader(strings.NewReader("123"), readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF })), Size: 9}),
		"a panic":              same(NewContent{Body: io.MultiReader(strings.NewReader("123"), panics), Size: 9}),
		"a panic at its begin": same(NewContent{Body: panics, Size: -1}),
		"changed on the way": func(_ *Store, tenant *Tenant, artifact tenancy.ID) NewContent {
			return NewContent{Body: during("123", func() { mustUpload(t, tenant, artifact, "new") }), Size: -1, Match: func(held string) bool { return held != hashOf("new") }}
		},
		"a directory in the way": func(s *Store, tenant *Tenant, _ tenancy.ID) NewContent {
			return NewContent{Body: during("1", func() { leave(t, s, tenant.scope.Tenant().String()+"/sha256/"+hashOf("1")[:2]) }), Size: -1}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			tenant := newTenant(t, s, "acme", func(l *tenancy.Limits) { l.MaxStorageBytes = 10 })
			a := newArtifact(t, tenant, "a")
			ended := errors.New("a panic")
			func() {
				defer func() { _ = recover() }()
				_, _, ended = tenant.PutContent(background, a.ID, content(s, tenant, a.ID))
			}()
			// Whether all came that was announced, the server sees.
			if kept := name == "kept" || name == "less than announced"; kept != (ended == nil) {
				t.Errorf("ended with %v", ended)
			}
			staging := &s.files.staging
			if len(staging.held) != 0 {
				t.Errorf("%v staged", staging.held)
			}
			if len(s.files.uploads) != 0 {
				t.Errorf("%d temporary files are still somebody's", len(s.files.uploads))
			}
			for _, file := range files(t, s) {
				if strings.Contains(file, "/tmp/") {
					t.Errorf("%s is left", file)
				}
			}
		})
	}
}

// TestUploadsLeaveTheDiskWhatTheServerNeeds: an announcement that does not fit is
// refused before it comes.
func TestUploadsLeaveTheDiskWhatTheServerNeeds(t *testing.T) {
	s := openStore(t)
	tenant := newTenant(t, s, "acme")
	a, b := newArtifact(t, tenant, "a"), newArtifact(t, tenant, "b")
	free := int64(LowDisk + 100)
	s.freeDisk = func(string) (int64, error) { return free, nil }
	_, _, err := tenant.PutContent(background, a.ID, NewContent{Body: strings.NewReader("x"), Size: 101})
	wantCode(t, err, problem.StorageFull)
	wantStaged(t, tenant, 0)
	if _, _, err := tenant.PutContent(background, a.ID, NewContent{Body: strings.NewReader("x"), Size: 100}); err != nil {
		t.Error(err)
	}

	// It is looked at again as content comes.
	free = 1 << 40
	low := func() { free = LowDisk - 1 }
	body := io.MultiReader(during("x", low), bytes.NewReader(make([]byte, measureEvery)))
	_, _, err = tenant.PutContent(background, a.ID, NewContent{Body: body, Size: -1})
	wantCode(t, err, problem.StorageFull)
	wantStaged(t, tenant, 0)
	free = 1 << 40
	body = io.MultiReader(during("x", func() { free = LowDisk + measureEvery }), bytes.NewReader(make([]byte, 2*measureEvery)))
	_, _, err = tenant.PutContent(background, a.ID, NewContent{Body: body, Size: 3*measureEvery + 1}) // the rest of it does not fit any more
	wantCode(t, err, problem.StorageFull)
	free = 1 << 40
	body = io.MultiReader(bytes.NewReader(make([]byte, lookEvery)), readerFunc(func([]byte) (int, error) { low(); return 0, io.EOF }))
	if _, _, err := tenant.PutContent(background, a.ID, NewContent{Body: body, Size: -1}); err != nil {
		t.Error("it fits and is refused at its end:", err)
	}
	_, _, err = putText(tenant, b.ID, "")
	wantCode(t, err, problem.StorageFull)
	free = 1 << 40
	body = io.MultiReader(during("x", low), bytes.NewReader(make([]byte, lookEvery)))
	_, _, err = tenant.PutContent(background, b.ID, NewContent{Body: body, Size: -1})
	wantCode(t, err, problem.StorageFull)
	wantHeld(t, tenant, lookEvery, 1)
	s.freeDisk = func(string) (int64, error) { return 0, errors.New("nobody knows") }
	mustUpload(t, tenant, b.ID, "x")
}

// TestAnAnnouncementKeepsNobodyElseFromUploading: before, one request that announced
// the free disk and sent a few bytes had every other upload, of every tenant,
// refused with 507.
func TestAnAnnouncementKeepsNobodyElseFromUploading(t *testing.T) {
	s := openStore(t)
	acme, beta := newTenant(t, s, "acme"), newTenant(t, s, "beta")
	a, b, c := newArtifact(t, acme, "a"), newArtifact(t, acme, "b"), newArtifact(t, beta, "c")
	const room = 3 * measureEvery
	s.freeDisk = func(string) (int64, error) { return LowDisk + room, nil }
	_, _, err := acme.PutContent(background, a.ID, NewContent{Size: room, Body: during("x", func() {
		for _, size := range []int64{2*measureEvery + 1, -1} { // refused neither at its beginning nor on its way
			if _, _, err := beta.PutContent(background, c.ID, NewContent{Body: bytes.NewReader(make([]byte, 2*measureEvery+1)), Size: size}); err != nil {
				t.Errorf("another tenant's, of announced size %d: %v", size, err)
			}
		}
		if _, _, err := acme.PutContent(background, b.ID, NewContent{Body: strings.NewReader("y"), Size: 1}); err != nil {
			t.Error("the tenant's own:", err)
		}
		_, _, err := beta.PutContent(background, c.ID, NewContent{Body: strings.NewReader("y"), Size: room + 1})
		wantCode(t, err, problem.StorageFull) // by what it announced itself
	})})
	if err != nil {
		t.Error(err)
	}
}

// TestSharesSumUp: whatever uploads do, in whatever order, what is staged is what
// they hold, never above the bound, and nothing is left of none.
func TestSharesSumUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		staging, tenants := new(staging), []tenancy.ID{tenancy.NewID(), tenancy.NewID()}
		var shares []*share
		for range rapid.IntRange(1, 6).Draw(t, "uploads") {
			shares = append(shares, staging.open(rapid.SampledFrom(tenants).Draw(t, "tenant")))
		}
		const bound = 20
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			h := rapid.SampledFrom(shares).Draw(t, "upload")
			switch rapid.IntRange(0, 1).Draw(t, "step") {
			case 0:
				h.hold(rapid.Int64Range(0, bound+2).Draw(t, "bytes"), bound)
			case 1:
				h.release()
			}
			sum := map[tenancy.ID]int64{}
			for _, h := range shares {
				sum[h.tenant] += h.held
			}
			for _, tenant := range tenants {
				if got := staging.held[tenant]; got != sum[tenant] || got > bound {
					t.Fatalf("%d bytes are staged of %d, at most %d", got, sum[tenant], bound)
				}
			}
		}
		for _, h := range shares {
			h.release()
		}
		if len(staging.held) != 0 {
			t.Fatalf("left over: %v", staging.held)
		}
	})
}
