package cli_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"maestro/client"
)

// The binary alone, on a machine with nothing else, makes the demo: no clone, no
// git, no environment. Everything is looked at through the API.
func TestDemoOfTheBinary(t *testing.T) {
	home := t.TempDir()
	binary := filepath.Join(home, "maestro")
	if output, err := exec.Command("go", "build", "-o", binary, "maestro").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	server := exec.Command(binary, "serve", "--demo", "--listen", address)
	server.Dir, server.Env = home, []string{"HOME=" + home}
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = server.Wait() // interrupted below, or its log says why
		close(ended)
	}()
	defer func() {
		_ = server.Process.Signal(os.Interrupt) // may have ended
		<-ended
	}()
	var logins []struct{ Tenant, Email, Password string }
	for deadline := time.Now().Add(5 * time.Minute); len(logins) < 4; time.Sleep(50 * time.Millisecond) {
		if text, err := os.ReadFile(filepath.Join(home, "data", "demo-logins.json")); err == nil {
			if err := json.Unmarshal(text, &logins); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-ended:
			t.Fatalf("the server ended: %s", log.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the demo is not ready after five minutes")
		}
	}

	// Projects, finished ones among them, artifacts, and uses of them.
	type tenant struct{ projects, finished, artifacts, uses int }
	got := map[string]tenant{}
	for _, login := range logins[1:] {
		stranger, err := client.New(client.Options{URL: "http://" + address})
		if err != nil {
			t.Fatal(err)
		}
		grant, err := stranger.LogIn(t.Context(), client.LoginRequest{Email: login.Email, Password: login.Password})
		if err != nil {
			t.Fatalf("log in as %s: %v", login.Email, err)
		}
		c, err := client.New(client.Options{URL: "http://" + address, Credential: client.Token(grant.AccessToken)})
		if err != nil {
			t.Fatal(err)
		}
		awaitScores(t, c)
		var n tenant
		for p, err := range c.AllProjects(t.Context(), client.ListProjectsParams{Limit: 500}) {
			if err != nil {
				t.Fatal(err)
			}
			n.projects++
			if p.Status == "completed" {
				n.finished++
				if p.SuccessScore == nil || p.ComputeCost == nil || p.StartDate == nil || p.CompletionDate == nil {
					t.Errorf("%s: %s is finished without a score, cost or dates", login.Tenant, p.Name)
				}
			}
		}
		for x, err := range c.AllArtifacts(t.Context(), client.ListArtifactsParams{}) {
			if err != nil {
				t.Fatal(err)
			}
			n.artifacts++
			n.uses += int(x.UsageCount)
		}
		got[login.Tenant] = n
	}
	// As many as the tables have rows, and the project that uses the tables. Every
	// Desharnais project has one of three languages; of Maxwell's 62, 15 used Telon
	// and each was developed by one of two parties.
	want := map[string]tenant{
		"desharnais": {82, 81, 7, 81 + 4},
		"china":      {500, 499, 4, 4},
		"maxwell":    {63, 62, 7, 15 + 62 + 4},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(tenant{})); diff != "" {
		t.Errorf("the demo (-want +got):\n%s", diff)
	}
}

// awaitScores waits for the scores that follow in the background.
func awaitScores(t *testing.T, c *client.Client) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		tenant, err := c.GetOwnTenant(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if tenant.ScoresStaleSince == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("scores wait to be derived since %s", *tenant.ScoresStaleSince)
		}
	}
}
