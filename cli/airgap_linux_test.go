package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// airgap is what is done on a machine that has loopback and no route to anywhere.
// The system counts, in this namespace alone, what it could not send for want of a
// route. At the end something is sent, so that a count of zero means something.
const airgap = `set -e
ip link set lo up
export MAESTRO_URL=http://127.0.0.1:8080 HOME="$PWD" XDG_CONFIG_HOME="$PWD/config"
maestro serve --data data --listen 127.0.0.1:8080 > server.log 2>&1 &
server=$!
trap 'kill $server; cat server.log' EXIT
use() {
	maestro healthcheck --wait 60s
	printf '%s\n' "$MAESTRO_ADMIN_PASSWORD" | maestro login --email "$MAESTRO_ADMIN_EMAIL" --password-stdin
	maestro project create "$1" > created
	maestro artifact push script --name "$1" --type report > pushed
	maestro artifact top > top
	maestro tenant list > tenants
	maestro backup --data data --out "$1.tar" > backup
	maestro backup verify "$1.tar" > verified
	maestro doctor --data data --config none.toml > doctor
	for page in / /docs /openapi.json /problems /livez /metrics /projects; do
		curl -s -o page "http://127.0.0.1:8080$page"
	done
	for asset in $(curl -s http://127.0.0.1:8080/ | grep -oE '/assets/[A-Za-z0-9._-]+'); do
		curl -sf -o page "http://127.0.0.1:8080$asset"
	done
	maestro logout
	sleep 2 # what the background does in a while
}
count() {
	awk '$1 == "Ip:" && !at { for (i = 2; i <= NF; i++) if ($i == "OutNoRoutes") at = i; next } $1 == "Ip:" { n += $at } $1 == "Ip6OutNoRoutes" { n += $2 } END { print n + 0 }' \
		/proc/net/snmp /proc/net/snmp6
}
before=$(count)
use everything
echo "left: $(( $(count) - before ))"
before=$(count)
maestro healthcheck --url http://192.0.2.7:80 2> refused || cat refused
maestro healthcheck --url http://elsewhere.example 2> refused || cat refused
echo "seen: $(( $(count) - before ))"
`

// TestNothingLeavesTheMachine runs server, CLI and pages in a network namespace.
func TestNothingLeavesTheMachine(t *testing.T) {
	skip := t.Skipf
	if os.Getenv("MAESTRO_TEST_AIRGAP") != "" {
		skip = t.Fatalf // who asks for the proof does not get a silence
	}
	for _, name := range []string{"ip", "curl", "awk"} {
		if _, err := exec.LookPath(name); err != nil {
			skip("this needs %s", name)
		}
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"airgap.sh": airgap, "script": "echo\n", "none.toml": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("/bin/sh", "airgap.sh")
	command.Dir = dir
	command.Env = append(os.Environ(), "PATH="+filepath.Dir(program(t))+":"+os.Getenv("PATH"), "MAESTRO_ADMIN_EMAIL="+killEmail, "MAESTRO_ADMIN_PASSWORD="+killPassword,
		"MAESTRO_PASSWORD_COST=10", "http_proxy=", "https_proxy=", "HTTP_PROXY=", "HTTPS_PROXY=")
	command.SysProcAttr = inNamespace()
	command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	command.WaitDelay = time.Minute
	output, err := command.CombinedOutput()
	if err != nil && len(output) == 0 {
		skip("there are no network namespaces here: %v", err)
	}
	text := string(output)
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	if !strings.Contains(text, "left: 0\n") {
		t.Errorf("something tried to leave the machine:\n%s", text)
	}
	if strings.Contains(text, "seen: 0\n") || !strings.Contains(text, "seen: ") {
		t.Errorf("what does leave is not seen:\n%s", text)
	}
}
