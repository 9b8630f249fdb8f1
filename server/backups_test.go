package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"maestro/problem"
	"maestro/storage"
)

func TestTheOperatorBacksUp(t *testing.T) {
	w := newWorld(t)
	for _, method := range []string{"GET", "POST"} {
		w.acme.send(method, "/system/backups", "").problem(problem.Forbidden)
		w.nobody.send(method, "/system/backups", "").problem(problem.Unauthenticated)
	}
	type page struct {
		Items []storage.Backup
		Next  string `json:"next_cursor"`
	}
	list := func(query string) (p page) {
		w.operator.send("GET", "/system/backups"+query, "").want(200).into(&p)
		return p
	}
	if got := list(""); len(got.Items) != 0 {
		t.Errorf("before any there are %v", got)
	}

	// Nobody makes them yet, so the first one stays under way.
	var begun storage.Backup
	w.operator.send("POST", "/system/backups", "").want(202).into(&begun)
	w.operator.send("POST", "/system/backups", "").problem(problem.Conflict)
	if got := list("").Items; len(got) != 1 || got[0].Status != storage.BackupRunning || got[0].Name != begun.Name {
		t.Errorf("under way there are %+v", got)
	}

	ctx, stop := context.WithCancel(background)
	done := make(chan struct{})
	go func() { w.backups.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	finished := func() []storage.Backup {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if got := list("").Items; got[0].Status != storage.BackupRunning {
				return got
			}
			if time.Now().After(deadline) {
				t.Fatal("the backup is not finished after a minute")
			}
		}
	}
	if got := finished(); got[0].Status != storage.BackupGood || got[0].Size == 0 || got[0].Version != "test" {
		t.Errorf("the backup is %+v", got[0])
	}
	if last, ok := w.backups.Last(); !ok || time.Since(last) > time.Minute {
		t.Errorf("the last one is of %v, %v", last, ok)
	}
	dir := filepath.Join(w.dir, "backups")
	if _, err := storage.VerifyBackup(background, filepath.Join(dir, begun.Name), nil, ""); err != nil {
		t.Error(err)
	}

	// It is kept, and known after a restart; one whose file changed its size is not.
	for range 2 {
		w.operator.send("POST", "/system/backups", "").want(202)
		finished()
	}
	if all := list("").Items; len(all) != 1 {
		t.Errorf("of three of the same minute %d are kept, want the newest alone", len(all))
	}
	again, err := storage.OpenBackups(storage.BackupsConfig{Store: w.store})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := again.List(storage.Page{Limit: 10})
	if err != nil || len(kept.Items) != 1 || kept.Items[0].Status != storage.BackupGood {
		t.Errorf("after a restart there are %+v, %v", kept, err)
	}
	if err := os.Truncate(filepath.Join(dir, kept.Items[0].Name), 1000); err != nil {
		t.Fatal(err)
	}
	if again, err = storage.OpenBackups(storage.BackupsConfig{Store: w.store}); err != nil {
		t.Fatal(err)
	}
	if _, ok := again.Last(); ok {
		t.Error("a backup that was cut counts")
	}
}

func TestBackupsArePaged(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(w.dir, "backups")
	for _, name := range []string{"maestro-1.tar", "maestro-2.tar", "maestro-3.tar"} {
		for file, content := range map[string]string{name: "x", name + ".json": `{"name":"` + name + `","status":"good","size_bytes":1}`} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	backups, err := storage.OpenBackups(storage.BackupsConfig{Store: w.store})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for page := (storage.Page{Limit: 2}); ; {
		list, err := backups.List(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range list.Items {
			names = append(names, b.Name)
		}
		if page.Cursor = list.Next; page.Cursor == "" {
			break
		}
	}
	if len(names) != 3 || names[0] != "maestro-3.tar" || names[2] != "maestro-1.tar" {
		t.Errorf("the pages have %v", names)
	}
	w.operator.send("GET", "/system/backups?cursor=forged", "").problem(problem.Malformed)
}

func TestTheControlSocketSendsABackup(t *testing.T) {
	w := newWorld(t)
	control := httptest.NewServer(w.server.Control())
	defer control.Close()
	response, err := http.Get(control.URL + "/backup")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	name := filepath.Join(t.TempDir(), "backup.tar")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.ReadFrom(response.Body); err != nil || file.Close() != nil {
		t.Fatal(err)
	}
	if report, err := storage.VerifyBackup(background, name, nil, ""); err != nil || report.Schema != w.store.Schema() {
		t.Errorf("%+v, %v", report, err)
	}
	// What belongs on no network is on none.
	for _, path := range []string{"//backup", "//debug/pprof/", "//metrics", "/system/debug"} {
		w.nobody.send("GET", path, "").problem(problem.NotFound)
	}
}

func TestTheControlSocketSendsATenant(t *testing.T) {
	w := newWorld(t)
	control := httptest.NewServer(w.server.Control())
	defer control.Close()
	get := func(query string) *http.Response {
		t.Helper()
		response, err := http.Get(control.URL + "/export?" + query)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	name := filepath.Join(t.TempDir(), "acme.tar")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.ReadFrom(get("tenant=acme").Body); err != nil || file.Close() != nil {
		t.Fatal(err)
	}
	report, err := storage.VerifyTenantFile(background, name, nil, "")
	if err != nil || report.Slug != "acme" || report.PasswordHashes {
		t.Errorf("%+v, %v", report, err)
	}
	if status := get("tenant=nobody").StatusCode; status != http.StatusNotFound {
		t.Errorf("a tenant that is not there answers %d", status)
	}
	w.nobody.send("GET", "//export?tenant=acme", "").problem(problem.NotFound)
	w.operator.send("GET", "/export?tenant=acme", "").problem(problem.NotFound)
}
