//go:build unix

package secrets

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestSecretsOfThisMachineThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	credentials := filepath.Join(dir, "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o604, 0o602, 0o644, 0o666} {
		write(t, filepath.Join(dir, mode.String()), canaryValue, mode)
		fails(t, local(nil), "file://"+dir+"/"+mode.String(), "everybody on this machine may read", false)
	}
	write(t, filepath.Join(credentials, "open"), canaryValue, 0o444)
	write(t, filepath.Join(dir, "empty"), "\n", 0o600)
	write(t, filepath.Join(dir, "binary"), canaryValue+"\xff", 0o600)
	write(t, filepath.Join(dir, "long"), strings.Repeat(canaryValue, MaxBytes/len(canaryValue)+1), 0o600)
	if err := os.Symlink(filepath.Join(dir, "empty"), filepath.Join(credentials, "outside")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader := local(map[string]string{"CREDENTIALS_DIRECTORY": credentials, "EMPTY": ""})
	for reference, says := range map[string]string{
		"file://" + dir + "/nothing": "there is no file",
		"file://" + dir + "/empty":   "is empty",
		"file://" + dir + "/binary":  "is binary",
		"file://" + dir + "/long":    "is larger than 65536 bytes",
		"file://" + dir + "/pipe":    "is not a regular file",
		"file://" + dir:              "is not a regular file",
		"env://NOTHING":              "the variable NOTHING is not set",
		"env://EMPTY":                "is empty",
		"credential://nothing":       "the unit needs LoadCredential=nothing:PATH",
		"credential://open":          "everybody on this machine may read",
		"credential://outside":       "cannot be read",
	} {
		fails(t, reader, reference, says, false)
	}
	fails(t, local(nil), "credential://metrics", "systemd passed no credentials", false)
}
