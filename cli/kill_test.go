package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maestro/storage"
	"maestro/tenancy"
)

const (
	killEmail    = "kill@example.org"
	killPassword = "a long enough passphrase for tests"
)

// killRounds is how often a test kills: few times in the ordinary suite, as many as
// MAESTRO_KILL_ROUNDS says in `make kill`.
func killRounds(t *testing.T, ordinary int) int {
	text, set := os.LookupEnv("MAESTRO_KILL_ROUNDS")
	if !set {
		return ordinary
	}
	rounds, err := strconv.Atoi(text)
	if err != nil || rounds < 1 {
		t.Fatalf("MAESTRO_KILL_ROUNDS is %q", text)
	}
	return rounds
}

// builtProgram builds the program that the processes run.
func builtProgram(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "maestro")
	build := exec.Command("go", "build", "-o", binary, "maestro")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	return binary
}

// process is a real server, started from the built binary.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	log  bytes.Buffer
	done chan struct{}
}

// startProcess starts `maestro serve` on a free port of loopback and waits until
// it is ready.
func startProcess(t *testing.T, binary, dir string) *process {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, url: "http://" + address, done: make(chan struct{})}
	p.cmd = exec.Command(binary, "serve", "--data", dir, "--listen", address)
	p.cmd.Env = append(os.Environ(), "MAESTRO_ADMIN_EMAIL="+killEmail, "MAESTRO_ADMIN_PASSWORD="+killPassword,
		"MAESTRO_PASSWORD_COST=10", "MAESTRO_RATE_ADDRESS=0", "MAESTRO_RATE_CREDENTIAL=0", "MAESTRO_RATE_TENANT=0")
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // killed: its status is no news
		close(p.done)
	}()
	t.Cleanup(p.kill)
	for deadline := time.Now().Add(20 * time.Second); ; {
		response, err := http.Get(p.url + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return p
			}
		}
		select {
		case <-p.done:
			t.Fatalf("the server ended: %s", p.log.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server is not ready after 20 s: %s", p.log.String())
		}
	}
}

// kill ends the process with SIGKILL, which it cannot see coming.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // may be gone
	<-p.done
}

// call sends a JSON request and returns the status, 0 when no answer came.
func (p *process) call(ctx context.Context, method, path, token string, body, into any) int {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			p.t.Error(err)
			return 0
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, p.url+"/api/v1"+path, content)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0 // the status came, the answer did not: not acknowledged
	}
	if into != nil && response.StatusCode < 300 {
		if err := json.Unmarshal(answer, into); err != nil {
			p.t.Errorf("%s %s: %v in %s", method, path, err, answer)
		}
	}
	return response.StatusCode
}

func (p *process) login() string {
	p.t.Helper()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	status := p.call(context.Background(), "POST", "/auth/login", "", map[string]string{"email": killEmail, "password": killPassword}, &answer)
	if status != http.StatusOK {
		p.t.Fatalf("login answered %d: %s", status, p.log.String())
	}
	return answer.AccessToken
}

// TestKill has 64 clients create projects while the server is killed at random
// moments. Whatever was acknowledged must be there afterwards, whatever was
// refused must not, and the database must agree with itself.
func TestKill(t *testing.T) {
	binary := builtProgram(t)
	dir := filepath.Join(t.TempDir(), "data")
	var acknowledged, refused sync.Map
	var n, created atomic.Int64
	rounds := killRounds(t, 4)
	raised := false
	for round := range rounds {
		server := startProcess(t, binary, dir)
		token := server.login()
		if !raised {
			raised = true
			raiseLimits(t, server, token)
		}
		ctx, stop := context.WithCancel(context.Background())
		var clients sync.WaitGroup
		for range 64 {
			clients.Go(func() {
				for ctx.Err() == nil {
					i := n.Add(1)
					name := fmt.Sprint("project ", i)
					body := map[string]any{"name": name}
					if i%5 == 0 { // refused whole: one value is wrong
						body["complexity_score"] = 101
					}
					switch status := server.call(ctx, "POST", "/projects", token, body, nil); status {
					case http.StatusCreated:
						acknowledged.Store(name, true)
						created.Add(1)
					case http.StatusUnprocessableEntity:
						refused.Store(name, true)
					case 0: // no answer: it may be there or not
						if ctx.Err() == nil {
							time.Sleep(time.Millisecond) // the server is gone; do not spin until it is noticed
						}
					default:
						t.Errorf("round %d: %s answered %d", round, name, status)
					}
				}
			})
		}
		time.Sleep(time.Duration(20+rand.IntN(300)) * time.Millisecond)
		server.kill()
		stop()
		clients.Wait()
	}
	if created.Load() < int64(10*rounds) {
		t.Fatalf("only %d projects were acknowledged in %d rounds: the test did not test", created.Load(), rounds)
	}
	there := readProjects(t, startProcess(t, binary, dir))
	acknowledged.Range(func(name, _ any) bool {
		if !there[name.(string)] {
			t.Errorf("%s was acknowledged and is gone", name)
		}
		return true
	})
	refused.Range(func(name, _ any) bool {
		if there[name.(string)] {
			t.Errorf("%s was refused and is there", name)
		}
		return true
	})
	t.Logf("%d kills, %d projects acknowledged, %d there", rounds, created.Load(), len(there))
}

func raiseLimits(t *testing.T, server *process, token string) {
	t.Helper()
	var tenant struct{ ID string }
	if status := server.call(context.Background(), "GET", "/tenant", token, nil, &tenant); status != http.StatusOK {
		t.Fatalf("reading the tenant answered %d", status)
	}
	if status := server.call(context.Background(), "PATCH", "/tenants/"+tenant.ID, token, map[string]int{"max_projects": 1_000_000}, nil); status != http.StatusOK {
		t.Fatalf("raising the limit answered %d", status)
	}
}

// wantOneEventEach holds the audit trail to the projects: every one that is there,
// and no other, has been created once.
func wantOneEventEach(t *testing.T, store *storage.Store, there map[string]bool) {
	t.Helper()
	tenant, err := store.TenantBySlug(context.Background(), tenancy.DefaultSlug)
	if err != nil {
		t.Fatal(err)
	}
	scope := tenancy.Issue(tenant.ID, tenancy.Actor{Kind: tenancy.ActorSystem})
	told := map[string]bool{}
	for page := (storage.Page{Limit: storage.MaxLimit}); ; {
		events, err := store.Tenant(scope).Events(context.Background(), page, storage.EventFilter{Action: "project.create"})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events.Items {
			var after struct{ Name string }
			if err := json.Unmarshal(e.After, &after); err != nil {
				t.Fatal(err)
			}
			if told[after.Name] || !there[after.Name] {
				t.Errorf("an event tells of %s, which is not there or was told before", after.Name)
			}
			told[after.Name] = true
		}
		if page.Cursor = events.Next; events.Next == "" {
			break
		}
	}
	if len(told) != len(there) {
		t.Errorf("%d projects left %d events", len(there), len(told))
	}
}

// readProjects lists everything, stops the server and checks its database.
func readProjects(t *testing.T, server *process) map[string]bool {
	t.Helper()
	token := server.login()
	there := map[string]bool{}
	for cursor := ""; ; {
		var page struct {
			Items      []struct{ Name string }
			NextCursor *string `json:"next_cursor"`
		}
		if status := server.call(context.Background(), "GET", "/projects?limit=500&cursor="+cursor, token, nil, &page); status != http.StatusOK {
			t.Fatalf("listing answered %d", status)
		}
		for _, p := range page.Items {
			there[p.Name] = true
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	server.kill()
	dir := server.cmd.Args[len(server.cmd.Args)-3]
	store, err := storage.Open(context.Background(), storage.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	wantOneEventEach(t, store, there)
	if err := errors.Join(store.Check(context.Background()), store.Close()); err != nil {
		t.Errorf("after the kills: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return there
}
