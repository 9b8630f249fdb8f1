package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"maestro/auth"
	"maestro/migrations"
	"maestro/server/certificate"
	"maestro/storage"
)

// Bounds of what is well.
const (
	littleDisk   = 1 << 30 // bytes free, below which there is a warning
	fewOpenFiles = 1024    // a connection takes one
	clockDoubt   = time.Minute
)

// check looks at one thing.
type check struct {
	group, name string
	examine     func(context.Context, *patient) finding
}

// checks are all of them, group by group.
var checks = []check{
	{"configuration", "settings", checkSettings},
	{"configuration", "secrets", checkSecrets},
	{"configuration", "address", checkAddress},
	{"data directory", "directory", checkDirectory},
	{"data directory", "modes", checkModes},
	{"data directory", "disk", checkDisk},
	{"data directory", "leftovers", checkLeftovers},
	{"database", "schema", checkSchema},
	{"database", "integrity", checkIntegrity},
	{"identity", "keys", checkKeys},
	{"identity", "revocations", checkRevocationsFile},
	{"server", "answer", checkAnswer},
	{"system", "open files", checkOpenFiles},
	{"system", "clock", checkClock},
	{"backups", "age", checkBackups},
	{"TLS", "certificate", checkCertificate},
}

func well(format string, args ...any) finding {
	return finding{Status: checkOK, Detail: fmt.Sprintf(format, args...)}
}

func warn(advice, format string, args ...any) finding {
	return finding{Status: checkWarn, Detail: fmt.Sprintf(format, args...), Advice: advice}
}

func fail(advice, format string, args ...any) finding {
	return finding{Status: checkFail, Detail: fmt.Sprintf(format, args...), Advice: advice}
}

func checkSettings(_ context.Context, p *patient) finding {
	if p.configured != nil {
		return fail("maestro config check", "%v", p.configured)
	}
	return well("the configuration holds")
}

// checkSecrets tells whether the sources that the configuration names give its
// secrets.
func checkSecrets(_ context.Context, p *patient) finding {
	if len(p.unread) == 0 {
		return well("all that the configuration names can be read")
	}
	var all []string
	for _, u := range p.unread {
		all = append(all, u.problem)
	}
	return fail("maestro docs secrets says what each source needs", "not all could be read: %s", strings.Join(all, "; "))
}

func checkCertificate(_ context.Context, p *patient) finding {
	tls := p.settings.TLS
	switch tls.Mode {
	case tlsFiles:
		return certificateIn(p, tls.Cert, "put a new certificate into the files")
	case tlsAuto:
		return certificateIn(p, certificate.LeafFile(tlsDir(p.dir)), "maestro cert renew")
	case tlsACME:
		for _, name := range tls.Names {
			if f := certificateIn(p, certificate.ACMEFile(tlsDir(p.dir), name), "look in the server's log for what the ACME directory says"); f.Status != checkOK {
				return f
			}
		}
		return well("those of the ACME directory are not due")
	default:
		return well("there is none: TLS is off")
	}
}

// certificateIn looks at how long the certificate of a file will last.
func certificateIn(p *patient, file, advice string) finding {
	leaf, err := certificate.Leaf(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && p.settings.TLS.Mode == tlsAuto:
		return well("maestro serve makes it")
	case errors.Is(err, fs.ErrNotExist) && p.settings.TLS.Mode == tlsACME && p.running:
		return fail(advice, "none was obtained yet for %s", filepath.Base(file))
	case errors.Is(err, fs.ErrNotExist) && p.settings.TLS.Mode == tlsACME:
		return well("maestro serve obtains it")
	case err != nil:
		return fail("name a certificate in PEM", "%v", err)
	}
	ends := leaf.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case p.now().After(leaf.NotAfter):
		return fail(advice, "it expired at %s", ends)
	case certificate.EndsSoon(leaf, p.now()):
		return warn(advice, "it ends at %s", ends)
	}
	return well("it ends at %s", ends)
}

func checkAddress(ctx context.Context, p *patient) finding {
	if p.settings.Listen == "" || p.running {
		return well("%s", p.settings.Listen)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.settings.Listen)
	if err != nil {
		return fail("choose another address (--listen), or stop what has it", "nothing can listen on %s: %v", p.settings.Listen, err)
	}
	_ = listener.Close() // nobody came
	return well("%s is free", p.settings.Listen)
}

func checkDirectory(_ context.Context, p *patient) finding {
	info, err := os.Lstat(p.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warn("maestro serve makes it", "%s is not there", p.dir)
	case err != nil:
		return fail("", "%v", err)
	case !info.IsDir():
		return fail("name the directory itself (--data)", "%s is no directory", p.dir)
	}
	probe, err := os.CreateTemp(p.dir, ".doctor-*")
	if err != nil {
		return fail("run this as the account that runs the server, and make the file system writable", "nothing can be written in %s: %v", p.dir, err)
	}
	_ = errors.Join(probe.Close(), os.Remove(probe.Name())) // it was empty
	return well("%s", p.dir)
}

// kept lists what must be its owner's alone.
var kept = []string{"maestro.db", "maestro.db-wal", "revocations.bolt", "lock", "keys/*", "backups/*", "tls/*", "tls/acme/*"}

func checkModes(_ context.Context, p *patient) finding {
	if runtime.GOOS == "windows" {
		return well("Windows has none")
	}
	open := map[string]fs.FileMode{}
	look := func(name string, allowed fs.FileMode) {
		if info, err := os.Lstat(name); err == nil && info.Mode().Perm()&^allowed != 0 {
			open[name] = allowed
		}
	}
	look(p.dir, 0o700)
	for _, pattern := range kept {
		names, _ := filepath.Glob(filepath.Join(p.dir, pattern)) // the patterns are ours
		for _, name := range names {
			if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() {
				look(name, 0o600)
			}
		}
	}
	if len(open) == 0 {
		return well("only its owner may enter")
	}
	f := fail("maestro doctor --fix; and if others may have read the keys, replace them (maestro keys rotate)", "others than the owner may use %s", someOf(open))
	f.fix = func() (err error) {
		for name, allowed := range open {
			err = errors.Join(err, os.Chmod(name, allowed))
		}
		return err
	}
	return f
}

// someOf names a few of many.
func someOf[V any](names map[string]V) string {
	text := ""
	for name := range names {
		text = name
		break
	}
	if len(names) > 1 {
		text += fmt.Sprintf(" and %d more", len(names)-1)
	}
	return text
}

func checkDisk(_ context.Context, p *patient) finding {
	free, err := p.freeDisk(p.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return well("nothing is there yet")
	case err != nil:
		return warn("", "the free space cannot be told: %v", err)
	case free < storage.LowDisk:
		return fail("make room: writes will be refused", "%d MiB are left", free>>20)
	case free < littleDisk:
		return warn("make room", "%d MiB are left", free>>20)
	}
	return well("%d MiB are free", free>>20)
}

func checkLeftovers(_ context.Context, p *patient) finding {
	var removable, kept []string
	for pattern, remove := range map[string]bool{"backups/tmp/*": true, "backups/.maestro-*": true, "revocations.bolt.distrusted-*": false} {
		names, _ := filepath.Glob(filepath.Join(p.dir, pattern)) // the patterns are ours
		if remove && !p.running {
			removable = append(removable, names...)
		} else if !remove {
			kept = append(kept, names...)
		}
	}
	before, _ := filepath.Glob(p.dir + ".before-restore-*")
	kept = append(kept, before...)
	switch {
	case len(removable) > 0:
		f := warn("maestro doctor --fix", "a crash left %s", strings.Join(removable, ", "))
		f.fix = func() (err error) {
			for _, name := range removable {
				err = errors.Join(err, os.RemoveAll(name))
			}
			return err
		}
		return f
	case len(kept) > 0:
		return warn("remove them when you need them no more", "set aside and never removed: %s", strings.Join(kept, ", "))
	}
	return well("none")
}

func checkSchema(_ context.Context, p *patient) finding {
	schema, err := storage.SchemaVersion(p.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return well("there is no database yet")
	case err != nil:
		return fail("restore a backup (maestro restore)", "the database cannot be read: %v", err)
	case schema > migrations.Newest():
		return fail("run the newer maestro that wrote it, or restore a backup made before the upgrade", "version %d, this program knows up to %d", schema, migrations.Newest())
	case schema < migrations.Newest():
		return warn("the next maestro serve upgrades it", "version %d, this program brings it to %d", schema, migrations.Newest())
	}
	return well("version %d", schema)
}

func checkIntegrity(ctx context.Context, p *patient) finding {
	faults, err := storage.Inspect(ctx, p.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return well("there is no database yet")
	case err != nil:
		return fail("restore a backup (maestro restore)", "the database cannot be read: %v", err)
	case len(faults) > 0:
		return fail("restore a backup (maestro restore), and look at the disk", "%v", faults[0])
	}
	return well("every page and reference holds")
}

func checkKeys(_ context.Context, p *patient) finding {
	dir := filepath.Join(p.dir, "keys")
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return well("there are none yet")
	}
	if slices.ContainsFunc(p.unread, func(u unread) bool { return u.option == "root-secret" }) {
		return warn("make its source answer", "root-secret could not be read, so nobody can tell whether they belong to it")
	}
	if err := auth.CheckKeyRing(dir, p.settings.RootSecret); err != nil {
		return fail("restore the file from a backup, or set root-secret; without the installation's secret every session ends", "%v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "secret.key")); err == nil && p.settings.RootSecret != nil {
		return warn("remove the file keys/secret.key, unless you need it to go back", "root-secret comes from elsewhere, and a copy of it is still in the data directory")
	}
	return well("they can be read")
}

func checkRevocationsFile(_ context.Context, p *patient) finding {
	path := filepath.Join(p.dir, "revocations.bolt")
	_, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return well("there are none yet")
	case p.running:
		return well("the server has them open")
	}
	if err := p.revoked(path); err != nil {
		return fail("the next maestro serve sets the file aside and ends every session", "the file is damaged: %v", err)
	}
	return well("the file is whole")
}

func checkAnswer(ctx context.Context, p *patient) finding {
	if !p.running {
		return well("none runs")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body, err := control(ctx, p.dir, "/readyz")
	if err != nil {
		return fail("look at the server's log", "process %d has the directory and is not ready: %v", p.pid, err)
	}
	_, err = io.Copy(io.Discard, body)
	if err = errors.Join(err, body.Close()); err != nil {
		return fail("look at the server's log", "process %d: %v", p.pid, err)
	}
	return well("process %d is ready", p.pid)
}

func checkOpenFiles(_ context.Context, p *patient) finding {
	limit, err := p.openFiles()
	switch {
	case err != nil:
		return warn("", "the limit cannot be told: %v", err)
	case limit < fewOpenFiles:
		return warn("raise it (LimitNOFILE= in a unit, ulimit -n): a connection takes one", "%d files may be open", limit)
	}
	return well("%d may be open", limit)
}

// checkClock compares the clock with when files were last written.
func checkClock(_ context.Context, p *patient) finding {
	latest := time.Time{}
	for _, name := range []string{"maestro.db", "maestro.db-wal", "revocations.bolt"} {
		if info, err := os.Stat(filepath.Join(p.dir, name)); err == nil && info.ModTime().After(latest) {
			latest = info.ModTime()
		}
	}
	if behind := latest.Sub(p.now()); behind > clockDoubt {
		return fail("set the clock: sessions expire by it", "the clock is %s behind the last write", behind.Round(time.Second))
	}
	return well("not behind the last write")
}

func checkBackups(_ context.Context, p *patient) finding {
	if _, err := os.Stat(filepath.Join(p.dir, "maestro.db")); err != nil {
		return well("there is nothing to back up yet")
	}
	last, ok := storage.LastBackup(p.dir)
	every := p.settings.BackupEvery
	if !ok {
		return warn("maestro backup, or let the server (--backup-every)", "the data directory holds no good backup")
	}
	age := p.now().Sub(last.StartedAt.Std()).Round(time.Second)
	if every > 0 && age > 2*every {
		return fail("look at the server's log for why", "the last good one is %s old, and one is due every %s", age, every)
	}
	return well("the last good one is %s old", age)
}
