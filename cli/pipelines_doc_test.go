package cli_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"maestro/auth"
	"maestro/cli"
	"maestro/client"
	"maestro/docs"
)

// TestTheSignedExampleOfTheManualWorks runs the shell commands of docs/pipelines.md
// against a real server, as somebody would who copies them.
func TestTheSignedExampleOfTheManualWorks(t *testing.T) {
	for _, program := range []string{"sh", "openssl", "curl", "od", "tr", "date"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("the example needs ", program)
		}
	}
	page, err := docs.Pages.ReadFile("pipelines.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```sh\n(body=.*?)```").FindSubmatch(page)
	if example == nil {
		t.Fatal("the manual has no such example")
	}
	appliance := &cli.Appliance{Hash: auth.HasherConfig{InsecureTestCost: bcrypt.MinCost}, Settings: cli.ServeSettings{Data: t.TempDir(), Listen: "127.0.0.1:0",
		AdminEmail: operatorEmail, AdminPassword: operatorPassword, DrainTimeout: 5 * time.Second}}
	if err := appliance.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := appliance.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := loggedIn(t, appliance.URL())
	project, err := c.CreateProject(t.Context(), client.CreateProjectParams{}, client.ProjectFields{Name: "Churn"})
	if err != nil {
		t.Fatal(err)
	}
	hook, err := c.CreateHook(t.Context(), project.ID, client.HookFields{Name: "CI", Provider: "generic"})
	if err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-c", string(example[1]))
	shell.Env = append(os.Environ(), "HOOK="+appliance.URL()+hook.Path, "SECRET="+hook.Secret)
	out, err := shell.CombinedOutput()
	var answer struct{ Outcome string }
	if err != nil || json.Unmarshal(out, &answer) != nil || answer.Outcome != "recorded" {
		t.Fatalf("the example answers %s, %v", out, err)
	}
	for run, err := range c.AllPipelineRuns(t.Context(), project.ID, client.ListPipelineRunsParams{Limit: 10}) {
		if err != nil || run.Run != "nightly-17" || run.Status != "success" || run.DurationSeconds == nil || *run.DurationSeconds != 90 {
			t.Errorf("recorded %+v, %v", run, err)
		}
	}
}
