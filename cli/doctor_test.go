package cli

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"maestro/auth"
	"maestro/server/certificate"
	"maestro/storage"
)

// healthy is an installation that a server made, was stopped, and nothing is
// wrong with.
func healthy(t *testing.T) *patient {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	appliance := &Appliance{Hash: auth.HasherConfig{InsecureTestCost: bcrypt.MinCost},
		Settings: ServeSettings{Data: dir, Listen: "127.0.0.1:0", DrainTimeout: time.Second}}
	if err := errors.Join(appliance.Run(t.Context()), appliance.Close()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []struct{ name, content string }{
		{"maestro-20261123T120000.000Z.tar", "x"},
		{"maestro-20261123T120000.000Z.tar.json", `{"name":"maestro-20261123T120000.000Z.tar","status":"good","size_bytes":1,"started_at":"` +
			time.Now().UTC().Format(time.RFC3339) + `"}`},
	} {
		if err := os.WriteFile(filepath.Join(dir, "backups", file.name), []byte(file.content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &patient{dir: dir, settings: ServeSettings{Data: dir, Listen: "127.0.0.1:0", BackupEvery: time.Hour}, now: time.Now,
		freeDisk:  func(string) (int64, error) { return 10 << 30, nil },
		openFiles: func() (uint64, error) { return 65536, nil },
		revoked:   auth.CheckRevocationFile}
}

func TestAHealthyInstallationPassesEveryCheck(t *testing.T) {
	for _, f := range examine(context.Background(), healthy(t), false) {
		if f.Status != checkOK {
			t.Errorf("%s, %s: %s %s", f.Group, f.Check, f.Status, f.Detail)
		}
	}
}

// overwrite damages a file from a byte on.
func overwrite(t *testing.T, name string, at int64, text string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte(text), at); err != nil || file.Close() != nil {
		t.Fatal(err)
	}
}

// ownCertificate gives the installation a certificate that was made so long ago.
func ownCertificate(t *testing.T, p *patient, ago time.Duration) {
	t.Helper()
	p.settings.TLS.Mode = tlsAuto
	then := func() time.Time { return time.Now().Add(ago) }
	own, err := certificate.OpenAuthority(tlsDir(p.dir), []string{"ml.example"}, then)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Renew([]string{"ml.example"}, true); err != nil {
		t.Fatal(err)
	}
}

// acmeCertificate gives the installation a key and a certificate that was obtained so
// long ago, in one file, as ACME keeps them.
func acmeCertificate(t *testing.T, p *patient, ago time.Duration) {
	t.Helper()
	ownCertificate(t, p, ago)
	p.settings.TLS = TLSSettings{Mode: tlsACME, Names: []string{"ml.example"}}
	var both []byte
	for _, name := range []string{"server.key", "server.pem"} {
		text, err := os.ReadFile(filepath.Join(tlsDir(p.dir), name))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	file := certificate.ACMEFile(tlsDir(p.dir), "ml.example")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, both, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// rootSecretOf reads the secret that an installation made for itself.
func rootSecretOf(t *testing.T, dir string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "keys", "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := auth.ParseRootSecret(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestEveryCheckCanFail has for each check something that it must find, and what
// it must say of it.
func TestEveryCheckCanFail(t *testing.T) {
	tried := make(map[string]bool)
	for _, test := range []struct {
		check, status, says string
		mended              bool // by --fix
		damage              func(t *testing.T, p *patient)
	}{
		{"settings", checkFail, "drain-timeout", false, func(_ *testing.T, p *patient) {
			p.configured = &ConfigError{Problems: []string{"drain-timeout: must be a duration"}}
		}},
		{"address", checkFail, "nothing can listen", false, func(t *testing.T, p *patient) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() })
			p.settings.Listen = listener.Addr().String()
		}},
		{"directory", checkFail, "is no directory", false, func(t *testing.T, p *patient) {
			p.dir = filepath.Join(p.dir, "maestro.db")
		}},
		{"directory", checkWarn, "is not there", false, func(_ *testing.T, p *patient) { p.dir += "-missing" }},
		{"modes", checkFail, "others than the owner", true, func(t *testing.T, p *patient) {
			if err := errors.Join(os.Chmod(p.dir, 0o755), os.Chmod(filepath.Join(p.dir, "maestro.db"), 0o644)); err != nil {
				t.Fatal(err)
			}
		}},
		{"disk", checkFail, "1 MiB are left", false, func(_ *testing.T, p *patient) {
			p.freeDisk = func(string) (int64, error) { return 1 << 20, nil }
		}},
		{"disk", checkWarn, "500 MiB are left", false, func(_ *testing.T, p *patient) {
			p.freeDisk = func(string) (int64, error) { return 500 << 20, nil }
		}},
		{"leftovers", checkWarn, "a crash left", true, func(t *testing.T, p *patient) {
			if err := os.MkdirAll(filepath.Join(p.dir, "backups", "tmp", "backup-1"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"leftovers", checkWarn, "set aside", false, func(t *testing.T, p *patient) {
			if err := os.WriteFile(filepath.Join(p.dir, "revocations.bolt.distrusted-x"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"schema", checkFail, "cannot be read", false, func(t *testing.T, p *patient) {
			overwrite(t, filepath.Join(p.dir, "maestro.db"), 0, "this is no database")
		}},
		{"schema", checkFail, "this program knows up to", false, func(t *testing.T, p *patient) {
			overwrite(t, filepath.Join(p.dir, "maestro.db"), 60, "\x00\x00\x27\x0f") // user_version 9999
		}},
		{"schema", checkWarn, "this program brings it to", false, func(t *testing.T, p *patient) {
			overwrite(t, filepath.Join(p.dir, "maestro.db"), 60, "\x00\x00\x00\x01")
		}},
		{"integrity", checkFail, "damaged", false, func(t *testing.T, p *patient) {
			overwrite(t, filepath.Join(p.dir, "maestro.db"), 3*4096, strings.Repeat("\xff", 2048))
		}},
		{"secrets", checkFail, "is sealed", false, func(_ *testing.T, p *patient) {
			p.unread = []unread{{option: "metrics-token", problem: "MAESTRO_METRICS_TOKEN: vault://kv/maestro#metrics: Vault is sealed", later: true}}
		}},
		{"keys", checkFail, "root-secret: is not set", false, func(t *testing.T, p *patient) {
			if err := os.Remove(filepath.Join(p.dir, "keys", "secret.key")); err != nil {
				t.Fatal(err)
			}
		}},
		{"keys", checkFail, "is another one than", false, func(_ *testing.T, p *patient) {
			p.settings.RootSecret = bytes.Repeat([]byte{1}, 32)
		}},
		{"keys", checkWarn, "a copy of it is still", false, func(t *testing.T, p *patient) { p.settings.RootSecret = rootSecretOf(t, p.dir) }},
		{"keys", checkFail, "does not open with", false, func(t *testing.T, p *patient) {
			if err := os.Remove(filepath.Join(p.dir, "keys", "secret.key")); err != nil {
				t.Fatal(err)
			}
			p.settings.RootSecret = bytes.Repeat([]byte{1}, 32)
		}},
		{"keys", checkWarn, "could not be read", false, func(_ *testing.T, p *patient) { p.unread = []unread{{option: "root-secret"}} }},
		{"revocations", checkFail, "damaged", false, func(t *testing.T, p *patient) {
			overwrite(t, filepath.Join(p.dir, "revocations.bolt"), 0, strings.Repeat("\xff", 8192))
		}},
		{"answer", checkFail, "is not ready", false, func(t *testing.T, p *patient) {
			lock, err := storage.LockDir(p.dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = lock.Unlock() })
			p.running, p.pid = true, os.Getpid()
		}},
		{"certificate", checkFail, "expired", false, func(t *testing.T, p *patient) { ownCertificate(t, p, -100*24*time.Hour) }},
		{"certificate", checkWarn, "ends at", false, func(t *testing.T, p *patient) { ownCertificate(t, p, -80*24*time.Hour) }},
		{"certificate", checkFail, "no such file", false, func(_ *testing.T, p *patient) {
			p.settings.TLS = TLSSettings{Mode: tlsFiles, Cert: filepath.Join(p.dir, "no.pem")}
		}},
		{"certificate", checkFail, "expired", false, func(t *testing.T, p *patient) { acmeCertificate(t, p, -100*24*time.Hour) }},
		{"certificate", checkFail, "none was obtained yet", false, func(_ *testing.T, p *patient) {
			p.running, p.settings.TLS = true, TLSSettings{Mode: tlsACME, Names: []string{"ml.example"}}
		}},
		{"open files", checkWarn, "64 files", false, func(_ *testing.T, p *patient) {
			p.openFiles = func() (uint64, error) { return 64, nil }
		}},
		{"clock", checkFail, "behind the last write", false, func(_ *testing.T, p *patient) {
			p.now = func() time.Time { return time.Now().Add(-time.Hour) }
		}},
		{"age", checkFail, "old", false, func(_ *testing.T, p *patient) {
			p.now = func() time.Time { return time.Now().Add(3 * time.Hour) }
		}},
		{"age", checkWarn, "no good backup", false, func(t *testing.T, p *patient) {
			if err := os.RemoveAll(filepath.Join(p.dir, "backups")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		tried[test.check] = true
		t.Run(test.check+" "+test.says, func(t *testing.T) {
			p := healthy(t)
			test.damage(t, p)
			found := func(fix bool) finding {
				t.Helper()
				for _, f := range examine(context.Background(), p, fix) {
					if f.Check == test.check {
						return f
					}
				}
				t.Fatalf("there is no check %s", test.check)
				return finding{}
			}
			if f := found(false); f.Status != test.status || !strings.Contains(f.Detail, test.says) {
				t.Errorf("found %s: %s; want %s: %s", f.Status, f.Detail, test.status, test.says)
			}
			if f := found(true); f.Fixed != test.mended {
				t.Errorf("after --fix: %+v", f)
			}
			if test.mended && found(false).Status != checkOK {
				t.Error("what was mended is found again")
			}
		})
	}
	for _, c := range checks {
		if !tried[c.name] {
			t.Errorf("nothing here makes %s fail", c.name)
		}
	}
}
