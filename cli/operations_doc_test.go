//go:build unix

package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"maestro/docs"
)

// TestTheOperatorsFirstHourOfTheManualWorks runs the commands of the manual as they
// stand there, but on a directory, a name and a port that are free here.
func TestTheOperatorsFirstHourOfTheManualWorks(t *testing.T) {
	page, err := docs.Pages.ReadFile("operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "## From the file to HTTPS")
	_, rest, _ = strings.Cut(rest, "```sh\n")
	commands, _, found := strings.Cut(rest, "```\n")
	settings, commands, set := strings.Cut(commands, "\n")
	if !found || !set || !strings.HasPrefix(settings, "DATA=/var/lib/maestro ") {
		t.Fatalf("the manual begins with %q", settings)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte(killPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(freePort(t), ":")
	shell := exec.Command("sh", "-eux")
	shell.Dir = dir
	shell.Stdin = strings.NewReader("trap 'kill $SERVER' EXIT\nDATA=" + filepath.Join(dir, "data") + " NAME=127.0.0.1 PORT=" + port + "\n" + commands + "\ntrap - EXIT\n")
	shell.Env = append(os.Environ(), "PATH="+filepath.Dir(program(t))+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "MAESTRO_PASSWORD_COST=10")
	said, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	_, after, _ := strings.Cut(string(said), "Restored.")
	if !strings.Contains(after, "Churn 2026") {
		t.Errorf("the project is not there after the restore:\n%s", said)
	}
}
